"""How like the training data of a model set an X-ray is, as its guard says."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Likeness"]


@dataclass(frozen=True)
class Likeness:
    """What the guard of a model set says of an X-ray.

    Parameters
    ----------
    unlikeness : float
        Without unit: for each of the guard's two questions the median of the training films is 0 and their 95th
        percentile 1, and the larger answer counts, so that about a tenth of them are above 1; at most 1000.
    threshold : float
        The guard warns above it.
    share : float
        Share of the films that calibrated the guard, this one counted among them, that are at least as unlike, in
        (0, 1].
    warns : bool
        Whether the X-ray is too unlike the training data for its votes to be relied on.
    text : str
        The same in a few plain words.
    """

    unlikeness: float
    threshold: float
    share: float
    warns: bool
    text: str
