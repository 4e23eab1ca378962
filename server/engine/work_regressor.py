"""A number of a piece of work, guessed from what it was for work that is like it: Gaussian process regression."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, isfinite, log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Kernel

__all__ = ["Spreads", "Work", "WorkRegressor"]

_MOST = 256
"""Observations that are kept: a fit takes some 20 ms then."""
_MOST_KNOWN = 4096
"""Estimates that are kept until something new is seen."""
_MOST_ALIKE = 6
"""Of the same work: the newest count alone, so that what has changed is learnt anew."""
_COORDINATES = 12
"""The number of passes, that of targets, and the parameters that count."""
_SOME_PASSES, _MANY_PASSES = 100, 10_000
"""The slope turns around the first, and ends at about the second."""
_SMALLEST, _LARGEST = 1e-3, 1e300
_STRANGE = exp(-2)
"""Likeness of two values of a parameter that have nothing in common; numbers have, within a factor of about 7."""
_APART = 1e3
_WITHOUT_EFFECT = frozenset({"seed"})


@dataclass(frozen=True)
class Work:
    """What decides on the number.

    Parameters
    ----------
    name : str
        Who works: a method, a measure of one.
    version : tuple of (str, int)
        On what: name and version of a network, or of the ensemble.
    form : tuple of float
        How: see `of`.
    """

    name: str
    version: tuple[str, int]
    form: tuple[float, ...] = ()

    @classmethod
    def of(
        cls,
        name: str,
        version: tuple[str, int],
        passes: int,
        parameters: Mapping[str, Any] | None = None,
        targets: int = 1,
    ) -> Work:
        """Describe work by its passes, its parameters as JSON values, and how many targets it is for.

        Numbers are as near to each other as their ratio is to 1; of other values it counts whether they are equal.
        """
        values = [value for key, value in sorted((parameters or {}).items()) if key not in _WITHOUT_EFFECT]
        form = [log(max(1, passes) / _SOME_PASSES), log(max(1, targets)), *map(_coordinate, values)]
        return cls(name, version, tuple(form[:_COORDINATES]))


@dataclass(frozen=True)
class Spreads:
    """How much logarithms differ for each reason, as standard deviations; 0 where a reason has no say.

    Parameters
    ----------
    everything : float
        All work together, from what is expected.
    time : float
        All work of a time: it fades over the next few observations.
    version : float
        From one network to the next.
    name : float
        From one method to the next.
    both : float
        From one method on one network to the next.
    form : float
        From one choice of parameters to another that has nothing in common with it.
    form_on_version : float
        The same, of one network.
    slope : float
        From one number of passes to e times as many, all else being equal, up to some 10,000.
    noise : float
        From one time to the next of the same work.
    """

    everything: float = 0.0
    time: float = 0.0
    version: float = 0.0
    name: float = 0.0
    both: float = 0.0
    form: float = 0.0
    form_on_version: float = 0.0
    slope: float = 0.0
    noise: float = 0.1


class WorkRegressor:
    """Estimates a logarithm, and learns from those that were seen.

    Whatever is alike in some way (the same network, the same method, parameters near to each other) differs the less,
    and every observation says something of all that is like it: the best linear guess for known spreads (scikit-learn's
    `GaussianProcessRegressor`). Where nothing is known it is 0.

    Parameters
    ----------
    spreads : Spreads
        How much is to be expected of each reason.
    fading : float
        Observations after which what is of a time has gone to a third.
    """

    def __init__(self, spreads: Spreads, *, fading: float = 4.0) -> None:
        self._process = GaussianProcessRegressor(_Likeness(spreads, fading), alpha=spreads.noise**2, optimizer=None)
        self._seen: list[tuple[Work, float, int]] = []
        self._count = 0
        self._alone: set[str] = set()
        self._known: dict[Work, float] = {}
        self._fitted = False

    def log(self, work: Work) -> float:
        """Estimate the number of a piece of work."""
        if work not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[work] = self._estimate(work)
        return self._known[work]

    def learn(self, work: Work, seen: float, *, alone: bool = False) -> None:
        """Take in what it was; `alone` where that says nothing of work by others, now and ever, beyond its time.

        What is not finite is left out: it would spoil every later estimate.
        """
        if not isfinite(seen):
            return
        if alone:
            self._alone.add(work.name)
        same = [one for one in self._seen if one[0] == work]
        for old in same[: max(0, len(same) + 1 - _MOST_ALIKE)]:
            self._seen.remove(old)
        self._seen = [*self._seen, (work, seen, self._count)][-_MOST:]
        self._count += 1
        self._fitted, self._known = False, {}

    def _estimate(self, work: Work) -> float:
        if not self._seen:
            return 0.0
        if not self._fitted:
            rows = np.stack([self._row(work, time) for work, _, time in self._seen])
            self._process.fit(rows, [value for _, value, _ in self._seen])
            self._fitted = True
        # As `predict`, without its checks of both tables, which take longer than this: a plan asks often.
        likeness = self._process.kernel_(self._row(work, self._count)[None], self._process.X_train_)
        return float((likeness @ self._process.alpha_)[0])

    def _row(self, work: Work, time: int) -> NDArray[np.float64]:
        """Put work into numbers: see the constants `_TIME` and so on."""
        group = work.name if work.name in self._alone else ""
        form = [*work.form, *[0.0] * (_COORDINATES - len(work.form))]
        return np.array([time, _code(group), _code(work.version), _code(work.name), *form])


_TIME, _GROUP, _VERSION, _NAME, _PASSES = range(5)


class _Likeness(Kernel):
    """The covariance of two pieces of work, row by row of two tables."""

    def __init__(self, spreads: Spreads, fading: float) -> None:
        self.spreads = spreads
        self.fading = fading

    def __call__(
        self,
        X: NDArray[np.float64],
        Y: NDArray[np.float64] | None = None,
        eval_gradient: bool = False,
    ) -> NDArray[np.float64]:
        others = X if Y is None else Y
        group, version, name = (np.equal.outer(X[:, one], others[:, one]) for one in (_GROUP, _VERSION, _NAME))
        forms, other_forms = X[:, _PASSES:], others[:, _PASSES:]
        # A product of covariances, one for every coordinate, is a covariance itself; a distance cut short gives none.
        some = forms.any(axis=0) | other_forms.any(axis=0)
        apart = forms[:, None, some] - other_forms[None, :, some]
        near = (_STRANGE + (1 - _STRANGE) * np.exp(apart**2 / -2)).prod(axis=2)
        since = np.abs(np.subtract.outer(X[:, _TIME], others[:, _TIME]))
        of = self.spreads
        covariance: NDArray[np.float64] = group * (of.everything**2 + of.version**2 * version)
        slope = of.slope**2 * np.multiply.outer(_bounded(X[:, _PASSES]), _bounded(others[:, _PASSES]))
        covariance += name * (of.name**2 + slope + of.form**2 * near)
        covariance += (name & version) * (of.both**2 + of.form_on_version**2 * near)
        covariance += of.time**2 * np.exp(-since / self.fading)
        return covariance

    def diag(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([self(row[None])[0, 0] for row in X])

    def is_stationary(self) -> bool:
        return False


def _bounded(passes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Have so many passes that what is paid once does not show any more be alike: no slope leads on from there."""
    most = log(_MANY_PASSES / _SOME_PASSES)
    return most - np.logaddexp(0.0, most - passes)


def _code(value: object) -> int:
    return zlib.crc32(repr(value).encode())


def _coordinate(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        size = abs(value)
        return log(min(max(size, _SMALLEST), _LARGEST)) if size == size else _APART
    # Any two differ by more than numbers can.
    return _APART * (2 + zlib.crc32(json.dumps(value, sort_keys=True, default=str).encode()))
