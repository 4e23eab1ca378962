"""How alike the maps of one film are: between networks under one method, between methods on one network.

Compared is evidence for the label (see `evidence`), on the common grid: of a map with a sign what speaks against the
label counts as 0, as it does everywhere else, since a map without a sign has nothing to compare it with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .evidence import Evidence, why_unusable
from .grid import FloatPlane
from .tables import Agreed, Failed

__all__ = ["TOP", "TOP_BY_CHANCE", "agreements"]

WHAT = "agreement"
TOP = 0.1
"""Share of the film that is called its strongest part."""
TOP_BY_CHANCE = TOP / (2 - TOP)
"""Overlap of the strongest tenths of two maps that have nothing to do with each other; less where one has evidence on
less than a tenth."""


def agreements(file: str, evidence: Iterable[Evidence]) -> tuple[list[Agreed], list[Failed]]:
    """Compare the maps of a film, each pair that has label and method, or label and network, in common.

    Parameters
    ----------
    file : str
        The film.
    evidence : iterable of Evidence
        Its maps on the common grid; those without a network (the average mask) are passed over.

    Returns
    -------
    list of Agreed, list of Failed
        ``spearman``, ranks of equal values averaged, and ``top_overlap``: intersection over union of the strongest
        tenths; cells that tie for the last places of the tenth share them equally, and cells without evidence have no
        place in it. Maps that are the same everywhere, or without evidence, have no ranks: a row in the second list.
    """
    ranked, failed = [], []
    for one in evidence:
        if not one.network:
            continue
        problem = why_unusable(one.values)
        if not problem and one.values.min() == one.values.max():
            problem = "the map is the same everywhere"
        if problem:
            failed.append(Failed(file, one.network, one.method, one.label, WHAT, problem))
        else:
            ranked.append(_rank(one))
    agreed: list[Agreed] = []
    for label in dict.fromkeys(one.label for one in ranked):
        maps = [one for one in ranked if one.label == label]
        agreed += _between(file, "networks", maps, lambda one: one.method, lambda one: one.network)
        agreed += _between(file, "methods", maps, lambda one: one.network, lambda one: one.method)
    return agreed, failed


@dataclass(frozen=True, eq=False)
class _Ranked:
    """A map, ranked once for all pairs that it is in."""

    network: str
    method: str
    label: str
    ranks: FloatPlane
    """Mean 0 and length 1, so that a product is a correlation."""
    top: FloatPlane
    """1 in the strongest tenth, 0 elsewhere and without evidence, in between where cells tie for its last places."""


def _rank(one: Evidence) -> _Ranked:
    from scipy.stats import rankdata

    values = one.values.ravel()
    ranks = rankdata(values, method="average")
    ranks -= ranks.mean()
    ranks /= np.linalg.norm(ranks)
    return _Ranked(one.network, one.method, one.label, ranks.astype(np.float32), _strongest(values))


def _strongest(values: NDArray[np.float32]) -> FloatPlane:
    places = max(1, round(TOP * values.size))
    last = np.partition(values, -places)[-places]
    if last <= 0:  # zeros are no evidence: two maps do not agree on pointing nowhere
        return np.asarray(values > 0, dtype=np.float32)
    above, tied = values > last, values == last
    return np.asarray(above + tied * ((places - above.sum()) / tied.sum()), dtype=np.float32)


def _between(
    file: str,
    between: str,
    maps: Sequence[_Ranked],
    shared: Callable[[_Ranked], str],
    own: Callable[[_Ranked], str],
) -> list[Agreed]:
    agreed = []
    for of in dict.fromkeys(shared(one) for one in maps):
        # By name: maps come in the order in which workers finished them, and a pair is the same either way.
        for first, second in combinations(sorted((one for one in maps if shared(one) == of), key=own), 2):
            pair = (file, first.label, between, of, own(first), own(second))
            correlation = float(np.clip(np.dot(first.ranks, second.ranks), -1, 1))
            both = float(np.minimum(first.top, second.top).sum(dtype=np.float64))
            either = float(np.maximum(first.top, second.top).sum(dtype=np.float64))
            agreed += [Agreed(*pair, "spearman", correlation), Agreed(*pair, "top_overlap", both / either)]
    return agreed
