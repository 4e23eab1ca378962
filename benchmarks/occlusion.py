"""Exact occlusion against Captum's: the paper's way, one label and one window at a time, and Captum's best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from radiolucent.handlers.incremental import Window
from radiolucent.plugins.methods.occlusion import OcclusionParameters
from radiolucent.plugins.order import low_discrepancy_order
from torch.utils.flop_counter import FlopCounterMode

from .captum_runs import best_batch, occlude, seconds_per_window
from .context import Context
from .ratios import aim, for_own_labels, geometric_mean, ratio, seconds_of, spread, verdict
from .subjects import Subject, as_the_server, explain, observe, open_subject, subject_names

TITLE = "Exact occlusion"

LABELS = 5
"""As in the paper. One sweep of ours gives all labels, however many; Captum is called once for each."""
SETTINGS = ((512, 50, 4), (224, 28, 14))
"""Side of the input, of the window, stride, pixels: the paper's, and our default at its usual size."""
COMPARED = (128, 16, 8)
"""Where whole maps are compared, value by value."""
BOUND = 1e-4
_COUNTED = 64
"""Windows of which multiply-adds are counted."""
_WHOLE_SECONDS = 400.0
"""Longest whole run beside the sampled ones."""


def measure(context: Context) -> dict[str, Any]:
    """Time both sides in turn, and compare whole maps."""
    rows, errors = [], []
    names = subject_names(context, short=("resnet18", "inception_v3"))
    for name in names:
        subject = open_subject(context, name)
        for number, setting in enumerate(SETTINGS):
            if context.short and number == 0 and name != names[0]:
                continue  # 13,689 windows at 512 pixels: one network tells how it works
            rows.append(_row(context, subject, *setting))
        errors.append(_error(context, subject))
        context.say(f"{name}: largest difference {errors[-1]['difference']:.1e}")
    return {"labels": LABELS, "compared": COMPARED, "bound": BOUND, "rows": rows, "errors": errors}


def _row(context: Context, subject: Subject, side: int, window: int, stride: int) -> dict[str, Any]:
    image = subject.image(context.films[0], side)
    params = OcclusionParameters(window=window, stride=stride)
    windows = params.windows(image.shape[1:])
    order = low_discrepancy_order(*windows.grid).tolist()
    boxes = [windows.box(row, column) for row, column in order]
    rounds, stretch = (3, 24) if context.short else (3, 256)
    asked = {"window": float(window), "stride": float(stride)}
    black = subject.spec().black
    theirs: dict[str, list[float]] = {"paper": [], "best": []}
    ours: list[float] = []
    with as_the_server():
        batch, tried = best_batch(subject.script, image, black, context.short)
        _sweep(subject, image, boxes[:8], asked)  # lifts and compares forms: once for a network, not for an explanation
        for number in range(rounds):
            theirs["paper"].append(LABELS * len(boxes) * seconds_per_window(subject.script, image, black, 1))
            theirs["best"].append(len(boxes) * seconds_per_window(subject.script, image, black, batch))
            if len(boxes) <= stretch:
                ours.append(explain(subject, image, "occlusion", subject.labels, **asked).seconds)
            else:
                start = number * stretch % (len(boxes) - stretch)
                setup, sweep = _sweep(subject, image, boxes[start : start + stretch], asked)
                ours.append(setup + sweep * len(boxes) / stretch)
            context.say(
                f"{subject.name} {side} px, round {number + 1} of {rounds}: {theirs['paper'][-1] / ours[-1]:.1f} x"
            )
        row = {
            "network": subject.name,
            "side": side,
            "window": window,
            "stride": stride,
            "windows": len(boxes),
            "measured_windows": min(stretch, len(boxes)),
            "own_labels": len(subject.labels),
            "rounds": rounds,
            "batches": tried,
            "batch": batch,
            "ours": spread(ours),
            "paper": spread(theirs["paper"]),
            "best": spread(theirs["best"]),
            "paper_ratio": ratio(theirs["paper"], ours),
            "best_ratio": ratio(theirs["best"], ours),
            "share": _share(subject, image, boxes[:_COUNTED], asked),
        }
        if len(boxes) > stretch and not context.short and spread(ours)["median"] < _WHOLE_SECONDS:
            row["whole_seconds"] = round(explain(subject, image, "occlusion", subject.labels, **asked).seconds, 1)
    return row


def _sweep(
    subject: Subject, image: torch.Tensor, boxes: Sequence[Window], asked: dict[str, float]
) -> tuple[float, float]:
    """Time what the method does with some of its windows: what comes before the first, and the windows."""
    model = observe(subject, image, "occlusion", asked)
    replacement = torch.full_like(image, model.spec.black)
    batch = OcclusionParameters().batch_size
    setup = seconds_of(lambda: model.unchanged(image))
    return setup, seconds_of(lambda: list(model.windowed(image, replacement, boxes, batch)))


def _share(subject: Subject, image: torch.Tensor, boxes: Sequence[Window], asked: dict[str, float]) -> float:
    """Count the multiply-adds of windows as they are computed, as a share of what whole passes take."""
    lifted = subject.network.graph_of(subject.script)
    if lifted is None:
        return 1.0  # whole passes are all that can be done
    model = observe(subject, image, "occlusion", asked)
    model.unchanged(image)
    replacement = torch.full_like(image, model.spec.black)
    with FlopCounterMode(display=False) as ours:
        list(model.windowed(image, replacement, boxes, OcclusionParameters().batch_size))
    with torch.no_grad(), FlopCounterMode(display=False) as whole:
        lifted(image)
    return round(ours.get_total_flops() / (len(boxes) * whole.get_total_flops()), 3)


