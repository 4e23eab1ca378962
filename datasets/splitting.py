"""Train, validation and test: by group, alike in labels and sources."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .errors import PlanError
from .film import SPLITS, Film, Split

__all__ = ["SHARES", "connect", "folds_of", "split_films", "strata"]

SHARES: Mapping[Split, float] = {"train": 0.7, "val": 0.1, "test": 0.2}
"""How films are shared out where a manifest does not say."""

_COMBINATIONS = 30
_PARTS = 20  # shares are kept to a twentieth


def connect(keys: Sequence[Sequence[str]]) -> list[int]:
    """Put films that share a key into one group, however long the chain.

    Parameters
    ----------
    keys : sequence of sequence of str
        Of each film: its patient, its known duplicates; empty keys join nothing.

    Returns
    -------
    list of int
        The group of each film, numbered by first appearance.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    number: dict[str, int] = {}
    ends = [
        (film, len(keys) + number.setdefault(key, len(number))) for film, own in enumerate(keys) for key in own if key
    ]
    size = len(keys) + len(number)
    rows, columns = zip(*ends, strict=True) if ends else ((), ())
    graph = coo_matrix((np.ones(len(ends), dtype=np.int8), (rows, columns)), shape=(size, size))
    _, parts = connected_components(graph, directed=False)
    first: dict[int, int] = {}
    return [first.setdefault(int(part), len(first)) for part in parts[: len(keys)]]


def strata(films: Sequence[Film]) -> list[str]:
    """Return what splits keep alike for each film.

    Its source and its present labels; of combinations that are not among the most common ones, the label that is
    rarest in all films, so that a data set of thousands of combinations is split in about a minute.
    """
    present = [sorted(name for name, value in film.known.items() if value) for film in films]
    often = Counter(name for names in present for name in names)
    kinds = [f"{film.main_source}|{'|'.join(names)}" for film, names in zip(films, present, strict=True)]
    common = {kind for kind, _ in Counter(kinds).most_common(_COMBINATIONS)}
    return [
        kind if kind in common else f"{film.main_source}|other|{min(names, key=lambda name: often[name], default='')}"
        for film, names, kind in zip(films, present, kinds, strict=True)
    ]


def folds_of(films: Sequence[Film], count: int, seed: int) -> NDArray[np.int64]:
    """Share films out into folds of about one size, by group and stratified.

    Parameters
    ----------
    films : sequence of Film
        Of `count` groups at least.
    count : int
        Of folds, from 2.
    seed : int
        Another one, other folds.

    Returns
    -------
    array
        int64 ``[films]``: the fold of each.

    Raises
    ------
    PlanError
        If there are fewer groups than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    groups = [film.group for film in films]
    if len(set(groups)) < count:
        raise PlanError(f"{len(set(groups))} groups of films are too few for {count} parts")
    kinds = strata(films)
    if max(Counter(kinds).values()) < count:
        kinds = [""] * len(films)  # too few films of each kind to keep them alike
    folds = np.zeros(len(films), dtype=np.int64)
    splitter = StratifiedGroupKFold(n_splits=count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # rare kinds are not in every fold
        for fold, (_, chosen) in enumerate(splitter.split(np.zeros((len(films), 1)), kinds, groups)):
            folds[chosen] = fold
    return folds


def split_films(films: Sequence[Film], *, shares: Mapping[Split, float] = SHARES, seed: int = 0) -> dict[str, Split]:
    """Split films by group, so that the splits are alike in combinations of labels and in sources.

    Parameters
    ----------
    films : sequence of Film
        All of them.
    shares : mapping of str to float
        Of the films, per split; kept to a twentieth where there are groups enough. A split without a share is empty.
    seed : int
        Another one, other splits.

    Returns
    -------
    dict of str to str
        Split by the film's ``file``.

    Raises
    ------
    PlanError
        If there are fewer groups than splits.
    """
    wanted = {split: shares.get(split, 0.0) for split in SPLITS if shares.get(split, 0.0) > 0}
    total = sum(wanted.values())
    parts = _parts([share / total for share in wanted.values()], len({film.group for film in films}))
    folds = folds_of(films, sum(parts), seed)
    order = np.random.default_rng(seed).permutation(sum(parts))
    splits = dict(zip(order.tolist(), np.repeat(list(wanted), parts).tolist(), strict=True))
    return {film.file: splits[int(fold)] for film, fold in zip(films, folds, strict=True)}


def _parts(shares: Sequence[float], groups: int) -> list[int]:
    """Return how many folds each share gets: as few as give the shares, one at least for each."""
    if groups < len(shares):
        raise PlanError(f"{groups} groups of films are too few for {len(shares)} splits")
    most = min(_PARTS, groups)

    def rounded(total: int) -> list[int]:
        parts = [max(1, round(share * total)) for share in shares]
        parts[int(np.argmax(shares))] += total - sum(parts)
        return parts

    def apart(total: int) -> float:
        return max(abs(part / total - share) for part, share in zip(rounded(total), shares, strict=True))

    best = min(
        (total for total in range(len(shares), most + 1) if min(rounded(total)) > 0),
        key=lambda total: (round(apart(total), 3), total),
    )
    return rounded(best)
