"""Integrated gradients against Captum's at the same completeness error."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .captum_runs import best_points_at_once, integrate
from .context import Context
from .memory import in_a_fresh_process, peak_mib
from .ratios import aim, geometric_mean, missed, spread, verdict
from .subjects import Subject, as_the_server, explain, open_subject, subject_names

TITLE = "Integrated gradients at equal error"

ERROR = 0.01
"""Share of the change of the output that a map may miss: our default."""
AIM = 3.6
"""How many times as long Captum's should take."""
RULES = ("gausslegendre", "riemann_middle")
"""Captum's default, and the simplest."""
FIRST_STEPS = 8
MOST_STEPS = 256
_HALVINGS = 3
"""Of the gap between the steps that suffice and half as many, to find how many would have done."""
FILMS = 3
_MEMORY_STEPS = (64, 256)
"""Given steps at which the peak is measured."""
_DEFAULT_STEPS = 50
"""Captum's."""


@dataclass(frozen=True)
class _Map:
    """Both sides on one film, one label and one network."""

    change: float
    ours_seconds: float
    ours_points: int
    ours_passes: int
    ours_error: float
    steps: dict[str, int | None]
    """Captum's fewest that were found to suffice, by rule; None where even the most do not."""
    errors: dict[str, float]
    """What these miss, as a share of the change."""
    last_seconds: dict[str, float]
    """Of the run with these alone, by rule."""
    all_seconds: dict[str, float]
    """Of all runs with steps doubled until they sufficed, by rule."""
    default_error: float


def measure(context: Context) -> dict[str, Any]:
    """Explain every film on every network, both sides in turn."""
    rows, memories = [], []
    names = subject_names(context, short=("resnet18",))
    films = context.films[: 2 if context.short else FILMS]
    for name in names:
        subject = open_subject(context, name)
        # Folds the network, once for all.
        image = subject.image(films[0])
        explain(subject, image, "integrated_gradients", [0], steps=4)
        with as_the_server():
            batch = best_points_at_once(subject.script, image, subject.strongest(image), subject.spec().black)
        maps = [_map(context, subject, film, batch) for film in films]
        rows.append({"network": name, "batch": batch, **_summary(maps), "maps": [asdict(one) for one in maps]})
        cases = _memory_cases(batch, context.short)
        peaks = in_a_fresh_process(_peaks, context.repository, name, films[0], context.threads, cases)
        for (side, given), (peak, points) in zip(cases, peaks, strict=True):
            memories.append({"network": name, "side": side, **given, "points": points, "peak_mib": peak})
            context.say(f"{name}: {side} {given}: {points} points, {peak} MiB")
    return {"error": ERROR, "most_steps": MOST_STEPS, "films": len(films), "rows": rows, "memory": memories}


def _map(context: Context, subject: Subject, film: Path, batch: int) -> _Map:
    image = subject.image(film)
    target, black = subject.strongest(image), subject.spec().black
    with as_the_server():
        with torch.no_grad():
            outputs = subject.script(torch.cat([image, torch.full_like(image, black)]))[:, target].double()
        change = float(outputs[0] - outputs[1])
        found = explain(subject, image, "integrated_gradients", [target], max_error=ERROR)
        own = found.maps[target]
        steps: dict[str, int | None] = {}
        errors, last, every = {}, {}, {}
        for rule in RULES:
            found_steps = _fewest(subject, image, target, rule, batch, change)
            steps[rule], errors[rule], last[rule], every[rule] = found_steps
        again = explain(subject, image, "integrated_gradients", [target], max_error=ERROR)  # around the rival's runs
        _, default = integrate(subject.script, image, target, black, _DEFAULT_STEPS, RULES[0], batch)
    one = _Map(
        change=round(change, 4),
        ours_seconds=round((found.seconds + again.seconds) / 2, 4),
        ours_points=int(own.facts["steps"]),
        ours_passes=found.passes,
        ours_error=missed(own.convergence_delta or 0.0, change),
        steps=steps,
        errors=errors,
        last_seconds=last,
        all_seconds=every,
        default_error=missed(default, change),
    )
    told = ", ".join(f"{rule} {steps[rule]} steps" for rule in RULES)
    context.say(f"{subject.name}: {one.ours_points} points in {one.ours_seconds:.1f} s; Captum: {told}")
    return one


