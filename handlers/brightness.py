"""How bright the training data of a network are: a statistic from which no film can be had back."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

__all__ = ["GRID", "BrightnessStatistics"]

GRID = 16
"""Cells along each side of the statistic's grid."""

_FEWEST_FILMS = 20
_DECIMALS = 4

_Row = Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(min_length=GRID, max_length=GRID)]
_Plane = Annotated[tuple[_Row, ...], Field(min_length=GRID, max_length=GRID)]


class BrightnessStatistics(BaseModel):
    """Mean and spread of the training films' brightness, each film reduced to 16 x 16 pixels.

    Brightness is 0 (black, as the padding) to 1 (white), after the films were fitted into the network's square input.
    Nothing but these two numbers per cell, over 20 films at least, is kept of the films. Hashable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    films: int = Field(ge=_FEWEST_FILMS)
    """How many there were."""
    mean: _Plane
    """Mean over the films, 16 rows of 16 cells, in [0, 1]."""
    std: _Plane
    """Standard deviation over the films, 16 rows of 16 cells, in brightness."""

    @model_validator(mode="after")
    def _spread_is_possible(self) -> Self:
        mean, std = np.asarray(self.mean), np.asarray(self.std)
        # Bhatia and Davis: what lies in [0, 1] with this mean spreads no further.
        if (std**2 > mean * (1 - mean) + 10.0**-_DECIMALS).any():
            raise ValueError("std is larger than brightness in [0, 1] with this mean can have")
        return self

    @classmethod
    def of(cls, films: NDArray[np.float32]) -> BrightnessStatistics | None:
        """Reduce films to the statistic.

        Parameters
        ----------
        films : ndarray, shape [films, 16, 16] or [films, 1, 16, 16]
            Brightness in [0, 1], preprocessed to 16 x 16 pixels.

        Returns
        -------
        BrightnessStatistics or None
            None where there are fewer than 20 films: mean and spread of a few would show them.
        """
        if len(films) < _FEWEST_FILMS:
            return None
        cells = np.asarray(films, dtype=np.float64).reshape(len(films), GRID, GRID)
        return cls(films=len(films), mean=_rows(cells.mean(axis=0)), std=_rows(cells.std(axis=0)))


def _rows(plane: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(min(max(cell, 0.0), 1.0), _DECIMALS) for cell in row) for row in plane.tolist())
