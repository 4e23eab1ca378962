"""The whole grid of networks, methods and labels: ours, sharing what can be shared, and Captum's, call by call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from radiolucent.evaluation.explanations.settling import PAPER_METHODS
from radiolucent.plugins import Attribution, Need, NotApplicable
from radiolucent.plugins.methods.occlusion import OcclusionParameters
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from .captum_runs import attribute, best_batch, best_points_at_once, integrate, seconds_per_window
from .context import Context
from .ratios import aim, geometric_mean, in_turn, missed, ratio, seconds_of, spread, verdict, written
from .subjects import (
    SIDE,
    Subject,
    as_the_server,
    built_in,
    explain,
    forward,
    input_gradient,
    open_subject,
    subject_names,
)

TITLE = "The whole grid, and the first heatmap"

STEPS = 50
"""Points of integrated gradients, on both sides: Captum's default. Ours would go on until it has converged."""
GIVEN: Mapping[str, Mapping[str, Any]] = {"integrated_gradients": {"steps": STEPS}}
QUICK = (1, 4, 16)
"""Images at once among which the quickest passes of the folded network are looked for."""
WRONG = 0.01
"""Share of the change of the output from which on a DeepLIFT map that should be complete is called wrong."""


def measure(context: Context) -> dict[str, Any]:
    """Explain one film with all methods for all labels, both sides in turn, network by network."""
    rows, first = [], []
    for name in subject_names(context, short=("resnet18", "resnet34")):
        subject = open_subject(context, name)
        image = subject.image(context.films[0])
        with as_the_server():
            rows.append(_row(context, subject, image))
            if _explains(subject, "class_activation_map") and _explains(subject, "saliency"):
                first.append({"network": name, **_first(context, subject, image)})
    return {"side": SIDE, "methods": PAPER_METHODS, "rows": rows, "first": first}


def _row(context: Context, subject: Subject, image: torch.Tensor) -> dict[str, Any]:
    methods = [name for name in PAPER_METHODS if _explains(subject, name)]
    for name in methods[1:]:  # loads, lifts and warms; occlusion is the longest, and warm then
        explain(subject, image, name, subject.labels[:1])
    black = subject.spec().black
    batch, _ = best_batch(subject.script, image, black, short=True)
    points_at_once = best_points_at_once(subject.script, image, subject.labels[0], black)
    ours: dict[str, list[float]] = {name: [] for name in methods}
    theirs: dict[str, list[float]] = {name: [] for name in methods}
    rounds = 2 if context.short else 3
    worst: dict[str, float] = dict.fromkeys(methods, 0.0)
    one_at_a_time, converged = [], []
    own_missed = 0.0
    for number in range(rounds):
        for name, seconds in _ours(subject, image, methods).items():
            ours[name].append(seconds)
        for name in methods:
            target = subject.labels[number % len(subject.labels)]
            seconds, share = _theirs(subject, image, name, target, batch, points_at_once)
            theirs[name].append(seconds)
            worst[name] = max(worst[name], share)
        windows = _windows(image) * len(subject.labels)
        one_at_a_time.append(windows * seconds_per_window(subject.script, image, black, 1))
        found = explain(subject, image, "integrated_gradients", subject.labels)
        converged.append(found.seconds)
        own_missed = max(own_missed, *(_missed(one) for one in found.maps.values()))
        own, rival = (sum(side[name][-1] for name in methods) for side in (ours, theirs))
        context.say(f"{subject.name}, round {number + 1} of {rounds}: {own:.1f} s, Captum {rival:.1f} s")
    operations = _operations(subject, image, methods)
    left = {name: own / rival for name, (own, rival) in operations.items()}
    quickest = _quickest(subject, image)
    least = sum(own * quickest["forward" if name == "occlusion" else "both"] for name, (own, _) in operations.items())
    best, own_totals = ([sum(many) for many in zip(*side.values(), strict=True)] for side in (theirs, ours))
    defaults = _instead(best, theirs["occlusion"], one_at_a_time)
    own_defaults = _instead(own_totals, ours["integrated_gradients"], converged)
    return {
        "network": subject.name,
        "labels": len(subject.labels),
        "rounds": rounds,
        "batch": batch,
        "points_at_once": points_at_once,
        "ours": spread(own_totals),
        "captum": spread(best),
        "ratio": ratio(best, own_totals),
        "ours_defaults": spread(own_defaults),
        "captum_defaults": spread(defaults),
        "defaults_ratio": ratio(defaults, own_defaults),
        "by_arithmetic": round(sum(best) / sum(sum(theirs[name]) * left[name] for name in methods), 2),
        "limit": round(spread(best)["median"] / least, 2),
        "methods": {
            name: {
                "left": round(left[name], 3),
                "ours": spread(ours[name]),
                "captum": spread(theirs[name]),
                "ratio": ratio(theirs[name], ours[name]),
            }
            for name in methods
        },
        "converged": spread(converged),
        "converged_missed": own_missed,
        "missed": {name: share for name, share in worst.items() if share},
    }


