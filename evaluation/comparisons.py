"""Which films against which: two classes, within all data or within one source or view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..datasets import Film

__all__ = ["Comparison"]


@dataclass(frozen=True)
class Comparison:
    """Films with a label against films without it.

    Parameters
    ----------
    positive : str
        The label.
    negative : str, optional
        Only those films count as negative that are known to have this label; by default all without `positive`.
    source : str
        Only films of this source (or of one part of it); empty: all.
    view : str
        Only films of this view; empty: all.
    """

    positive: str
    negative: str | None = None
    source: str = ""
    view: str = ""

    @property
    def name(self) -> str:
        """As tables call it: ``Pneumonia vs No Finding in NIH ChestX-ray14, AP``."""
        text = f"{self.positive} vs {self.negative or 'the rest'}"
        if self.source:
            text += f" in {self.source}"
        return text + (f", {self.view}" if self.view else "")

    def truth(self, films: Sequence[Film]) -> NDArray[np.float32]:
        """Return 1 for positive films, 0 for negative ones and NaN for those that take no part: float32 ``[films]``."""
        return np.asarray([self._truth(film) for film in films], dtype=np.float32)

    def _truth(self, film: Film) -> float:
        here = not self.source or film.source == self.source or film.source.startswith(self.source + "/")
        if not here or (self.view and film.view != self.view) or self.positive not in film.known:
            return np.nan
        if film.known[self.positive]:
            return 1.0
        return 0.0 if self.negative is None or film.known.get(self.negative, False) else np.nan