def _fewest(
    subject: Subject, image: torch.Tensor, target: int, rule: str, batch: int, change: float
) -> tuple[int | None, float, float, float]:
    """Double Captum's steps until it misses no more than we may; then halve the gap to those that did not suffice.

    Returns
    -------
    steps : int or None
        The fewest found; None where even the most do not suffice.
    error : float
        What they miss, as a share of the change.
    last : float
        Seconds of the run with them.
    every : float
        Seconds of all runs of the doubling.
    """

    def run(steps: int) -> tuple[float, float]:
        start = time.perf_counter()
        _, delta = integrate(subject.script, image, target, subject.spec().black, steps, rule, batch)
        return time.perf_counter() - start, missed(delta, change)

    steps = FIRST_STEPS
    seconds, error = run(steps)
    every = seconds
    while error > ERROR and 2 * steps <= MOST_STEPS:
        steps *= 2
        seconds, error = run(steps)
        every += seconds
    if error > ERROR:
        return None, error, round(seconds, 4), round(every, 4)
    too_few = steps // 2 if steps > FIRST_STEPS else 1
    for _ in range(_HALVINGS):
        between = (too_few + steps) // 2
        if between in (too_few, steps):
            break
        tried, left = run(between)
        if left <= ERROR:
            steps, seconds, error = between, tried, left
        else:
            too_few = between
    return steps, error, round(seconds, 4), round(every, 4)


def _summary(maps: Sequence[_Map]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ours_seconds": spread([one.ours_seconds for one in maps]),
        "ours_points": spread([one.ours_points for one in maps]),
        "ours_missed": sum(one.ours_error > ERROR for one in maps),
        "default_missed": sum(one.default_error > ERROR for one in maps),
        "default_error": spread([one.default_error for one in maps]),
        "ours_error": spread([one.ours_error for one in maps]),
        "rules": {},
    }
    for rule in RULES:
        found["rules"][rule] = {
            "steps": spread([one.steps[rule] or MOST_STEPS for one in maps]),
            "missed": sum(one.steps[rule] is None for one in maps),
            "error": spread([one.errors[rule] for one in maps]),
            "seconds": spread([one.last_seconds[rule] for one in maps]),
            "last_ratio": spread([one.last_seconds[rule] / one.ours_seconds for one in maps]),
            "all_ratio": spread([one.all_seconds[rule] / one.ours_seconds for one in maps]),
            "last_mean": geometric_mean(one.last_seconds[rule] / one.ours_seconds for one in maps),
            "all_mean": geometric_mean(one.all_seconds[rule] / one.ours_seconds for one in maps),
        }
    return found


def _memory_cases(batch: int, short: bool) -> list[tuple[str, dict[str, Any]]]:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("ours", {"max_error": ERROR}),
        *(("ours", {"steps": steps}) for steps in _MEMORY_STEPS[: 1 if short else None]),
        (f"Captum, {batch} at once", {"steps": _DEFAULT_STEPS}),
        # Its default: all points at once.
        ("Captum, all at once", {"steps": _DEFAULT_STEPS}),
    ]
    return cases