def _error(context: Context, subject: Subject) -> dict[str, Any]:
    """Compare whole maps with Captum's: the largest difference, and the most that it may be."""
    side, window, stride = COMPARED
    if context.short:
        window, stride = 2 * window, 2 * stride
    image = subject.image(context.films[0], side)
    targets = subject.labels[:1] if context.short else subject.labels
    worst: dict[str, Any] = {}
    with as_the_server():
        with torch.no_grad():
            outputs = subject.script(image)[0]
        found = explain(subject, image, "occlusion", targets, window=float(window), stride=float(stride))
        for target in targets:
            theirs = occlude(subject.script, image, target, window, stride, subject.spec().black, batch=8)[0]
            difference = float((theirs - found.maps[target].values).abs().max())
            scale = max(float(theirs.max() - theirs.min()), 1e-3 * abs(float(outputs[target])))
            if not worst or difference / scale > worst["share"]:
                worst = {"difference": difference, "allowed": BOUND * scale, "share": difference / scale}
    return {"network": subject.name, "window": window, "stride": stride, "labels": len(targets), **worst}


def markdown(measured: Mapping[str, Any]) -> str:
    """Write the tables."""
    labels, rows = measured["labels"], measured["rows"]
    lines = [
        f"All labels of a network from one sweep, against Captum's `Occlusion` on the TorchScript copy: *the paper's "
        f"way*, called once for each of {labels} labels with one window at a time; and *Captum's best* run "
        f"for a single label, with as many windows at once as suit it best. Ours is the same map, to the error below. "
        f"Each ratio is the median of rounds in which both sides were measured in turn, with its quartiles. Captum's "
        f"passes are whole ones and cost the same for every window and label, so its time is that of 4 windows (16 in "
        f"batches), by their number. Ours is a whole run where all windows were measured, else the time of windows "
        f"spread evenly over border and centre, by their number. *By arithmetic* is what the multiply-adds that are "
        f"left would allow if each took as long as in the rival's passes; ours are folded and in batches, so it can "
        f"be more.",
    ]
    for setting in dict.fromkeys((row["side"], row["window"], row["stride"]) for row in rows):
        side, window, stride = setting
        chosen = [row for row in rows if (row["side"], row["window"], row["stride"]) == setting]
        lines += [
            "",
            f"{side} pixels, window {window}, stride {stride}: {chosen[0]['windows']:,} windows.",
            "",
            "| network | ours, s | measured windows | paper's way, s | ratio | by arithmetic | "
            "Captum's best, s (at once) | ratio | by arithmetic | multiply-adds left |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *(_line(row, labels) for row in chosen),
            "",
            *_aims(chosen, labels, paper=side == SETTINGS[0][0]),
        ]
        lines += [
            f"- {row['network']} from end to end: {row['whole_seconds']:.0f} s."
            for row in chosen
            if "whole_seconds" in row
        ]
    side = measured["compared"][0]
    lines += [
        "",
        f"Largest difference to Captum's maps, both whole, at {side} pixels; allowed is {measured['bound']:g} of the "
        f"map's range, or of a thousandth of the output where that is more:",
        "",
        "| network | window, stride | labels | difference | allowed |",
        "|---|---|---|---|---|",
    ]
    for one in measured["errors"]:
        over = "" if one["difference"] <= one["allowed"] else ", **too much**"
        lines.append(
            f"| {one['network']} | {one['window']}, {one['stride']} | {one['labels']} | {one['difference']:.1e}{over} "
            f"| {one['allowed']:.1e} |"
        )
    return "\n".join(lines)


def _line(row: Mapping[str, Any], labels: int) -> str:
    every = row["measured_windows"] == row["windows"]
    cells = [
        row["network"],
        f"{row['ours']['median']:.1f}",
        f"{row['rounds']} x {'all' if every else row['measured_windows']}",
        f"{row['paper']['median']:,.0f}",
        verdict(row["paper_ratio"]),
        f"{labels / row['share']:.1f}",
        f"{row['best']['median']:,.0f} ({row['batch']})",
        verdict(row["best_ratio"]),
        f"{1 / row['share']:.1f}",
        f"{row['share']:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def _aims(rows: Sequence[Mapping[str, Any]], labels: int, *, paper: bool) -> list[str]:
    mean = geometric_mean(row["paper_ratio"]["median"] for row in rows)
    best = geometric_mean(row["best_ratio"]["median"] for row in rows)
    networks = f"geometric mean of {len(rows)} network{'s' * (len(rows) > 1)}"
    if not paper:
        return [f"- {networks}: {mean:.1f} x the paper's way, {best:.1f} x Captum's best."]
    lines = [aim(mean, 10, f"the paper's way, {networks}")]
    lines += for_own_labels(mean, labels, rows[0]["own_labels"])
    small = [row["paper_ratio"]["median"] for row in rows if row["network"] == "resnet18"]
    lines += [aim(one, 20, "the paper's way, resnet18") for one in small]
    return [*lines, aim(best, 2, f"Captum's best for a single label, {networks}")]
