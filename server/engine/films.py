"""The X-rays of the jobs at hand, decoded, and what was found out about each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from ...handlers.card import InputSpec
from ...handlers.image import XRay
from ...handlers.preprocess import Prepared, preprocess
from .task import ModelRef, Output, Precision

__all__ = ["KEPT_BYTES", "KEPT_FILMS", "Film", "Films"]

KEPT_FILMS = 4
"""Films that are kept at most, the one at hand included."""

KEPT_BYTES = 64 * 2**20
"""Pixels of all kept films together, bytes; the film at hand is kept whatever its size."""


@dataclass
class Film:
    """The X-ray of one job."""

    xray: XRay
    prepared: dict[InputSpec, Prepared] = field(default_factory=dict)
    known: dict[Hashable, dict[Hashable, Any]] = field(default_factory=dict)
    """What methods found out about it and share, by network, output, precision and form."""
    measured: dict[tuple[ModelRef, Output, Precision], dict[Hashable, Any]] = field(default_factory=dict)
    """The same of measures, by network, output and precision."""

    def prepared_for(self, spec: InputSpec) -> Prepared:
        """Return what a network sees of it, worked out once."""
        if spec not in self.prepared:
            self.prepared[spec] = preprocess(self.xray, spec)
        return self.prepared[spec]


class Films:
    """Those of the last few jobs: where turns go round between jobs, each finds its own again."""

    def __init__(self) -> None:
        self._films: OrderedDict[str, Film] = OrderedDict()

    def of(self, job_id: str, decode: Callable[[], XRay]) -> Film:
        """Return the film of a job, decoded where it is not kept.

        Parameters
        ----------
        job_id : str
            The job.
        decode : callable
            Reads it; whatever it raises is passed on.
        """
        if job_id not in self._films:
            self._drop(KEPT_FILMS - 1, least=0)
            self._films[job_id] = Film(decode())
        self._films.move_to_end(job_id)
        self._drop(KEPT_FILMS, least=1)
        return self._films[job_id]

    def _drop(self, most: int, least: int) -> None:
        """Let the films go that were not looked at for longest, until there are few and they are small enough."""
        while len(self._films) > most or (len(self._films) > least and self._bytes() > KEPT_BYTES):
            self._films.popitem(last=False)

    def _bytes(self) -> int:
        return sum(film.xray.pixels.nbytes for film in self._films.values())
