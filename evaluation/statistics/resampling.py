"""How a number varies with the patients that happened to be tested: one paired bootstrap, or overlapping draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import EvaluationError
from ..tables import Predictions
from .binary import Floats
from .score import Score, scored

__all__ = ["CHUNK", "Draws", "GroupBootstrap", "Plan", "Resampling", "plan_of", "resampling_of"]

Plan = Literal["split", "folds", "draws"]

CHUNK = 200_000
"""Weights that are held at once: memory does not grow with films times resamples, and they stay in a core's cache."""

MISSING = 0.05
"""Share of resamples without a value from which there is no interval: they could be a whole tail of it."""


class Resampling(Protocol):
    """Weightings of the same films, and what their values of a metric say together."""

    @property
    def plan(self) -> Plan:
        """How films were split."""
        ...

    def weigh(self, function: Callable[[Floats], Floats], per_patient: bool = False) -> Floats:
        """Compute something under every weighting.

        Parameters
        ----------
        function : callable
            From weights ``[k, films]`` to values ``[k, ...]``.
        per_patient : bool
            Whether each patient counts once: its films share its weight equally.

        Returns
        -------
        ndarray of float64, shape [K, ...]
            The values.
        """
        ...

    def score(self, values: Floats) -> Score:
        """Return the number and its 95 % interval from the values ``[K]`` of a metric."""
        ...

    def p_value(self, values: Floats) -> float | None:
        """Return the two-sided p-value of a difference ``[K]`` being 0; None where it cannot be told."""
        ...


