"""How much less time approximate occlusion takes than the paper's way, at the paper's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from .approximate_runs import METHOD, Case
from .captum_runs import seconds_per_window
from .context import Context
from .ratios import aim, for_own_labels, geometric_mean, spread, verdict
from .subjects import as_the_server, built_in, open_subject, subject_names

TITLE = "Approximate occlusion: time"
LABELS = 5
"""Of the paper: as many calls of Captum's, and one run of ours."""
BATCHES = (1, 4, 16)
"""Windows at once of Captum's; the paper's is the first."""
FULL, SHORT = (512, 50, 4), (224, 22, 4)
"""Side, window and stride, pixels: the paper's; and so much less that half a minute does."""
FILMS = 2


def measure(context: Context) -> dict[str, Any]:
    """Time both sides in turn, on one film after another."""
    torch.set_num_threads(context.threads)
    side, window, stride = SHORT if context.short else FULL
    films = context.films[: 1 if context.short else FILMS]
    rows = []
    for name in subject_names(context, short=("resnet18",)):
        subject = open_subject(context, name)
        black = subject.spec().black
        runs = []
        for film in films:
            case = Case(subject, film, side, window, stride)
            with as_the_server():
                case.warm()
                for batch in BATCHES:
                    seconds_per_window(subject.script, case.image, black, batch)
                before, (maps, seconds), after = (
                    {batch: seconds_per_window(subject.script, case.image, black, batch) for batch in BATCHES},
                    case.approximate(),
                    {batch: seconds_per_window(subject.script, case.image, black, batch) for batch in BATCHES},
                )
            captum = {batch: (before[batch] + after[batch]) / 2 for batch in BATCHES}
            facts = maps[-1].facts
            runs.append((seconds, captum, int(facts["windows"]), facts.get("estimated_error", 0.0)))
            context.say(f"{name}: {runs[-1][2]} windows in {seconds:.1f} s")
        rows.append({"network": name, **_row(runs, case.windows.grid[0] * case.windows.grid[1])})
    return {
        "side": side,
        "window": window,
        "stride": stride,
        "labels": LABELS,
        "own_labels": len(subject.labels),
        "films": len(films),
        "max_error": built_in().parameters(METHOD, {}).max_error,
        "rows": rows,
    }


def _row(runs: list[tuple[float, dict[int, float], int, float]], windows: int) -> dict[str, Any]:
    calls = LABELS * windows
    return {
        "all_windows": windows,
        "windows": round(float(np.mean([run[2] for run in runs]))),
        "estimated_error": round(max(run[3] for run in runs), 4),
        "ours": spread([run[0] for run in runs]),
        "paper": spread([calls * run[1][1] for run in runs]),
        "paper_ratio": spread([calls * run[1][1] / run[0] for run in runs]),
        "best_ratio": spread([calls * min(run[1].values()) / run[0] for run in runs]),
    }


def markdown(measured: Mapping[str, Any]) -> str:
    """Tell what was measured, and whether the aim is reached."""
    rows, batches, films = measured["rows"], ", ".join(map(str, BATCHES)), measured["films"]
    lines = [
        f"{measured['side']} pixels, window {measured['window']}, stride {measured['stride']}, black, all labels of "
        f"the network, {films} film{'s' * (films > 1)}, until the estimated error is at most "
        f"{measured['max_error']:.0%} of the map's range in the worst of them; how large it is in truth stands under "
        f"*Approximate occlusion: error*, for some of these networks. *The paper's way* is one Captum call for each of "
        f"{measured['labels']} labels, a window at a time; *Captum's best* the same in the best of batches of "
        f"{batches}. Their time is that of a few windows before and after ours, by the number of windows and labels."
        + (
            " Medians over films, with quartiles."
            if films > 1
            else " Each was run once, so there is no spread; how many windows it takes differs from film to film."
        ),
        "",
        "| network | windows computed | estimated error, largest | ours, s | paper's way, s | paper's way / ours | "
        "Captum's best / ours |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['network']} | {row['windows']:,} of {row['all_windows']:,} | {row['estimated_error']:.3f} | "
        f"{row['ours']['median']:.1f} | {row['paper']['median']:,.0f} | {verdict(row['paper_ratio'])} | "
        f"{verdict(row['best_ratio'])} |"
        for row in rows
    ]
    mean = geometric_mean(row["paper_ratio"]["median"] for row in rows)
    lines += ["", aim(mean, 35, "geometric mean of the networks, over the paper's way")]
    return "\n".join([*lines, *for_own_labels(mean, measured["labels"], measured["own_labels"])])
