"""Approximate occlusion against the paper's way, and against coarse grids of windows at equal time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from radiolucent.plugins.methods.effects import Effects
from radiolucent.plugins.methods.windows import Windows
from scipy.interpolate import RectBivariateSpline
from scipy.stats import spearmanr

from .captum_runs import seconds_per_window
from .context import Context
from .subjects import Subject, as_the_server, built_in, observe, open_subject, subject_names

TITLE = "Approximate occlusion"
METHOD = "approximate_occlusion"
LABELS = 5
"""Of the paper: as many sweeps as it takes."""
BATCHES = (1, 4, 16)
"""Of Captum; the paper's is the first."""
RIVALS = {"coarse grid alone": 0, "coarse grid, bilinear": 1, "coarse grid, cubic": 3}
"""Degree of the splines between the windows."""


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    side: int
    window: int
    stride: int
    films: Mapping[str, int]
    """Of each network; of others one."""


FULL = Extent(
    512, 50, 4, {"resnet18": 50, "resnet34": 3, "inception_v3": 3, "inception_resnet_v2": 2, "densenet161": 2}
)
SHORT = Extent(224, 22, 4, {"resnet18": 1})


class _Silent:
    def check(self) -> None:
        """Go on."""

    def progress(self, done: int, total: int) -> None:
        """Nobody asks."""


def measure(context: Context) -> dict[str, Any]:
    """Measure networks and films one after another; sides are measured in turn on each film."""
    torch.set_num_threads(context.threads)
    extent = SHORT if context.short else FULL
    cases: list[dict[str, Any]] = []
    for name in subject_names(context, short=tuple(SHORT.films)):
        subject = open_subject(context, name)
        films = context.films[: extent.films.get(name, 1)]
        for number, film in enumerate(films):
            with as_the_server():
                cases.append({"network": name, **_case(subject, film, extent)})
            context.say(f"{name}, film {number + 1} of {len(films)}: {_times(cases[-1], LABELS, '1'):.0f} x")
    return {
        "side": extent.side,
        "window": extent.window,
        "stride": extent.stride,
        "labels": LABELS,
        "max_error": built_in().parameters(METHOD, {}).max_error,
        "cases": cases,
    }


def _case(subject: Subject, film: Path, extent: Extent) -> dict[str, Any]:
    image, black = subject.image(film, extent.side), subject.spec().black
    targets = subject.labels
    windows = Windows(extent.side, extent.side, extent.window, extent.stride)
    method = built_in().method(METHOD)
    asked = {"window": extent.window, "stride": extent.stride}
    params = built_in().parameters(METHOD, asked)
    replacement = torch.full_like(image, black)

    def effects_of(cells: NDArray[np.int64]) -> Effects:
        found = Effects(observe(subject, image, METHOD, asked), image, replacement, windows, targets, params.batch_size)
        for _ in found.compute(cells):
            pass
        return found

    effects_of(np.zeros((1, 2), dtype=np.int64))  # The first pass of a process is slow.
    captum = {batch: [seconds_per_window(subject.script, image, black, batch)] for batch in BATCHES}
    start = time.perf_counter()
    ours = list(method.explain(observe(subject, image, METHOD, asked), image, targets, params, _Silent()))
    our_seconds = time.perf_counter() - start
    counted = int(ours[-1].facts["windows"])
    axis = _axis(windows.grid[0], counted)
    start = time.perf_counter()
    effects_of(_cells(axis))
    rival_seconds = time.perf_counter() - start
    for batch in BATCHES:
        captum[batch].append(seconds_per_window(subject.script, image, black, batch))

    start = time.perf_counter()
    exact = effects_of(_cells(np.arange(windows.grid[0])))
    exact_seconds = time.perf_counter() - start
    truth = windows.average(exact.values).numpy()
    estimates = [
        [one.facts["estimated_error"], _largest(one.values[0].numpy(), truth[one.target])]
        for one in ours
        if "estimated_error" in one.facts
    ]
    finals = np.stack([one.values[0].numpy() for one in ours if one.final])
    rivals = {name: _likeness(_rival(exact.values, windows, axis, degree), truth) for name, degree in RIVALS.items()}
    return {
        "windows": counted,
        "all_windows": windows.grid[0] * windows.grid[1],
        "seconds": our_seconds,
        "exact_seconds": exact_seconds,
        "captum_seconds_per_window": {str(batch): float(np.mean(found)) for batch, found in captum.items()},
        "ours": _likeness(finals, truth),
        "estimates": estimates,
        "rival_windows": len(axis) ** 2,
        "rival_stride": int(axis[1] - axis[0]) * extent.stride,
        "rival_seconds": rival_seconds,
        "rivals": rivals,
    }


def _axis(length: int, windows: int) -> NDArray[np.int64]:
    """Return the coarsest even steps, and the end, that give no fewer windows than so many; every second at most."""
    axis = np.arange(length)
    for step in range(max(2, length - 1), 1, -1):
        axis = np.unique([*range(0, length, step), length - 1])
        if len(axis) ** 2 >= windows:
            break
    return axis


