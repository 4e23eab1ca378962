"""The drawings of an audit: ranks with their uncertainty, and how quantities agree."""

from __future__ import annotations

from collections.abc import Sequence

from ...report.document import Figure
from ...report.figures import drawing
from ..result import AuditResult, Of, RankAgreement, Ranking
from .wording import Words

__all__ = ["rank_figure", "tau_figure"]

_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#e69f00",
    "#666666",
    "#a6761d",
    "#1b3a5c",
    "#7b3294",
)
_MARKERS = "osD^vPX*<>"
_WIDE = 7.2


def rank_figure(rankings: Sequence[Ranking], names: Sequence[str], words: Words, title: str) -> Figure:
    """Draw the rank of each network or method by each quantity, with the middle 95 % over resamples.

    Parameters
    ----------
    rankings : sequence of Ranking
        Estimable ones, each a row.
    names : sequence of str
        Networks or methods, so that each has the same colour in every figure.
    words : Words
        Titles.
    title : str
        Above it.
    """
    step = 0.8 / max(1, len(names))
    with drawing(1.1 + 0.52 * len(rankings), _WIDE) as (axes, svg):
        for number, name in enumerate(names):
            colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]
            drawn = [(row, place) for row, one in enumerate(rankings) for place in one.places if place.name == name]
            for row, place in drawn:
                height = row + (number - (len(names) - 1) / 2) * step
                axes.plot([place.low, place.high], [height, height], color=colour, linewidth=1.8)
            axes.plot(
                [place.rank for _, place in drawn],
                [row + (number - (len(names) - 1) / 2) * step for row, _ in drawn],
                marker,
                color=colour,
                markersize=5,
                label=words.who(name),
            )
        for row in range(1, len(rankings)):
            axes.axhline(row - 0.5, color="#dddddd", linewidth=0.7)
        axes.set_yticks(range(len(rankings)), [_wrapped(words.title(one.quantity, one.scope)) for one in rankings])
        axes.tick_params(axis="y", labelsize=8.5)
        axes.set_ylim(len(rankings) - 0.5, -0.5)
        most = max((len(one.places) for one in rankings), default=1)
        axes.set_xlim(0.7, most + 0.3)
        axes.set_xticks(range(1, most + 1))
        axes.set_xlabel("rank (1: best); line: middle 95 % over resamples of patients")
        axes.figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=8.5)
    alt = "; ".join(
        f"{words.title(one.quantity, one.scope)}: "
        + ", ".join(f"{words.who(p.name)} {p.rank:g} ({p.low:g} to {p.high:g})" for p in one.places)
        for one in rankings
    )
    return Figure(
        title,
        svg[0],
        alt,
        "Read row by row: short lines that do not meet are an order that other patients would confirm; long ones that "
        "overlap are none. Rows are not added up.",
    )


def tau_figure(result: AuditResult, of: Of, words: Words) -> Figure | None:
    """Draw Kendall's tau between the orders of every two quantities; None where there are no two."""
    pairs = [one for one in result.rank_agreement if one.of == of]
    names = list(dict.fromkeys(key for one in pairs for key in _keys(one)))
    if not names:
        return None
    place = {name: number for number, name in enumerate(names)}
    values = [[1.0 if row == column else float("nan") for column in names] for row in names]
    for one in pairs:
        first, second = (place[key] for key in _keys(one))
        if one.tau.value is not None:
            values[first][second] = values[second][first] = one.tau.value
    with drawing(2.2 + 0.36 * len(names), _WIDE) as (axes, svg):
        axes.imshow(values, cmap="PuOr", vmin=-1.25, vmax=1.25, aspect="auto")
        for row, line in enumerate(values):
            for column, value in enumerate(line):
                if value == value and row != column:
                    dark = "white" if abs(value) > 0.85 else "black"
                    axes.text(column, row, f"{value:+.1f}", ha="center", va="center", fontsize=7.5, color=dark)
        axes.set_yticks(range(len(names)), [f"{n + 1}. {_wrapped(words.title(*name))}" for n, name in enumerate(names)])
        axes.set_xticks(range(len(names)), [str(number + 1) for number in range(len(names))])
        axes.tick_params(axis="both", labelsize=8, length=0)
        axes.xaxis.tick_top()
    alt = "; ".join(
        f"{words.title(one.first, one.first_scope)} and {words.title(one.second, one.second_scope)} "
        f"{one.tau.value:+.2f}"
        for one in pairs
        if one.tau.value is not None
    )
    return Figure(
        f"Do quantities put the {of} in the same order? Kendall's tau",
        svg[0],
        alt,
        f"+1 (violet): the same order; 0: unrelated; -1 (orange): the reverse. With {_most(pairs)} {of} a tau takes "
        "few "
        "values and its interval, in the table, is wide. Where quantities disagree, no single number says which "
        "explanation is best.",
    )


def _most(pairs: Sequence[RankAgreement]) -> int:
    return max(one.compared for one in pairs)


def _keys(one: RankAgreement) -> tuple[tuple[str, str], tuple[str, str]]:
    return (one.first, one.first_scope), (one.second, one.second_scope)


def _wrapped(text: str, width: int = 30) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width))
