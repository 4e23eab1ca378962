"""Whether networks that explain a label differently are more often wrong about it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..statistics.binary import auroc
from ..statistics.resampling import GroupBootstrap
from ..statistics.score import Score, scored
from .tables import AuditedFilm, AuditTables

__all__ = ["LEAST_FILMS", "MAJORITY", "DisagreementAndError", "disagreement_and_error"]

LEAST_FILMS = 10
"""Films that must be wrong, and as many right, of that many patients (groups) each: below it there is no number."""
MAJORITY = "majority"
"""The vote, as `AuditedFilm.called` names it."""


@dataclass(frozen=True)
class DisagreementAndError:
    """How disagreement of the networks' maps goes with one predictor's errors on one label.

    Parameters
    ----------
    label : str
        The label.
    predictor : str
        A network, or `MAJORITY`.
    quantity : str
        ``spearman`` or ``top_overlap``: agreement of two networks' maps, of which each film has the mean over all pairs
        of networks and all methods.
    films, wrong : int
        Films with such a mean and a known label, and those of them on which the predictor is wrong.
    wrong_groups, right_groups : int
        Patients (groups) with a wrong, and with a right film.
    agreement_wrong, agreement_right : float, optional
        Mean agreement over the wrong and over the right films; None where there is none.
    auroc : Score
        The chance that a wrong film has less agreement than a right one, with its 95 % interval by patient group; .5:
        disagreement tells nothing. Without value where it is not estimable.
    not_estimable : str
        Why there is no number; empty where there is.
    """

    label: str
    predictor: str
    quantity: str
    films: int
    wrong: int
    wrong_groups: int
    right_groups: int
    agreement_wrong: float | None
    agreement_right: float | None
    auroc: Score
    not_estimable: str = ""


def disagreement_and_error(
    tables: AuditTables, *, resamples: int = 2000, seed: int = 0
) -> tuple[DisagreementAndError, ...]:
    """Relate disagreement between networks to being wrong.

    Films are explained for labels that they have, so wrong mostly means missed.

    Parameters
    ----------
    tables : AuditTables
        Of an audit.
    resamples : int
        Of the bootstrap over patient groups.
    seed : int
        Of the bootstrap.

    Returns
    -------
    tuple of DisagreementAndError
        By label, quantity and predictor, in the order of the labels and the votes, the majority first.
    """
    agreement: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in tables.agreed:
        if row.between == "networks":
            agreement[row.label, row.quantity][row.file].append(row.value)
    films = tables.films()
    related = []
    for label in [label.name for label in tables.head.labels]:
        for quantity in ("spearman", "top_overlap"):
            means = {file: float(np.mean(values)) for file, values in sorted(agreement[label, quantity].items())}
            there = [films[file] for file in means if file in films and label in films[file].known]
            here = np.asarray([means[film.file] for film in there])
            related += [
                _relate(label, predictor, quantity, there, here, resamples, seed)
                for predictor in (MAJORITY, *tables.head.networks)
                if there
            ]
    return tuple(related)


def _relate(
    label: str,
    predictor: str,
    quantity: str,
    films: list[AuditedFilm],
    agreement: NDArray[np.float64],
    resamples: int,
    seed: int,
) -> DisagreementAndError:
    asked = [predictor in film.called for film in films]
    films = [film for film, is_asked in zip(films, asked, strict=True) if is_asked]
    agreement = agreement[np.asarray(asked, dtype=bool)]
    wrong = np.asarray([(label in film.called[predictor]) != film.known[label] for film in films], dtype=bool)
    groups = [film.group for film in films]
    of_wrong = len({group for group, is_wrong in zip(groups, wrong, strict=True) if is_wrong})
    of_right = len({group for group, is_wrong in zip(groups, wrong, strict=True) if not is_wrong})
    reason = ""
    if min(of_wrong, of_right) < LEAST_FILMS:
        reason = (
            f"wrong on {int(wrong.sum())} films of {of_wrong} patients, right on {int((~wrong).sum())} of {of_right}: "
            f"at least {LEAST_FILMS} patients of each are needed"
        )
        score = scored(np.nan)
    else:
        bootstrap = GroupBootstrap(groups, resamples, seed)
        score = bootstrap.score(bootstrap.weigh(lambda weights: auroc(weights, wrong, -agreement)))
    return DisagreementAndError(
        label=label,
        predictor=predictor,
        quantity=quantity,
        films=len(films),
        wrong=int(wrong.sum()),
        wrong_groups=of_wrong,
        right_groups=of_right,
        agreement_wrong=float(agreement[wrong].mean()) if wrong.any() else None,
        agreement_right=float(agreement[~wrong].mean()) if (~wrong).any() else None,
        auroc=score,
        not_estimable=reason,
    )