@dataclass(frozen=True, eq=False)
class GroupBootstrap:
    """Patients drawn with replacement, all their films with them; the same draws for every predictor and metric.

    The interval is the percentile interval. BCa would need a jackknife that is undefined exactly where it would
    matter, at an AUROC near 1 where values of patients tie; how often the percentile interval covers is tested.

    Parameters
    ----------
    groups : sequence of str
        Group of each film.
    resamples : int
        How many.
    seed : int
        Of the random numbers. The draws depend on it and on the names of the groups, not on the order of the films.
    plan : str
        Of the predictions.
    """

    groups: Sequence[str]
    resamples: int = 2000
    seed: int = 0
    plan: Plan = "split"
    _times: NDArray[np.int16] = field(init=False, repr=False)
    _group: NDArray[np.intp] = field(init=False, repr=False)
    _size: NDArray[np.intp] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names, group, sizes = np.unique(np.asarray(self.groups, dtype=str), return_inverse=True, return_counts=True)
        drawn = np.random.default_rng(self.seed).multinomial(len(names), [1 / len(names)] * len(names), self.resamples)
        times = np.concatenate([np.ones((1, len(names))), drawn]).astype(np.int16)
        for name, value in (("_times", times), ("_group", group), ("_size", sizes)):
            object.__setattr__(self, name, value)

    def weigh(self, function: Callable[[Floats], Floats], per_patient: bool = False) -> Floats:
        """As `Resampling.weigh`; the first weighting is that of the films as they are."""
        share = 1 / self._size if per_patient else np.ones(len(self._size))
        step = max(1, CHUNK // len(self._group))
        parts = [
            function((self._times[start : start + step] * share)[:, self._group])
            for start in range(0, len(self._times), step)
        ]
        return np.concatenate(parts)

    def score(self, values: Floats) -> Score:
        """As `Resampling.score`, by percentiles."""
        drawn = values[1:]
        there = drawn[np.isfinite(drawn)]
        missing = len(drawn) - len(there)
        if not np.isfinite(values[0]) or missing > MISSING * len(drawn) or not len(there):
            return scored(values[0], missing=missing)
        low, high = np.percentile(there, [2.5, 97.5])
        return scored(values[0], low, high, missing)

    def p_value(self, values: Floats) -> float | None:
        """As `Resampling.p_value`: twice the smaller share of resamples on either side of 0, itself included."""
        there = values[1:][np.isfinite(values[1:])]
        if not np.isfinite(values[0]) or len(there) < (1 - MISSING) * (len(values) - 1) or not len(there):
            return None
        least = min((there <= 0).sum(), (there >= 0).sum())
        return float(min(1.0, 2 * (least + 1) / (len(there) + 1)))


@dataclass(frozen=True, eq=False)
class Draws:
    """Overlapping draws: the same films trained and tested several times; Nadeau and Bengio's corrected interval.

    Draws share films, so their values are not independent and the plain variance is too small. C. Nadeau, Y. Bengio,
    Inference for the Generalization Error, Machine Learning 52 (2003): the variance of the mean over J draws is
    ``(1/J + films tested / films trained) * variance between draws``, with a t distribution of J - 1 degrees.

    Parameters
    ----------
    folds, groups : sequence of str
        Draw and group of each film.
    train_films : mapping of str to int
        How many films each draw was trained on.
    """

    folds: Sequence[str]
    groups: Sequence[str]
    train_films: dict[str, int]
    plan: Plan = "draws"

    @property
    def names(self) -> list[str]:
        """The draws in their order."""
        return list(dict.fromkeys(self.folds))

    def weigh(self, function: Callable[[Floats], Floats], per_patient: bool = False) -> Floats:
        """As `Resampling.weigh`; one weighting for each draw: its own films."""
        folds = np.asarray(self.folds)
        rows = np.stack([(folds == name).astype(np.float64) for name in self.names])
        if per_patient:
            _, where, sizes = np.unique(
                np.char.add(np.char.add(folds, "\n"), np.asarray(self.groups, dtype=str)),
                return_inverse=True,
                return_counts=True,
            )
            rows = rows / sizes[where]
        return function(rows)

    def score(self, values: Floats) -> Score:
        """As `Resampling.score`: the mean over draws and its corrected t interval."""
        from scipy.stats import t

        there, error = self._error(values)
        missing = len(values) - len(there)
        if error is None:
            return scored(float(there.mean()) if len(there) else np.nan, missing=missing)
        half = float(t.ppf(0.975, len(there) - 1)) * error
        return scored(there.mean(), there.mean() - half, there.mean() + half, missing)

    def p_value(self, values: Floats) -> float | None:
        """As `Resampling.p_value`, by the corrected t test."""
        from scipy.stats import t

        there, error = self._error(values)
        if error is None:
            return None
        if error == 0:
            return 1.0 if there.mean() == 0 else 0.0
        return float(2 * t.sf(abs(there.mean()) / error, len(there) - 1))

    def _error(self, values: Floats) -> tuple[Floats, float | None]:
        """Return the values that there are and the standard error of their mean."""
        finite = np.isfinite(values)
        there = values[finite]
        if len(there) < 2:
            return there, None
        ratios = [self.folds.count(name) / self.train_films[name] for name in np.asarray(self.names)[finite]]
        return there, float(np.sqrt((1 / len(there) + np.mean(ratios)) * there.var(ddof=1)))


def plan_of(predictions: Predictions) -> Plan:
    """Tell how films were split: one training, disjoint folds, or overlapping draws that test a film several times."""
    if len(set(predictions.folds)) == 1:
        return "split"
    files = [film.file for film in predictions.films]
    return "folds" if len(set(files)) == len(files) else "draws"


def resampling_of(predictions: Predictions, resamples: int = 2000, seed: int = 0) -> Resampling:
    """Return how numbers of these predictions vary.

    Parameters
    ----------
    predictions : Predictions
        One training or disjoint folds are pooled and resampled by group; overlapping draws get `Draws`.
    resamples : int
        Of the bootstrap.
    seed : int
        Of the bootstrap.

    Raises
    ------
    EvaluationError
        If draws overlap and it is not known how many films they were trained on.
    """
    groups = [film.group for film in predictions.films]
    plan = plan_of(predictions)
    if plan != "draws":
        return GroupBootstrap(groups, resamples, seed, plan)
    unknown = sorted(set(predictions.folds) - set(predictions.head.train_films))
    if unknown:
        raise EvaluationError(
            f"the draws overlap, and their interval needs the number of training films of {', '.join(unknown)} "
            "(train_films in predictions.json)"
        )
    return Draws(predictions.folds, groups, dict(predictions.head.train_films))
