"""Plans of several splits of one data set: folds, random draws, and one source left out at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .errors import PlanError
from .film import DataSet, Film, Split
from .noticed import notice_anew
from .splitting import folds_of, split_films

__all__ = ["Fold", "plan_folds", "resample"]

Fold = tuple[str, Mapping[str, Split]]
"""A name, and the split of each film by its ``file``; a film that is missing takes no part."""

_TRAIN: Mapping[Split, float] = {"train": 0.85, "val": 0.15}
_DRAW: Mapping[Split, float] = {"train": 0.6, "test": 0.4}
_MOST = 100


def plan_folds(data_set: DataSet, plan: str, seed: int = 0) -> tuple[Fold, ...]:
    """Make a plan; groups are never torn, and 15 % of what is not tested is for validation.

    Parameters
    ----------
    data_set : DataSet
        Its own splits play no part.
    plan : str
        ``folds:5``: grouped folds, each film is tested once. ``draws:5``: overlapping random draws, 60 % to train and
        40 % to test, as in arXiv:2006.02570. ``sources``: each source is tested by what was trained on all others.
    seed : int
        Another one, another plan.

    Returns
    -------
    tuple of (str, mapping of str to str)
        Name of each fold, fit for a folder, and the split of each film by its ``file``.

    Raises
    ------
    PlanError
        If there is no such plan, or too few groups or sources for it.
    """
    kind, _, number = plan.partition(":")
    if kind == "sources" and not number:
        return _by_source(data_set, seed)
    count = int(number) if number.isdecimal() else 0
    if kind not in ("folds", "draws") or not (2 if kind == "folds" else 1) <= count <= _MOST:
        raise PlanError(f"there is no plan {plan!r}; there are folds:N, draws:N (N up to {_MOST}) and sources")
    films = data_set.films
    if kind == "folds":
        fold_of = folds_of(films, count, seed)
        tested = [{film.file for film, own in zip(films, fold_of, strict=True) if own == fold} for fold in range(count)]
    else:
        drawn = [split_films(films, shares=_DRAW, seed=one) for one in _seeds(seed, count)]
        tested = [{file for file, split in draw.items() if split == "test"} for draw in drawn]
    name = kind.removesuffix("s")
    width = len(str(count))
    seeds = _seeds(seed, count)
    return tuple(
        (f"{name}-{index + 1:0{width}}", _around(films, tested[index], seeds[index])) for index in range(count)
    )


def resample(data_set: DataSet, plan: str, seed: int = 0) -> dict[str, DataSet]:
    """Return one data set for each fold of a plan.

    Parameters
    ----------
    data_set, plan, seed
        See `plan_folds`.

    Returns
    -------
    dict of str to DataSet
        By name of the fold; films that take no part in it are left out and counted.

    Raises
    ------
    PlanError
        See `plan_folds`.
    """
    made = {}
    for name, splits in plan_folds(data_set, plan, seed):
        films = tuple(replace(film, split=splits[film.file]) for film in data_set.films if film.file in splits)
        left_out = dict(data_set.left_out)
        if len(films) < len(data_set.films):
            left_out["shares a group with the tested source"] = len(data_set.films) - len(films)
        one = replace(data_set, films=films, left_out=left_out)
        made[name] = replace(one, warnings=notice_anew(one, data_set))
    return made


def _by_source(data_set: DataSet, seed: int) -> tuple[Fold, ...]:
    sources = sorted({film.main_source for film in data_set.films if film.main_source})
    if len(sources) < 2:
        raise PlanError(f"{data_set.path}: to leave a source out, films of two sources are needed")
    folds = []
    for source in sources:
        tested = {film.file for film in data_set.films if film.main_source == source}
        groups = {film.group for film in data_set.films if film.file in tested}
        films = [film for film in data_set.films if film.file in tested or film.group not in groups]
        name = "without-" + re.sub(r"[^a-z0-9]+", "-", source.lower()).strip("-")
        folds.append((name, _around(films, tested, seed)))
    if len({name for name, _ in folds}) < len(folds):
        raise PlanError(f"{data_set.path}: sources differ in signs alone: {', '.join(sources)}")
    return tuple(folds)


def _around(films: tuple[Film, ...] | list[Film], tested: set[str], seed: int) -> dict[str, Split]:
    rest = [film for film in films if film.file not in tested]
    splits: dict[str, Split] = split_films(rest, shares=_TRAIN, seed=seed)
    return {**splits, **dict.fromkeys(sorted(tested), "test")}


def _seeds(seed: int, count: int) -> list[int]:
    return [int(one) for one in np.random.SeedSequence(seed).generate_state(count)]
