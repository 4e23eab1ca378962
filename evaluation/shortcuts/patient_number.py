"""The number of the patient: who was numbered together was often collected together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import NotApplicable
from .glance import Glance
from .one_number import OneNumber
from .predictor import Scorer

__all__ = ["PatientNumber"]

_NUMBERED = re.compile(r"(?P<series>.*?)(?P<number>[0-9]{1,15})")


@dataclass(frozen=True)
class PatientNumber:
    """Score films by the number of their patient, where all are numbered in one series.

    Parameters
    ----------
    name : str
        As tables call it.
    """

    name: str = "patient number"

    def fit(self, films: Sequence[Glance], truth: NDArray[np.bool_]) -> Scorer:
        """Learn the direction.

        Raises
        ------
        NotApplicable
            If a patient has no number, or the numbers are of several series.
        """
        series = {_split(film)[0] for film in films}
        if len(series) > 1:
            raise NotApplicable("the patients are numbered in several series, which do not compare")
        score = OneNumber(self.name, lambda film: float(_split(film)[1])).fit(films, truth)

        def checked(others: Sequence[Glance]) -> NDArray[np.float64]:
            if any(_split(film)[0] not in series for film in others):
                raise NotApplicable("tested patients are numbered in another series than those of the training")
            return score(others)

        return checked


def _split(film: Glance) -> tuple[str, int]:
    if (found := _NUMBERED.fullmatch(film.film.patient)) is None:
        raise NotApplicable("the manifest does not number all patients")
    return found["series"], int(found["number"])
