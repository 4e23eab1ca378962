"""How near approximate occlusion is to the exact map, beside coarse grids of windows at equal time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from radiolucent.plugins.methods.interpolation import interpolated
from radiolucent.plugins.methods.window_order import window_order
from radiolucent.plugins.methods.windows import Windows
from scipy.interpolate import RectBivariateSpline
from scipy.stats import spearmanr

from .approximate_runs import METHOD, Case, whole
from .context import Context
from .subjects import as_the_server, built_in, open_subject, subject_names

TITLE = "Approximate occlusion: error"
RIVALS = {"coarse grid alone": 0, "coarse grid, bilinear": 1, "coarse grid, cubic": 3}
"""Degree of the splines between the windows."""
REFINED = "refined where it changes"
WORST = 0.95
"""Spearman's correlation that no map should be below."""
ROUNDING = 1e-6
"""Share of a map's range by which maps of all windows differ; no rival is better by less."""


Axes = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Rows and columns of a grid of windows."""


@dataclass(frozen=True)
class Extent:
    """How much is measured at which size: exact maps take their time.

    Parameters
    ----------
    side, window, stride : int
        Pixels.
    films : mapping of str to int
        Of each network; of others as many as ``others``.
    others : int
        Films.
    """

    side: int
    window: int
    stride: int
    films: Mapping[str, int]
    others: int = 0


FULL = (Extent(224, 22, 4, {"resnet18": 50}, others=1), Extent(512, 50, 4, {"resnet18": 1, "inception_v3": 1}))
SHORT = (Extent(224, 22, 8, {"resnet18": 1}, others=1),)


def measure(context: Context) -> dict[str, Any]:
    """Compute exact and approximate maps of films, network by network."""
    torch.set_num_threads(context.threads)
    parts = []
    for extent in SHORT if context.short else FULL:
        cases: list[dict[str, Any]] = []
        for name in subject_names(context, short=("resnet18",)):
            films = context.films[: extent.films.get(name, extent.others)]
            if not films:
                continue
            subject = open_subject(context, name)
            for number, film in enumerate(films):
                with as_the_server():
                    case = Case(subject, film, extent.side, extent.window, extent.stride)
                    cases.append({"network": name, **_case(case)})
                worst = min(cases[-1]["ours"]["spearman"])
                context.say(f"{name}, {extent.side} px, film {number + 1} of {len(films)}: {worst:.4f}")
        parts.append({"side": extent.side, "window": extent.window, "stride": extent.stride, "cases": cases})
    return {"max_error": built_in().parameters(METHOD, {}).max_error, "parts": parts}


def _case(case: Case) -> dict[str, Any]:
    case.warm()
    ours, our_seconds = case.approximate()
    counted = int(ours[-1].facts["windows"])
    grid = case.windows.grid
    axes = _axes(grid[0], counted)
    _, rival_seconds = case.effects(whole(*axes))
    exact, exact_seconds = case.effects(whole(*map(np.arange, grid)))
    truth = case.windows.average(exact.values).numpy()
    finals = np.stack([one.values[0].numpy() for one in ours if one.final])
    return {
        "windows": counted,
        "all_windows": grid[0] * grid[1],
        "seconds": round(our_seconds, 2),
        "exact_seconds": round(exact_seconds, 2),
        "ours": _likeness(finals, truth),
        "estimates": [
            [_rounded(one.facts["estimated_error"]), _largest(one.values[0].numpy(), truth[one.target])]
            for one in ours
            if "estimated_error" in one.facts
        ],
        "rival_windows": len(axes[0]) * len(axes[1]),
        "rival_seconds": round(rival_seconds, 2),
        "rivals": {
            **{
                name: _likeness(_rival(exact.values, case.windows, axes, degree), truth)
                for name, degree in RIVALS.items()
            },
            REFINED: _likeness(_refined(exact.values, case.windows, counted), truth),
        },
    }


def _axes(length: int, windows: int) -> Axes:
    """Return the coarsest even grid, with the last row and column, of no fewer windows than so many, but not of all.

    From one column to the next are as many windows as from row to row, or one more.
    """
    pairs = ((step, step + more) for step in range(length - 1, 0, -1) for more in (1, 0) if step + more > 1)
    axes: Axes = (np.arange(length), np.arange(length))
    for pair in pairs:
        rows, columns = (np.unique([*range(0, length, step), length - 1]) for step in pair)
        axes = rows, columns
        if len(rows) * len(columns) >= windows:
            break
    return axes


def _rival(effects: torch.Tensor, windows: Windows, axes: Axes, degree: int) -> NDArray[np.float64]:
    """Return the maps [T, H, W] from the effects on a coarse grid alone."""
    rows, columns = axes
    if not degree:
        known = torch.zeros(1, *windows.grid, dtype=torch.float64)
        known[:, rows[:, None], columns] = 1
        alone: NDArray[np.float64] = (windows.average(effects * known) / windows.average(known)).numpy()
        return alone
    places = [np.arange(length) for length in windows.grid]
    degrees = {"kx": min(degree, len(rows) - 1), "ky": min(degree, len(columns) - 1)}
    between = [
        RectBivariateSpline(rows, columns, plane[np.ix_(rows, columns)], **degrees)(*places)
        for plane in effects.numpy()
    ]
    maps: NDArray[np.float64] = windows.average(torch.from_numpy(np.stack(between))).numpy()
    return maps


def _refined(effects: torch.Tensor, windows: Windows, count: int) -> NDArray[np.float64]:
    """Return the maps [T, H, W] from as many windows as ours: half of them in our order, then those where that changes.

    As Krypton's second pass refines what its first found (Nakandala, Kumar, Papakonstantinou, SIGMOD 2019).
    """
    known = torch.zeros(windows.grid, dtype=torch.bool)
    known[tuple(window_order(*windows.grid)[: count // 2].T)] = True
    coarse = interpolated(effects * known, known).numpy()
    slopes = np.hypot(*np.gradient(coarse, axis=(1, 2)))
    steepest = (slopes / slopes.max(axis=(1, 2), keepdims=True).clip(min=1e-30)).max(axis=0)
    steepest[known.numpy()] = -1
    known.view(-1)[np.argsort(-steepest, axis=None, kind="stable")[: count - count // 2].copy()] = True
    maps: NDArray[np.float64] = windows.average(interpolated(effects * known, known)).numpy()
    return maps


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _largest(one: NDArray[Any], truth: NDArray[Any]) -> float:
    return _rounded(float(np.abs(one - truth).max() / np.ptp(truth)))


def _likeness(maps: NDArray[Any], truth: NDArray[Any]) -> dict[str, list[float]]:
    """Compare maps of labels with the exact ones."""
    found: dict[str, list[float]] = {"spearman": [], "top_iou": [], "max_error": []}
    for one, other in zip(maps, truth, strict=True):
        found["spearman"].append(_rounded(float(spearmanr(one.ravel(), other.ravel()).statistic)))
        top = [plane >= np.quantile(plane, 0.95) for plane in (one, other)]
        found["top_iou"].append(_rounded(float((top[0] & top[1]).sum() / (top[0] | top[1]).sum())))
        found["max_error"].append(_largest(one, other))
    return found


def markdown(measured: Mapping[str, Any]) -> str:
    """Tell what was measured, and where the rivals are better."""
    lines = [
        f"Black windows, all labels of the network, `max_error` {measured['max_error']}. The rival hides the windows "
        f"of an even grid, how many of them and in how much of our time the table says, and takes what stands between "
        f"from those alone, or by splines. Spearman's correlation, intersection over union of the strongest 5 % and "
        f"the largest error of a pixel (as a share of the exact map's range) are to the exact map, over films and "
        f"labels. Where a rival is better than ours in the mean or the worst, its row says so.",
        "",
        f"*{REFINED.capitalize()}* takes as many windows as ours, half of them in our order and half where the map of "
        f"these changes most, between which it interpolates as ours does; its time is taken to be ours.",
    ]
    for part in measured["parts"]:
        cases = part["cases"]
        lines += [
            "",
            f"{part['side']} pixels, window {part['window']}, stride {part['stride']}:",
            "",
            "| network | films | map | windows | seconds, of ours | Spearman mean, worst | IoU mean, worst | largest "
            "error mean, worst |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for network in dict.fromkeys(case["network"] for case in cases):
            lines += _rows(network, [case for case in cases if case["network"] == network])
    lines += [
        "",
        "How much the estimate is worth, of maps that are not exact: *final* are those at which it stopped, and "
        "*previews* those before.",
        "",
        "| setting | maps | number | true error above the estimate in | true error / estimate: middle, worst | "
        f"true error above {measured['max_error']} in |",
        "|---|---|---|---|---|---|",
        *(row for part in measured["parts"] for row in _estimates(part, measured["max_error"])),
        "",
        *_aims([case for part in measured["parts"] for case in part["cases"]]),
    ]
    return "\n".join(lines)


def _estimates(part: Mapping[str, Any], max_error: float) -> list[str]:
    """Return rows: estimated errors beside true ones, of what was returned at last and of what came before."""
    split = [(case["estimates"], len(case["estimates"]) - len(case["ours"]["max_error"])) for case in part["cases"]]
    rows = []
    for kind, chosen in (
        ("final", [pair for pairs, last in split for pair in pairs[last:]]),
        ("previews", [pair for pairs, last in split for pair in pairs[:last]]),
    ):
        found = np.array([pair for pair in chosen if pair[0] > 0]).reshape(-1, 2)
        if not len(found):
            continue
        shares = found[:, 1] / found[:, 0]
        cells = [
            f"{part['side']} px, window {part['window']}, stride {part['stride']}",
            kind,
            str(len(found)),
            str(int((shares > 1).sum())),
            f"{np.median(shares):.2f}, {shares.max():.2f}",
            str(int((found[:, 1] > max_error).sum())) if kind == "final" else "-",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _aims(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    worst = min(min(case["ours"]["spearman"]) for case in cases)
    reached = "reached" if worst >= WORST else "**missed**"
    films = ", ".join(
        f"{sum(case['network'] == network for case in cases)} of {network}"
        for network in dict.fromkeys(case["network"] for case in cases)
    )
    exact = [true for case in cases for estimate, true in case["estimates"] if not estimate]
    lines = [f"- Worst Spearman: {worst:.4f} (aim: at least {WORST:g}, over 50 films): {reached}, over {films}."]
    if exact:
        lines.append(f"- {len(exact)} maps of all windows, estimated error 0, were {max(exact):.1g} off at most.")
    losses = [
        f"{name} {sum(_better(case['rivals'][name], case['ours']) for case in cases)}" for name in cases[0]["rivals"]
    ]
    return [
        *lines,
        f"- Films, of {len(cases)}, on which a rival's mean largest error is below ours: {', '.join(losses)}.",
    ]


def _rows(network: str, cases: Sequence[Mapping[str, Any]]) -> list[str]:
    ours = [case["ours"] for case in cases]
    rows = [_row([network, str(len(cases)), "approximate occlusion"], cases, ours, ours, "")]
    for name in cases[0]["rivals"]:
        of = "" if name == REFINED else "rival_"
        rows.append(_row(["", str(len(cases)), name], cases, [case["rivals"][name] for case in cases], ours, of))
    return rows


def _row(
    head: Sequence[str],
    cases: Sequence[Mapping[str, Any]],
    likenesses: Sequence[Mapping[str, list[float]]],
    ours: Sequence[Mapping[str, list[float]]],
    prefix: str,
) -> str:
    cells = [
        *head,
        f"{np.mean([case[f'{prefix}windows'] for case in cases]):,.0f} of {cases[0]['all_windows']:,}",
        f"{np.median([case[f'{prefix}seconds'] / case['seconds'] for case in cases]):.2f}",
    ]
    for key, digits in (("spearman", 4), ("top_iou", 3), ("max_error", 3)):
        mean, worst = _mean_and_worst(key, likenesses)
        # An error is the better the smaller it is, the others the larger.
        sign = -1 if key == "max_error" else 1
        pairs = zip((mean, worst), _mean_and_worst(key, ours), strict=True)
        gains = [sign * (round(rival, digits) - round(own, digits)) for rival, own in pairs]
        lost = ", **we lose**" if max(gains) > 0 else ""
        cells.append(f"{mean:.{digits}f}, {worst:.{digits}f}{lost}")
    return f"| {' | '.join(cells)} |"


def _mean_and_worst(key: str, likenesses: Sequence[Mapping[str, list[float]]]) -> tuple[float, float]:
    found = np.concatenate([one[key] for one in likenesses])
    return float(found.mean()), float(found.max() if key == "max_error" else found.min())


def _better(rival: Mapping[str, list[float]], ours: Mapping[str, list[float]]) -> bool:
    return bool(np.mean(rival["max_error"]) < np.mean(ours["max_error"]) - ROUNDING)
