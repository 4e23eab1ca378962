"""Unlike the training data: a guard that tells how far an X-ray is from those that the networks were trained on.

It sees the film as 16 x 16 ranks of brightness, so that exposure and windowing play no part, and asks two questions.

*How far is it from the training films?* The squared Mahalanobis distance of probabilistic principal component analysis
(Tipping and Bishop 1999, J. R. Stat. Soc. B 61:611) with a floor under all variances: up to a constant, minus twice the
log-likelihood.

*Would it be nearer if it were turned, mirrored or inverted?* By how much the distance falls in the best of the 15 other
ways to lay the film down: a chest that stands on its head is no rare picture, yet it is nearer when it is turned.

Both are scaled on the training films, and the larger one is the unlikeness. Films that took no part in that (the
validation split) tell what it means: how many of them are at least as unlike (a conformal p-value; Vovk et al. 2005,
Bates et al. 2023, Ann. Stat. 51:149).

A mean and at most 32 components of 256 numbers are kept of the films, of ten films each at least and of a hundred
films in all: no film can be had back from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from .card import InputSpec
from .image import XRay
from .preprocess import preprocess

__all__ = [
    "FEWEST_FILMS",
    "FEWEST_HELD_OUT",
    "FILMS_PER_COMPONENT",
    "GUARD_INPUT",
    "Guard",
    "Likeness",
    "Scale",
    "ranks",
    "scale",
]

GUARD_INPUT = InputSpec(size=16)
"""How a film is prepared for the guard."""
FEWEST_FILMS = 100
"""Training films that a guard is fitted on at least."""
FEWEST_HELD_OUT = 20
"""Films that calibrate it at least: of fewer, none could be among the rarest twentieth."""
FILMS_PER_COMPONENT = 10

_CELLS = GUARD_INPUT.size**2
_FARTHEST = 1000.0
_BATCH = 1024

_TURNS: tuple[tuple[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]], ...] = (
    ("", lambda planes: planes),
    ("turned a quarter to the left", lambda planes: np.rot90(planes, 1, (-2, -1))),
    ("turned upside down", lambda planes: np.rot90(planes, 2, (-2, -1))),
    ("turned a quarter to the right", lambda planes: np.rot90(planes, 3, (-2, -1))),
    ("mirrored left to right", lambda planes: planes[..., ::-1]),
    ("mirrored top to bottom", lambda planes: planes[..., ::-1, :]),
    ("mirrored and turned a quarter to the left", lambda planes: np.rot90(planes[..., ::-1], 1, (-2, -1))),
    ("mirrored and turned a quarter to the right", lambda planes: np.rot90(planes[..., ::-1], 3, (-2, -1))),
)
_INVERTED = "with black and white exchanged"

_Cells = Annotated[tuple[float, ...], Field(min_length=_CELLS, max_length=_CELLS)]


@dataclass(frozen=True)
class Likeness:
    """What the guard says of one film.

    Parameters
    ----------
    unlikeness : float
        How unlike the training films it is: for each of the two questions their median is 0 and their 95th percentile
        1, and the larger answer counts, so that about a tenth of them are above 1; at most 1000.
    threshold : float
        Above it the guard warns.
    share : float
        Share of held-out films that are at least as unlike, this one counted among them, in (0, 1].
    text : str
        The same in plain words.
    """

    unlikeness: float
    threshold: float
    share: float
    text: str

    @property
    def warns(self) -> bool:
        """Whether the film is too unlike the training films for its votes to be relied on."""
        return self.unlikeness > self.threshold


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Scale(_Record):
    """What is usual for a quantity: its median over the training films, and from there to the 95th percentile."""

    median: float
    spread: float = Field(gt=0)


class Guard(_Record):
    """``chest_xray/<version>/guard.json``: of a model set, fitted by `radiolucent.training.guard`."""

    schema_version: Literal[1] = 1
    """Of this document."""
    films: int = Field(ge=FEWEST_FILMS)
    """How many training films there were."""
    mean: _Cells
    """Their mean: 16 rows of 16 standardised ranks of brightness."""
    components: tuple[_Cells, ...] = Field(min_length=1, max_length=32)
    """The principal components, each of length 1, in the order of their variances."""
    variances: tuple[Annotated[float, Field(gt=0)], ...]
    """Variance of the films along each component, the floor included."""
    noise: float = Field(gt=0)
    """Their variance in every other direction, the floor included."""
    distance: Scale
    """Of the squared distance of a film as it is."""
    gain: Scale
    """Of what it would lose in the best other way to lay it down."""
    held_out: tuple[float, ...] = Field(min_length=FEWEST_HELD_OUT)
    """Unlikeness of films that took no part in the above, ascending."""
    alarm_rate: float = Field(default=0.05, gt=0, le=0.5)
    """Share of films like the held-out ones that the guard warns of, at most."""

    @model_validator(mode="after")
    def _is_of_enough_films(self) -> Self:
        if len(self.variances) != len(self.components):
            raise ValueError("variances and components are of different number")
        if FILMS_PER_COMPONENT * len(self.components) > self.films:
            raise ValueError(f"a component must be of {FILMS_PER_COMPONENT} films at least")
        if list(self.held_out) != sorted(self.held_out):
            raise ValueError("held_out is not ascending")
        return self

    @property
    def threshold(self) -> float:
        """The least unlikeness for which the share is still above the alarm rate; beyond it the guard warns."""
        rank = math.ceil((len(self.held_out) + 1) * (1 - self.alarm_rate))
        return self.held_out[min(rank, len(self.held_out)) - 1]

    def judge(self, image: XRay) -> Likeness:
        """Judge one X-ray, as its file was decoded."""
        return self.judge_all(preprocess(image, GUARD_INPUT).tensor)[0]

    def judge_all(self, films: ArrayLike) -> list[Likeness]:
        """Judge films.

        Parameters
        ----------
        films : array-like, shape [films, 16, 16] or [films, 1, 16, 16]
            Brightness in [0, 1], preprocessed as `GUARD_INPUT` says.
        """
        distances, unlikeness = self._measured(films)
        return [self._words(float(value), row) for value, row in zip(unlikeness, distances, strict=True)]

    def unlikeness(self, films: ArrayLike) -> NDArray[np.float64]:
        """Return the unlikeness alone, float64 ``[films]``; films as for `judge_all`."""
        return self._measured(films)[1]

    def distances(self, films: ArrayLike) -> NDArray[np.float64]:
        """Return squared distances from the training films, float64 ``[films, 16]``: as it is, then the other ways."""
        planes = np.asarray(films, dtype=np.float64).reshape(-1, GUARD_INPUT.size, GUARD_INPUT.size)
        parts = [self._distances(planes[i : i + _BATCH]) for i in range(0, len(planes), _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, 2 * len(_TURNS)))

    def _distances(self, planes: NDArray[np.float64]) -> NDArray[np.float64]:
        mean, components, weights = self._arrays
        ranked = ranks(planes)
        # Ranks of the inverted film are the same with the opposite sign.
        views = np.stack([turn(sign * ranked) for sign in (1.0, -1.0) for _, turn in _TURNS], axis=1)
        centred = views.reshape(*views.shape[:2], _CELLS) - mean
        along = np.square(centred @ components.T)
        distances: NDArray[np.float64] = np.square(centred).sum(-1) / self.noise + along @ weights
        distances[~ranked.any(axis=(1, 2))] = math.inf  # one brightness everywhere: no picture at all
        return distances

    def _measured(self, films: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        distances = self.distances(films)
        seen = distances[:, 0]
        blank = np.isinf(seen)
        gain = np.where(blank, 0.0, seen) - np.where(blank, 0.0, distances[:, 1:].min(axis=1))
        far = (seen - self.distance.median) / self.distance.spread
        larger = np.maximum(far, (gain - self.gain.median) / self.gain.spread)
        return distances, np.round(np.minimum(larger, _FARTHEST), 4)

    def _words(self, unlikeness: float, distances: NDArray[np.float64]) -> Likeness:
        number = len(self.held_out)
        as_unlike = number - int(np.searchsorted(self.held_out, unlikeness, side="left"))
        likeness = Likeness(unlikeness, self.threshold, (as_unlike + 1) / (number + 1), "")
        counted = f"of {number} that were held out, {as_unlike or 'none'} {'is' if as_unlike < 2 else 'are'}"
        if not likeness.warns:
            text = f"Like the X-rays that the networks were trained on: {counted} at least as unlike."
        else:
            nearer = self._nearer(distances)
            hint = f" It would be like them {nearer}." if nearer else ""
            text = f"Unlike the X-rays that the networks were trained on: {counted} as unlike.{hint} "
            text += "Do not rely on the votes."
        return Likeness(likeness.unlikeness, likeness.threshold, likeness.share, text)

    def _nearer(self, distances: NDArray[np.float64]) -> str:
        """Tell how the film would have to be laid down to be like the training films; empty where no way helps."""
        best = int(np.argmin(distances))
        if best == 0 or math.isinf(distances[0]):
            return ""
        usual = (distances[best] - self.distance.median) / self.distance.spread <= 1
        helps = (distances[0] - distances[best] - self.gain.median) / self.gain.spread > self.threshold
        if not (usual and helps):
            return ""
        turned, inverted = _TURNS[best % len(_TURNS)][0], best >= len(_TURNS)
        return " and ".join(words for words in (turned, _INVERTED if inverted else "") if words)

    @cached_property
    def _arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Mean, components, and what a square along each component weighs more than its length does already."""
        variances = np.asarray(self.variances)
        return np.asarray(self.mean), np.asarray(self.components), 1 / variances - 1 / self.noise


def ranks(planes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace brightness by its rank within the film, standardised; equal brightness shares the mean of its ranks.

    Parameters
    ----------
    planes : ndarray of float64, shape [films, height, width]
        Brightness.

    Returns
    -------
    ndarray of float64, same shape
        Mean 0 and standard deviation 1 over each film; 0 everywhere where a film has one brightness only.
    """
    flat = planes.reshape(len(planes), math.prod(planes.shape[1:]))
    return np.stack([_ranks(film) for film in flat]).reshape(planes.shape) if len(flat) else flat.reshape(planes.shape)


def _ranks(film: NDArray[np.float64]) -> NDArray[np.float64]:
    _, place, counts = np.unique(film, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    centred: NDArray[np.float64] = mean_rank[place] - (len(film) + 1) / 2
    return centred / centred.std() if centred.any() else centred


def scale(values: Sequence[float] | NDArray[np.float64]) -> Scale:
    """Return what is usual for a quantity, from its values on the training films."""
    median, high = np.quantile(np.asarray(values, dtype=np.float64), (0.5, 0.95))
    return Scale(median=round(float(median), 4), spread=max(round(float(high - median), 4), 1e-4))