def _missed(one: Attribution) -> float:
    delta = one.convergence_delta or 0.0
    return missed(delta, float(one.values.double().sum()) - delta)


def _instead(totals: Sequence[float], parts: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return the totals with other seconds for a part of them."""
    return [total - part + other for total, part, other in zip(totals, parts, others, strict=True)]


def _explains(subject: Subject, name: str) -> bool:
    try:
        subject.network.form_for(built_in().method(name))
    except NotApplicable:
        return False
    return True


def _ours(
    subject: Subject, image: torch.Tensor, methods: Sequence[str], known: dict[Any, dict[Any, Any]] | None = None
) -> dict[str, float]:
    """Time each method for all labels; one that shares passes with an earlier one finds them, as in a worker."""
    registry = built_in()
    known = {} if known is None else known
    seconds = {}
    for name in methods:
        given = dict(GIVEN.get(name, {}))
        method = registry.method(name)
        needs = method.needs_of(registry.parameters(name, given))
        form = (*(need in needs for need in (Need.GRADIENT, Need.MODULES)), method.survives_folding)
        shared = known.setdefault(form, {})
        seconds[name] = explain(subject, image, name, subject.labels, known=shared, **given).seconds
    return seconds


def _operations(subject: Subject, image: torch.Tensor, methods: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Count each method's multiply-adds, and those of Captum's calls for all labels."""
    counts = {}
    with _Operations() as once:
        forward(subject.network.lifted(), image)
    # A pass back to the input has as many as one forward. DeepLIFT's are of two images each; it, and integrated
    # gradients, take two outputs more to say what they miss.
    passes = {"occlusion": 1 + _windows(image), "integrated_gradients": 2 * STEPS + 2, "deep_lift": 2 * 2 + 2}
    known: dict[Any, dict[Any, Any]] = {}
    for name in methods:
        with _Operations() as counted:
            _ours(subject, image, [name], known)
        counts[name] = (counted.total, len(subject.labels) * passes.get(name, 2) * once.total)
    return counts


def _quickest(subject: Subject, image: torch.Tensor) -> dict[str, float]:
    """Return the seconds per multiply-add of the folded network's quickest passes: forward, and forth and back."""
    folded = subject.network.form_for(built_in().method("integrated_gradients"))
    found: dict[str, list[float]] = {"forward": [], "both": []}
    for batch in QUICK:
        images = image.repeat(batch, 1, 1, 1)
        works = {"forward": partial(forward, folded, images), "both": partial(input_gradient, folded, images, 0)}
        for name, work in works.items():
            with _Operations() as counted:
                work()  # the first of its shape is slow
            found[name] += [seconds_of(work) / counted.total for _ in range(3)]
    return {name: min(seconds) for name, seconds in found.items()}


class _Operations(TorchDispatchMode):
    """Counts as `FlopCounterMode` does, whose hooks of modules stand in the way of a gradient at its leaf."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        result = func(*args, **(kwargs or {}))
        if (count := flop_registry.get(func._overloadpacket)) is not None:
            self.total += count(*args, **(kwargs or {}), out_val=result)
        return result


def _theirs(
    subject: Subject, image: torch.Tensor, name: str, target: int, batch: int, points_at_once: int
) -> tuple[float, float]:
    """Time Captum's method for one label, by the number of labels; and tell what a complete one misses, as a share."""
    labels, script, black = len(subject.labels), subject.script, subject.spec().black
    if name == "occlusion":
        with torch.no_grad():
            once = seconds_of(lambda: script(image))
        return labels * (once + _windows(image) * seconds_per_window(script, image, black, batch)), 0.0
    found: list[Any] = []
    if name == "integrated_gradients":
        work = partial(integrate, script, image, target, black, STEPS, "gausslegendre", points_at_once)
    else:
        work = partial(attribute, name, script, subject.network.lifted(), image, target)
    seconds = labels * seconds_of(lambda: found.append(work()))
    if name not in ("integrated_gradients", "deep_lift"):
        return seconds, 0.0
    baseline = torch.full_like(image, black if name == "integrated_gradients" else 0.0)  # zeros are DeepLIFT's
    with torch.no_grad():
        outputs = script(torch.cat([image, baseline]))[:, target]
    return seconds, missed(float(found[0][1]), float(outputs[0] - outputs[1]))


def _windows(image: torch.Tensor) -> int:
    rows, columns = OcclusionParameters().windows(image.shape[1:]).grid
    return rows * columns


def _first(context: Context, subject: Subject, image: torch.Tensor) -> dict[str, Any]:
    """Time the quickest maps beside the passes that they cannot do without."""
    target = subject.strongest(image)
    folded = subject.network.form_for(built_in().method("class_activation_map"))

    sides = {
        "forward": lambda: forward(subject.script, image),
        "folded": lambda: forward(folded, image),
        "class_activation_map": lambda: explain(subject, image, "class_activation_map", [target]),
        "backward": lambda: input_gradient(subject.script, image, target),
        "saliency": lambda: explain(subject, image, "saliency", [target]),
    }
    in_turn(sides, 1)  # warm-up
    times = in_turn(sides, 7 if context.short else 21)
    return {
        "forward_ms": spread([1000 * one for one in times["forward"]]),
        "folded_ms": spread([1000 * one for one in times["folded"]]),
        "backward_ms": spread([1000 * one for one in times["backward"]]),
        "class_activation_map": ratio(times["class_activation_map"], times["forward"]),
        "over_folded": ratio(times["class_activation_map"], times["folded"]),
        "saliency": ratio(times["saliency"], times["backward"]),
    }


def markdown(measured: Mapping[str, Any]) -> str:
    """Write the tables."""
    rows, methods = measured["rows"], measured["methods"]
    lines = [
        f"{len(methods)} methods for all labels of one film of {measured['side']} pixels with their default "
        f"parameters: ours in one request, whose methods and labels share passes; Captum's called method by method "
        f"and label by label, on the TorchScript copy, and on our lifted network where layers are hooked, since it "
        f"cannot hook a copy. Seconds; Captum's are those of one label, another one in each round, by the number of "
        f"labels, and of its occlusion those of some windows, by their number.",
        "",
        f"Of integrated gradients both sides have a default of their own: Captum's is {STEPS} points, whatever they "
        f"miss; ours goes on until it has converged. So both are compared twice. *Defaults*: each its own, and "
        f"Captum's occlusion one window at a time. *Same points*: {STEPS} on both sides, and Captum's occlusion in "
        f"the batches that suit it best. (Captum's points come in these in either: "
        f"{', '.join(str(row['points_at_once']) for row in rows)} at once.) With the same points, some multiply-adds "
        f"of Captum's are left to do; what share of each method's stands behind its seconds. *By arithmetic* is what "
        f"those would allow if each took as long as in Captum's best, and *limit* if each took as long as in the "
        f"quickest pass of the folded network that was measured, of {' or '.join(map(str, QUICK))} images.",
        "",
        "| network, labels | defaults: ours, s | Captum's, s | ratio | same points: ours, s | Captum's best, s | ratio "
        "| by arithmetic | limit | " + " | ".join(methods) + " |",
        "|---|---|---|---|---|---|---|---|---|" + "---|" * len(methods),
    ]
    for row in rows:
        cells = [
            f"{row['network']}, {row['labels']}",
            f"{row['ours_defaults']['median']:.1f}",
            f"{row['captum_defaults']['median']:.1f}",
            verdict(row["defaults_ratio"]),
            f"{row['ours']['median']:.1f}",
            f"{row['captum']['median']:.1f}",
            verdict(row["ratio"]),
            f"{row['by_arithmetic']:.1f}",
            f"{row['limit']:.1f}",
            *(_cell(row["methods"].get(name)) for name in methods),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines.append("")
    for theirs, ours, compared, what in (
        ("captum_defaults", "ours_defaults", "defaults_ratio", "each with its defaults"),
        ("captum", "ours", "ratio", "the same points"),
    ):
        total = sum(row[theirs]["median"] for row in rows) / sum(row[ours]["median"] for row in rows)
        mean = geometric_mean(row[compared]["median"] for row in rows)
        lines.append(aim(total, 5, f"all {len(rows)} networks together, {what}"))
        lines.append(f"- the same, geometric mean over networks: {mean:.1f} x.")
    reach = sum(row["captum"]["median"] for row in rows) / sum(row["captum"]["median"] / row["limit"] for row in rows)
    lines.append(
        f"- What stands in the way: with the same points all networks together would reach {reach:.1f} x if whatever "
        f"is left ran as quickly as the folded networks' quickest passes. Of integrated gradients the labels of a film "
        f"share the pass forward, and no pass back."
    )
    told = ", ".join(
        f"{row['network']} {row['converged']['median']:.1f} s, {row['converged_missed']:.1%} missed, Captum's "
        f"{STEPS} points {row['missed'].get('integrated_gradients', 0):.1%}"
        for row in rows
    )
    lines.append(f"- Integrated gradients of all labels by our default, and the most they miss of a change: {told}.")
    wrong = [row for row in rows if row["missed"].get("deep_lift", 0) > WRONG]
    if wrong:
        told = ", ".join(f"{row['network']} {row['missed']['deep_lift']:.0%}" for row in wrong)
        lines.append(f"- Captum's DeepLIFT is timed where its maps are wrong too; it misses of the change: {told}.")
    lines += [
        "",
        "Time to a first heatmap of one label, with quartiles, on a loaded network and a prepared X-ray, by the passes "
        "that it cannot do without: of the TorchScript copy; the class activation map also by the pass of the folded "
        "network, on which it is computed (a pass of the worker's own: Triton answers with outputs alone). What a "
        "caller waits for it stands under *The gateway beside Triton alone*.",
        "",
        "| network | one pass forward, ms | class activation map | aim | folded, ms | class activation map | aim | "
        "forward and backward, ms | gradient (`saliency`) | aim |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in measured["first"]:
        cells = [
            one["network"],
            f"{one['forward_ms']['median']:.0f}",
            *_within(one["class_activation_map"], 1.05),
            f"{one['folded_ms']['median']:.0f}",
            *_within(one["over_folded"], 1.05),
            f"{one['backward_ms']['median']:.0f}",
            *_within(one["saliency"], 1.2),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "refused"
    loses = ", **we lose**" if one["ratio"]["median"] < 1 else ""
    return f"{one['ours']['median']:.2f} / {one['captum']['median']:.2f} ({one['left']:.2f}){loses}"


def _within(found: Mapping[str, float], most: float) -> tuple[str, str]:
    return written(found), f"at most {most:g}: {'reached' if found['median'] <= most else '**missed**'}"