def _cells(axis: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


def _rival(effects: torch.Tensor, windows: Windows, axis: NDArray[np.int64], degree: int) -> NDArray[np.float64]:
    """Return the maps [T, H, W] from the effects on a coarse grid alone."""
    if not degree:
        known = torch.zeros(1, *windows.grid, dtype=torch.float64)
        known[:, axis[:, None], axis] = 1
        alone: NDArray[np.float64] = (windows.average(effects * known) / windows.average(known)).numpy()
        return alone
    places = np.arange(windows.grid[0])
    degree = min(degree, len(axis) - 1)
    between = [
        RectBivariateSpline(axis, axis, plane[np.ix_(axis, axis)], kx=degree, ky=degree)(places, places)
        for plane in effects.numpy()
    ]
    maps: NDArray[np.float64] = windows.average(torch.from_numpy(np.stack(between))).numpy()
    return maps


def _largest(one: NDArray[Any], truth: NDArray[Any]) -> float:
    return float(np.abs(one - truth).max() / np.ptp(truth))


def _likeness(maps: NDArray[Any], truth: NDArray[Any]) -> dict[str, list[float]]:
    """Compare maps of labels with the exact ones."""
    found: dict[str, list[float]] = {"spearman": [], "top_iou": [], "max_error": []}
    for one, other in zip(maps, truth, strict=True):
        found["spearman"].append(float(spearmanr(one.ravel(), other.ravel()).statistic))
        top = [plane >= np.quantile(plane, 0.95) for plane in (one, other)]
        found["top_iou"].append(float((top[0] & top[1]).sum() / (top[0] | top[1]).sum()))
        found["max_error"].append(_largest(one, other))
    return found


def markdown(measured: Mapping[str, Any]) -> str:
    """Tell what was measured, and where the rivals are better."""
    cases = measured["cases"]
    networks = list(dict.fromkeys(case["network"] for case in cases))
    lines = [
        f"{measured['side']} px, window {measured['window']}, stride {measured['stride']}, black, `max_error` "
        f"{measured['max_error']}; all labels of the network. *The paper's way* is one Captum call for each of "
        f"{measured['labels']} labels, a pass at a time: its time per pass was measured on few windows before "
        "and after ours and multiplied by the windows and the labels; *Captum's best* is the same in the best of "
        f"batches of {', '.join(map(str, BATCHES))}. The rival's stride is the coarsest with no fewer windows than "
        "ours, but twice our stride at least; its map is made of the effects of those windows alone, or with splines "
        "between them. Spearman, IoU of the strongest 5 % and largest error of a pixel (share of the range) are to the "
        "exact map, over films and labels.",
        "",
        "| network | films | map | windows | x paper's way | x Captum's best | seconds to ours | Spearman mean, worst "
        "| IoU mean | largest error mean, worst |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for network in networks:
        lines += _rows(network, [case for case in cases if case["network"] == network], measured["labels"])
    pairs = np.array([pair for case in cases for pair in case["estimates"]])
    finals = [(case, name) for case in cases for name in RIVALS if _better(case["rivals"][name], case["ours"])]
    ratio = float(np.exp(np.mean([np.log(_times(case, measured["labels"], "1")) for case in cases])))
    worst = min(min(case["ours"]["spearman"]) for case in cases)
    losses = [f"{name}: {sum(one == name for _, one in finals)} of {len(cases)}" for name in RIVALS]
    below = f"{int((pairs[:, 0] < pairs[:, 1]).sum())} of {len(pairs)}" if len(pairs) else "none of 0"
    middle = f"{np.median(pairs[:, 1] / np.maximum(pairs[:, 0], 1e-12)):.2f}" if len(pairs) else "unknown"
    lines += [
        "",
        f"- Less time than the paper's way, geometric mean: {ratio:.0f} x (aim: at least 35 x): {_aim(ratio >= 35)}.",
        f"- Worst Spearman: {worst:.4f} (aim: at least .95, over 50 films): {_aim(worst >= 0.95)}, over {len(cases)}.",
        f"- The estimated error was below the true one in {below} maps on the way; the true one is "
        f"{middle} of it in the middle.",
        f"- Films on which a rival's mean largest error is smaller than ours: {'; '.join(losses)}.",
    ]
    return "\n".join(lines)


def _rows(network: str, cases: Sequence[Mapping[str, Any]], labels: int) -> list[str]:
    ours = [case["ours"] for case in cases]
    rows = [_row(network, "approximate occlusion", cases, ours, "", labels)]
    for name in RIVALS:
        rows += [_row("", name, cases, [case["rivals"][name] for case in cases], "rival_", labels)]
    return rows


def _row(
    network: str,
    title: str,
    cases: Sequence[Mapping[str, Any]],
    likenesses: Sequence[Mapping[str, list[float]]],
    prefix: str,
    labels: int,
) -> str:
    spearman, overlap, largest = (
        np.concatenate([one[key] for one in likenesses]) for key in ("spearman", "top_iou", "max_error")
    )
    cells = [
        network,
        str(len(cases)),
        title,
        f"{np.mean([case[f'{prefix}windows'] for case in cases]):.0f} of {cases[0]['all_windows']}",
        f"{np.median([_times(case, labels, '1', prefix) for case in cases]):.0f}",
        f"{np.median([min(_times(case, labels, str(batch), prefix) for batch in BATCHES) for case in cases]):.0f}",
        f"{np.median([case[f'{prefix}seconds'] / case['seconds'] for case in cases]):.2f}",
        f"{spearman.mean():.4f}, {spearman.min():.4f}",
        f"{overlap.mean():.3f}",
        f"{largest.mean():.3f}, {largest.max():.3f}",
    ]
    return f"| {' | '.join(cells)} |"


def _times(case: Mapping[str, Any], labels: int, batch: str, prefix: str = "") -> float:
    """Return how many times as long one Captum call per label takes."""
    theirs = labels * case["all_windows"] * case["captum_seconds_per_window"][batch]
    return float(theirs / case[f"{prefix}seconds"])


def _better(rival: Mapping[str, list[float]], ours: Mapping[str, list[float]]) -> bool:
    return bool(np.mean(rival["max_error"]) < np.mean(ours["max_error"]))


def _aim(reached: bool) -> str:
    return "reached" if reached else "**missed**"
