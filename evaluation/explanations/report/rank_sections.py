"""Sections with the ranks of networks and of methods, and with how quantities disagree."""

from __future__ import annotations

from ...report.document import Item, Section, Table
from ...report.numbers import ABSENT, NOT_ESTIMABLE, number
from ...statistics.score import Score
from ..disagreement import MAJORITY
from ..rank_agreement import CARDS, SCORE
from ..ranking import ENOUGH
from ..result import AuditResult, Of, Place, Ranking
from .drawings import rank_figure, tau_figure
from .wording import Words, measured, share

__all__ = ["disagreement", "methods", "networks"]

_AUROC = "auroc "
"""Begins the name of a label's AUROC among the scores of a card."""


def networks(result: AuditResult, words: Words) -> Section:
    """Return the ranks of the networks beside their scores."""
    return Section(
        "Networks: the score, and the ranks by each quantity",
        (
            "For every quantity the networks are put in order by their mean over films and methods. What is compared "
            "is always the same: a film's label and a method count only where every network has a map and a number of "
            "it. There is no total: quantities ask different questions and often contradict each other (below).",
            "A rank is only worth what it keeps. The patients are drawn anew many times; the interval holds the middle "
            "95 % of the ranks, and the percentage says how often the network had the same rank.",
        ),
        (*_scores(result), *_ranks(result, "networks", result.networks, words)),
    )


def methods(result: AuditResult, words: Words) -> Section:
    """Return the ranks of the methods."""
    return Section(
        "Methods: the ranks by each quantity",
        (
            "The same for the explanation methods, over films and networks. A method that leads by one quantity may be "
            "last by another: a sparse map is easy to read and may still be wrong.",
        ),
        _ranks(result, "methods", result.methods, words),
    )


def _scores(result: AuditResult) -> tuple[Item, ...]:
    told = dict.fromkeys(name for own in result.scores.values() for name in own)
    names = [name for name in told if name == SCORE or name.startswith(_AUROC)]
    if not names:
        return ()
    return (
        Table(
            "The scores of the model cards",
            ("network", *(name.replace("_", " ") for name in names)),
            tuple((who, *(number(own.get(name)) for name in names)) for who, own in result.scores.items()),
            "On all test films; more scores are on the cards. They can be reached without medicine: read them with the "
            "verdict on shortcuts: "
            f"{result.shortcut_verdict or 'not audited'}."
            + (" Majority: the networks' vote, which has no maps and no rank." if MAJORITY in result.scores else ""),
        ),
    )


def _score_order(result: AuditResult) -> Ranking | None:
    """Return the networks in the order of their score, as a ranking without an interval."""
    scores = {name: result.scores[name][SCORE] for name in result.networks if SCORE in result.scores.get(name, {})}
    if len(scores) < 2:
        return None
    places = []
    for name, value in scores.items():
        above, same = (sum(one > value for one in scores.values()), sum(one == value for one in scores.values()))
        rank = above + (same + 1) / 2
        places.append(
            Place(name=name, mean=Score(value=value), rank=rank, low=rank, high=rank, keeps=1, first=float(rank == 1))
        )
    return Ranking(
        quantity=SCORE,
        scope=CARDS,
        of="networks",
        films=0,
        patients=0,
        cells=0,
        cells_lost=0,
        left_out={},
        places=tuple(places),
    )


def _ranks(result: AuditResult, of: Of, names: tuple[str, ...], words: Words) -> tuple[Item, ...]:
    own = [one for one in result.rankings if one.of == of]
    told = [one for one in own if one.places]
    if not own:
        return (Table("Ranks", ("why there are none",), (("No quantity has values of two of them.",),)),)
    titles = [words.who(name) for name in names]
    items: list[Item] = []
    by_score = _score_order(result) if of == "networks" else None
    first = () if by_score is None else (_score_row(by_score, names, words),)
    if told:
        items.append(
            rank_figure(
                [*([by_score] if by_score is not None else []), *told],
                names,
                words,
                f"Ranks of the {of} by each quantity",
            )
        )
    items.append(
        Table(
            f"Ranks of the {of}",
            ("quantity", *titles, "films / patients", "cells compared", "cells lost"),
            first
            + tuple(
                (
                    words.title(one.quantity, one.scope),
                    *(_place(_of(one, name)) if one.places else NOT_ESTIMABLE for name in names),
                    f"{one.films} / {one.patients}",
                    str(one.cells),
                    str(one.cells_lost),
                )
                for one in own
            ),
            "Rank (1: best), the middle 95 % of its ranks, and how often it is kept (of the score: rank and "
            "score). Equal means share a rank. Cells lost: "
            "a film's label and a "
            + ("method" if of == "networks" else "network")
            + " that left for all because one has no number there."
            + f" Not estimable: fewer than {result.settings.minimum_patients} patients.",
        )
    )
    items.append(
        Table(
            f"The means behind the ranks of the {of}",
            ("quantity", *titles),
            tuple(
                (words.directed(one.quantity, one.scope), *(_mean(_of(one, name)) for name in names)) for one in told
            ),
            "Over the compared cells alone, so they may differ from the means of all maps.",
            folded=True,
        )
    )
    left = tuple(
        (words.title(one.quantity, one.scope), words.who(name), why)
        for one in own
        for name, why in one.left_out.items()
    )
    if left:
        items.append(
            Table(
                f"Left out of the comparison of {of}",
                ("quantity", "who", "why"),
                left,
                f"Who has less than {share(ENOUGH)} of the values of the fullest would take its films from all.",
            )
        )
    return tuple(items)


def _score_row(order: Ranking, names: tuple[str, ...], words: Words) -> tuple[str, ...]:
    cells = []
    for name in names:
        place = _of(order, name)
        cells.append(ABSENT if place is None else f"{place.rank:g} ({number(place.mean.value)})")
    return (words.title(order.quantity, order.scope), *cells, "all test films", ABSENT, ABSENT)


def _of(ranking: Ranking, name: str) -> Place | None:
    return next((place for place in ranking.places if place.name == name), None)


def _place(place: Place | None) -> str:
    if place is None:
        return ABSENT
    return f"{place.rank:g} ({place.low:g} to {place.high:g}), {share(place.keeps)}"


def _mean(place: Place | None) -> str:
    return ABSENT if place is None else measured(place.mean)


def disagreement(result: AuditResult, words: Words) -> Section | None:
    """Return how alike the orders of quantities are; None where no two order three of the same."""
    if not result.rank_agreement:
        return None
    of_all: tuple[Of, ...] = ("networks", "methods")
    figures = (tau_figure(result, of, words) for of in of_all)
    items: list[Item] = [figure for figure in figures if figure is not None]
    for of in of_all:
        rows = tuple(
            (
                words.title(one.first, one.first_scope),
                words.title(one.second, one.second_scope),
                str(one.compared),
                measured(one.tau),
            )
            for one in result.rank_agreement
            if one.of == of
        )
        if rows:
            items.append(
                Table(f"Kendall's tau between orders of the {of}", ("one", "other", of, "tau"), rows, folded=True)
            )
    text = (
        "If two quantities measured the same goodness, they would put the networks, and the methods, in the same "
        "order. This shows how far they do. The score of the cards stands among them: is the more accurate network "
        "also the one that explains itself better?"
    )
    return Section("Do the quantities agree?", (text,), tuple(items))
