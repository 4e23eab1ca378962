"""From the tables of an audit to what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ...handlers.profile import ProfileRecord
from ..progress import Progress, silent
from ..statistics.score import rounded
from .agreeing import agreeing, methods_being_wrong
from .averages_beside import against_average
from .claims import RULE, Evidence, claims_of, untestable
from .claims.evidence import LEVEL
from .dead_maps import dead_maps
from .disagreement import DisagreementAndError, disagreement_and_error
from .rank_agreement import SCORE, rank_agreement
from .ranking import UNRANKED, Compared, Ranked, can_rank, compare, rank
from .result import (
    AgainstAverage,
    AuditResult,
    AuditSettings,
    Missing,
    Of,
    ScopeRecord,
    Summary,
    Unranked,
)
from .scopes import TRUE_POSITIVES, Scope, scopes_of
from .summarising import summaries
from .tables import AuditTables, Quantity
from .units import MINIMUM_PATIENTS, Units

__all__ = ["RESAMPLES", "find"]

RESAMPLES = 2000
"""Of the bootstrap over groups of patients."""

OUTSIDE = ("lungs.outside", "lungs.outside_boxes")
"""Which numbers are shares of the evidence outside the lungs."""

_OF: tuple[Of, ...] = ("networks", "methods")


def find(
    tables: AuditTables,
    profiles: Sequence[ProfileRecord] = (),
    resamples: int = RESAMPLES,
    progress: Progress = silent,
) -> AuditResult:
    """Compute everything that an audit says from its tables.

    Parameters
    ----------
    tables : AuditTables
        All that was measured.
    profiles : sequence of ProfileRecord
        Stored profiles of the same networks, for dead feature maps.
    resamples : int
        Of the bootstrap over groups of patients.
    progress : callable
        Told how far it is.

    Returns
    -------
    AuditResult
        The same for the same tables.

    Raises
    ------
    EvaluationError
        If rows are about what the head does not know, or nothing was explained.
    """
    head = tables.head
    units = Units(tables, resamples)
    means: list[Summary] = []
    beside: list[AgainstAverage] = []
    ranked: list[Ranked] = []
    unranked: list[Unranked] = []
    scopes: dict[str, ScopeRecord] = {}
    outside: list[tuple[str, Compared]] = []
    for done, quantity in enumerate(head.quantities):
        progress("statistics", done, len(head.quantities))
        for scope in scopes_of(quantity, units):
            scopes.setdefault(scope.name, scope.record())
            means += summaries(units, quantity, scope)
            if quantity.family == "localisation" and can_rank(quantity):
                beside += against_average(units, quantity, scope)
            if quantity.name in OUTSIDE:
                one = compare(units, quantity, scope, "networks")
                outside += [(f"{quantity.title}, {scope.name}", one)] if one is not None and one.estimable else []
            if quantity.family in UNRANKED:
                unranked += _unranked(units, quantity, scope)
            orders = [rank(units, quantity, scope, of) for of in _OF] if can_rank(quantity) else []
            ranked += [order for order in orders if order is not None]
    progress("statistics", len(head.quantities), len(head.quantities))
    dead = dead_maps(profiles, head.networks)
    scores = {name: head.scores[name][SCORE] for name in head.networks if SCORE in head.scores.get(name, {})}
    estimable = [one for one in ranked if one.ranking.places and one.ranking.scope != TRUE_POSITIVES]
    evidence = Evidence(
        units,
        [one for one in estimable if one.ranking.of == "networks"],
        {quantity.name: quantity.title for quantity in head.quantities},
        scores,
        dead,
        outside,
    )
    return AuditResult(
        data=head.data,
        split=head.split,
        manifest_sha256=head.manifest_sha256,
        created=head.created,
        films=len(head.films),
        patients=len({film.group for film in head.films}),
        pairs=len(units.keys),
        networks=head.networks,
        methods=units.methods,
        settings=AuditSettings(resamples=resamples, seed=head.seed, minimum_patients=MINIMUM_PATIENTS, level=LEVEL),
        shortcut_verdict=head.shortcut_verdict,
        scores=head.scores,
        scopes=tuple(scopes.values()),
        rule=RULE,
        claims=claims_of(evidence),
        untestable=untestable(head, dead),
        rankings=tuple(one.ranking for one in ranked),
        unranked=tuple(unranked),
        rank_agreement=rank_agreement(units, estimable, scores),
        against_average=tuple(beside),
        agreeing=agreeing(units),
        disagreement=_rounded(disagreement_and_error(tables, resamples=resamples, seed=head.seed)),
        methods_being_wrong=methods_being_wrong(units),
        dead_maps=dead,
        missing=_missing(tables),
        summaries=tuple(means),
    )


def _unranked(units: Units, quantity: Quantity, scope: Scope) -> list[Unranked]:
    found = []
    for of in _OF:
        one = compare(units, quantity, scope, of)
        if one is None:
            continue
        scores = {name: units.resampling.score(one.means[:, place]) for place, name in enumerate(one.names)}
        found.append(
            Unranked(
                quantity=quantity.name,
                scope=scope.name,
                of=of,
                films=one.side.films,
                patients=one.side.patients,
                cells=one.cells,
                means=scores if one.estimable else {},
            )
        )
    return found


def _rounded(found: Sequence[DisagreementAndError]) -> tuple[DisagreementAndError, ...]:
    return tuple(
        replace(
            one,
            agreement_wrong=None if one.agreement_wrong is None else rounded(one.agreement_wrong),
            agreement_right=None if one.agreement_right is None else rounded(one.agreement_right),
        )
        for one in found
    )


def _missing(tables: AuditTables) -> tuple[Missing, ...]:
    """Count what is missing by its reason, the most frequent first."""
    items = Counter((row.what, row.network, row.method, row.reason) for row in tables.failed)
    films: dict[tuple[str, str, str, str], set[str]] = {key: set() for key in items}
    for row in tables.failed:
        films[row.what, row.network, row.method, row.reason].add(row.file)
    return tuple(
        Missing(what=key[0], network=key[1], method=key[2], reason=key[3], films=len(films[key] - {""}), items=count)
        for key, count in sorted(items.items(), key=lambda item: (-item[1], item[0]))
    )
