"""What an audit found in few tables: the rows worth reading beside an evaluation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ....client.commands.durations import in_words
from ...report.document import Item, Table
from ...report.markdown import table_to_markdown
from ...report.numbers import ABSENT, NOT_ESTIMABLE, number, signed
from ...statistics.score import Score
from ..disagreement import MAJORITY
from ..rank_agreement import SCORE
from ..result import AuditResult, Of, Place, Ranking, Unranked
from ..scopes import ALL
from ..tables import AuditHead
from .wording import Words, measured, share

__all__ = ["audit_overview"]

_BESIDE = ("localisation.pointing", "localisation.mass_inside", "localisation.auprc")
"""Localisation that is told here: each beside the average mask and chance. Overlap is in the report."""

_ALIKE = {"spearman": "rank correlation", "top_overlap": "overlap of the strongest tenth"}
_LARGEST = 6
"""Of what took time."""

_OF: tuple[Of, ...] = ("methods", "networks")


def audit_overview(name: str, result: AuditResult, head: AuditHead) -> str:
    """Return the tables of an audit as Markdown.

    Parameters
    ----------
    name : str
        Of its folder, for the links.
    result : AuditResult
        What it found.
    head : AuditHead
        What its tables mean.

    Returns
    -------
    str
        Means and ranks of methods and of networks, verdicts, agreement, and what is missing and what it cost.
    """
    words = Words(head)
    items = [_verdicts(result), *(_means(result, words, of) for of in _OF), _agreement(result, words)]
    items += [*_wrong(result), *_wrong_of_methods(result)]
    parts = [f"### {name}: the maps of {result.films} X-rays of {result.patients} patients", _facts(name, result, head)]
    return "\n\n".join([*parts, *(table_to_markdown(item) for item in items if isinstance(item, Table) and item.rows)])


def _facts(name: str, result: AuditResult, head: AuditHead) -> str:
    total = sum(head.worker_seconds.values())
    largest = sorted(head.worker_seconds.items(), key=lambda item: (-item[1], item[0]))[:_LARGEST]
    shares = [f"{what} {share(seconds / total)}" for what, seconds in largest if total]
    if shares and len(head.worker_seconds) > len(largest):
        shares.append(f"the rest {share(1 - sum(seconds for _, seconds in largest) / total)}")
    went = ", ".join(shares)
    missing = sum(one.items for one in result.missing)
    return (
        f"[All tables]({name}/audit.md), and `report.html` with the drawings. {len(result.networks)} networks, "
        f"{len(result.methods)} methods, {result.pairs} pairs of an X-ray and a true label, {head.split} split. "
        f"Missing: {missing or 'nothing'} ([failures.csv]({name}/tables/failures.csv) has the reasons). Explained and "
        f"measured in {in_words(head.seconds)}; what took the workers' {in_words(total)}: {went or 'not told'}."
    )


def _verdicts(result: AuditResult) -> Item:
    rows = tuple((one.claim, one.verdict, one.why) for one in result.claims)
    return Table("The paper's claims", ("claim", "here", "why"), rows)


def _means(result: AuditResult, words: Words, of: Of) -> Item:
    """Return every quantity's means and ranks, with what knows no film beside where maps point."""
    names = result.methods if of == "methods" else result.networks
    ranked = {one.quantity: one for one in result.rankings if (one.of, one.scope) == (of, ALL)}
    unranked = {one.quantity: one for one in result.unranked if (one.of, one.scope) == (of, ALL)}
    rows = [_scores(result)] if of == "networks" and _has_scores(result) else []
    for quantity in words.quantities.values():
        place = quantity.name
        if place in ranked and (quantity.family != "localisation" or place in _BESIDE):
            cells = _ranked(ranked[place], names)
            rows.append((words.directed(place), *cells, *_beside(result, place), _count(ranked[place])))
        elif place in unranked and quantity.family == "randomisation" and _first(words, place):
            own = unranked[place]
            cells = tuple(_unranked(own, one) for one in names)
            rows.append((f"{words.title(place)} (not ranked)", *cells, ABSENT, ABSENT, _count(own)))
    over = "networks" if of == "methods" else "methods"
    beside = f" Scores of cards: read them with the verdict on shortcuts, {result.shortcut_verdict or 'not audited'}."
    beside = beside if of == "networks" and _has_scores(result) else ""
    return Table(
        f"{of.capitalize()}, over {over}",
        ("quantity", *map(words.who, names), "average mask", "by chance", "films / patients"),
        tuple(rows),
        "Mean (95 % interval); rank, 1 is best (middle 95 % of its ranks over resamples of patients). On the cells (an "
        f"X-ray's label, a {over[:-1]}) in which each of the {of} has a number. Above random: how much better than a "
        "random order of the pixels on the same network and X-ray. Average mask: the mean of the training films' masks "
        f"in place of a map; it and chance have the films of the map that has most.{beside}",
    )


