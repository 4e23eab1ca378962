"""How much of a map lies outside the lungs: who says where they are, and what is said of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...handlers.lungs import LungMask
from .aggregation import Agreement, Evidence
from .events import Item, OutsideLungs
from .task import FloatArray

__all__ = ["Drawing", "Drawn", "Segmented", "outside_lungs"]


@dataclass(frozen=True, eq=False)
class Segmented:
    """What a segmenter gave in a worker.

    Parameters
    ----------
    values : ndarray of uint8, shape [height, width], optional
        Its mask, checked. None where it gave none.
    refusal : str
        Why there is none, in words, without anything of the patient or of the machine.
    error_id : str, optional
        Under which the server's log has the details; where there are any.
    details : str, optional
        For that log.
    """

    values: NDArray[np.uint8] | None = field(default=None, repr=False)
    refusal: str = ""
    error_id: str | None = None
    details: str | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Where the lungs of an X-ray are, or in words why that is not known; and the segmenter that was to draw them."""

    mask: LungMask | None
    refusal: str = ""
    segmenter: str = ""


class Drawing:
    """The lungs of one job, which may still be drawn.

    Parameters
    ----------
    segmenter : str
        Who draws; empty where the caller gave a mask.
    """

    def __init__(self, segmenter: str = "") -> None:
        self._segmenter = segmenter
        self._drawn: asyncio.Future[Drawn] = asyncio.get_running_loop().create_future()

    async def wait(self) -> Drawn:
        """Wait until they are drawn, or will not be."""
        return await asyncio.shield(self._drawn)

    def settle(self, mask: LungMask | None, refusal: str = "") -> None:
        """Say where they are, or why that will not be known; the first word counts."""
        if not self._drawn.done():
            self._drawn.set_result(Drawn(mask, refusal, self._segmenter))


def outside_lungs(heatmap: FloatArray, item: Item, drawn: Drawn) -> OutsideLungs:
    """Say how much of a final map lies outside the lungs; takes a processor for a millisecond.

    Parameters
    ----------
    heatmap
        Float32 [size, size], on a network's input grid.
    item
        Whose map it is.
    drawn
        Where the lungs are.
    """
    if drawn.mask is None:
        sentence = f"It is not known how much lies outside the lungs: {drawn.refusal}."
        return OutsideLungs(None, None, sentence, drawn.segmenter)
    found = drawn.mask.outside(heatmap)
    if found is None:
        return OutsideLungs(None, None, "The mask says nowhere on this map what is lung.", drawn.segmenter)
    against = isinstance(item.aggregation, Agreement) and item.aggregation.evidence is Evidence.AGAINST
    what = "evidence against the label" if against else "evidence"
    if found.share is None:
        sentence = f"There is no {what} where the mask says what is lung."
    else:
        sentence = (
            f"{_percent(found.share)} of the {what} lies outside the lungs; a map without preference would have "
            f"{_percent(found.area)}."
        )
    return OutsideLungs(found.share, found.area, sentence, drawn.segmenter)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