def _peaks(
    repository: Path, name: str, film: Path, threads: int, cases: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[tuple[int, int]]:
    """Explain once each, in a fresh process; return the peaks in MiB and the points they took."""
    torch.set_num_threads(threads)
    subject = open_subject(Context(repository, (film,), False, threads, lambda line: None), name)
    image = subject.image(film)
    explain(subject, image, "integrated_gradients", [0], steps=4)  # folds the network
    return [_peak(subject, image, side, given) for side, given in cases]


def _peak(subject: Subject, image: torch.Tensor, side: str, given: Mapping[str, Any]) -> tuple[int, int]:
    target, points = subject.strongest(image), [0]
    if side == "ours":

        def work() -> None:
            found = explain(subject, image, "integrated_gradients", [target], **given).maps[target]
            points[0] = int(found.facts.get("steps", given.get("steps", 0)))
    else:
        at_once = None if "all" in side else int(side.split()[1])

        def work() -> None:
            points[0] = given["steps"]
            integrate(subject.script, image, target, subject.spec().black, given["steps"], RULES[0], at_once)

    with as_the_server():
        return peak_mib(work), points[0]


def markdown(measured: Mapping[str, Any]) -> str:
    """Write the tables."""
    rows, error = measured["rows"], measured["error"]
    count = measured["films"]
    lines = [
        f"The label of the largest output of each of {count} film{'s' * (count > 1)}, black baseline. Ours takes "
        f"points until it misses at most {error:.0%} of the change of the output. Captum's steps are doubled from "
        f"{FIRST_STEPS} until it misses no more, to {measured['most_steps']} at most, with as many points at once as "
        f"suit it best, and *all runs* counts all of these; then the gap to the steps that did not suffice is halved "
        f"{_HALVINGS} times, and *last run* counts the run with the fewest that did, as if they had been known. Where "
        f"the most steps do not suffice (*missed*), they are counted as if they did. Medians over films, with "
        f"quartiles.",
        "",
        "| network | ours, s | points (error) | missed | Captum's rule (at once) | s | steps (error) | missed | "
        "last run / ours | all runs / ours |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        own = [row["network"], f"{row['ours_seconds']['median']:.2f}"]
        own += [_with_error(row["ours_points"], row["ours_error"]), str(row["ours_missed"])]
        for rule, one in row["rules"].items():
            cells = [
                *own,
                f"{rule} ({row['batch']})",
                f"{one['seconds']['median']:.2f}",
                _with_error(one["steps"], one["error"]),
                str(one["missed"]),
                verdict(one["last_ratio"]),
                verdict(one["all_ratio"]),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *_aims(rows), *_limits(rows, measured["most_steps"]), ""]
    lines += [
        f"With its default of {_DEFAULT_STEPS} steps Captum misses more than {error:.0%} in "
        + ", ".join(
            f"{row['default_missed']} of {count} maps of {row['network']} (median error "
            f"{row['default_error']['median']:.1%})"
            for row in rows
        )
        + ".",
        "",
        "Most memory beside the loaded network:",
        "",
        "| network | side | parameters | points | peak, MiB |",
        "|---|---|---|---|---|",
    ]
    for one in measured["memory"]:
        given = ", ".join(f"{key} {one[key]}" for key in ("max_error", "steps") if key in one)
        lines.append(f"| {one['network']} | {one['side']} | {given} | {one['points']} | {one['peak_mib']} |")
    return "\n".join(lines)


def _with_error(points: Mapping[str, float], error: Mapping[str, float]) -> str:
    return f"{points['median']:.0f} ({error['median']:.1%})"


def _aims(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        aim(
            _mean(rows, rule, accounting), AIM, f"{rule}, {accounting} run{'s' * (accounting == 'all')}, geometric mean"
        )
        for rule in RULES
        for accounting in ("last", "all")
    ]


def _limits(rows: Sequence[Mapping[str, Any]], most: int) -> list[str]:
    """Say what a last run of Captum's is made of: points, and the time of each; and what the aim would take of us."""
    lines = []
    maps = [one for row in rows for one in row["maps"]]
    found = [one["ours_points"] for one in maps]
    for rule in RULES:
        ratio = _mean(rows, rule, "last")
        points = geometric_mean((one["steps"][rule] or most) / one["ours_points"] for one in maps)
        if ratio < AIM:
            lines.append(
                f"- What stands in the way of {rule}, last run: it takes {points:.1f} x as many points as ours, each "
                f"{ratio / points:.1f} x as long. For the aim ours would have to find out with {ratio / AIM:.0%} of "
                f"its points that they suffice; it took {min(found)} at least, {np.median(found):.0f} in the middle."
            )
    return lines


def _mean(rows: Sequence[Mapping[str, Any]], rule: str, accounting: str) -> float:
    """Return the geometric mean over networks, all of as many maps."""
    return geometric_mean(row["rules"][rule][f"{accounting}_mean"] for row in rows)