def _first(words: Words, quantity: str) -> bool:
    measure = quantity.partition(".")[0]
    return quantity == next(name for name in words.quantities if name.partition(".")[0] == measure)


def _has_scores(result: AuditResult) -> bool:
    return any(SCORE in result.scores.get(name, {}) for name in result.networks)


def _scores(result: AuditResult) -> tuple[str, ...]:
    cells = (number(result.scores.get(name, {}).get(SCORE)) for name in result.networks)
    return ("micro-F1 of the card", *cells, ABSENT, ABSENT, "all test films")


def _ranked(ranking: Ranking, names: Iterable[str]) -> tuple[str, ...]:
    places = {place.name: place for place in ranking.places}
    return tuple(_placed(places.get(name)) if places else NOT_ESTIMABLE for name in names)


def _placed(place: Place | None) -> str:
    return ABSENT if place is None else f"{measured(place.mean)}; {place.rank:g} ({place.low:g} to {place.high:g})"


def _unranked(own: Unranked, name: str) -> str:
    if not own.means:
        return NOT_ESTIMABLE
    return measured(own.means[name]) if name in own.means else ABSENT


def _count(one: Ranking | Unranked) -> str:
    return f"{one.films} / {one.patients}"


def _beside(result: AuditResult, quantity: str) -> tuple[str, str]:
    """Return what the average mask has, and what chance has, on the films of the map that has most."""
    own = [one for one in result.against_average if (one.quantity, one.scope) == (quantity, ALL)]
    if not own:
        return ABSENT, ABSENT
    fullest = max(own, key=lambda one: one.films)
    return _known(fullest.average_mask), _known(fullest.chance)


def _known(score: Score | None) -> str:
    return ABSENT if score is None else measured(score)


def _agreement(result: AuditResult, words: Words) -> Item:
    rows = []
    for between in _OF:
        for quantity in dict.fromkeys(one.quantity for one in result.agreeing if one.between == between):
            own = [one for one in result.agreeing if (one.between, one.quantity) == (between, quantity)]
            told = [(one, one.score.value) for one in own if one.score is not None and one.score.value is not None]
            if not told:
                rows.append((between, _ALIKE.get(quantity, quantity), *(NOT_ESTIMABLE,) * 3))
                continue
            ends = [end(told, key=lambda pair: pair[1])[0] for end in (min, max)]
            least, most = (f"{words.who(one.first)} and {words.who(one.second)}: {measured(one.score)}" for one in ends)
            mean = float(np.mean([value for _, value in told]))
            rows.append((between, _ALIKE.get(quantity, quantity), least, number(mean), most))
    return Table(
        "How alike maps of the same X-ray and label are",
        ("between", "by", "least alike", "mean of all pairs", "most alike"),
        tuple(rows),
        "Random maps: a rank correlation of 0, and an overlap of a nineteenth (0.053).",
    )


def _wrong(result: AuditResult) -> tuple[Item, ...]:
    rows = tuple(
        (
            one.label,
            _ALIKE.get(one.quantity, one.quantity),
            f"{one.wrong} of {one.films}",
            number(one.agreement_right),
            number(one.agreement_wrong),
            one.not_estimable or measured(one.auroc),
        )
        for one in result.disagreement
        if one.predictor == MAJORITY
    )
    header = ("label", "agreement by", "wrong", "agreement where right", "where wrong", "AUROC of disagreement")
    note = "AUROC: the chance that a wrong answer has less agreement than a right one; 0.5: disagreement tells nothing."
    return (Table("Do the networks disagree where the vote is wrong?", header, rows, note),)


def _wrong_of_methods(result: AuditResult) -> tuple[Item, ...]:
    rows = tuple(
        (
            one.network,
            f"{one.right.films} / {one.right.patients}",
            f"{one.wrong.films} / {one.wrong.patients}",
            *(
                NOT_ESTIMABLE if score is None else measured(score)
                for score in (one.agreement_right, one.agreement_wrong)
            ),
            NOT_ESTIMABLE if one.difference is None else signed(one.difference),
        )
        for one in result.methods_being_wrong
        if one.quantity == "spearman"
    )
    header = ("network", "label said, films / patients", "label missed", "rank correlation where said", "where missed")
    title = "Do the methods disagree where a network misses the label?"
    return (Table(title, (*header, "missed minus said"), rows),)
