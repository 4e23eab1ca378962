"""The contract of what can tell where the lungs are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..handlers.lungs import MaskProblem, check_values
from .errors import InvalidResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..handlers.image import XRay

__all__ = ["Segmenter", "checked_mask"]


class Segmenter(ABC):
    """Tells where the lungs are on an X-ray. One instance serves many jobs, one at a time, in a worker's process."""

    name: ClassVar[str]
    """Identifier in snake case."""
    title: ClassVar[str]
    """Name for people."""
    description: ClassVar[str]
    """What it is and what its masks include (the heart's shadow? behind the diaphragm?), in a sentence or two."""
    reference: ClassVar[str]
    """The paper behind it."""

    @abstractmethod
    def segment(self, image: XRay) -> NDArray[np.uint8]:
        """Find the lungs.

        Parameters
        ----------
        image : XRay
            The X-ray as displayed, brightness in [0, 1].

        Returns
        -------
        ndarray of uint8, shape [height, width]
            On the X-ray's own grid: 255 lung, 127 not known, 0 not lung.
        """


def checked_mask(segmenter: Segmenter, image: XRay) -> NDArray[np.uint8]:
    """Return where a segmenter sees the lungs, if it is what the contract says.

    Raises
    ------
    InvalidResult
        If it is not, or there is no lung in it; the text names what to mend.
    """
    mask = segmenter.segment(image)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8:
        what = f"of {mask.dtype}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise InvalidResult(f"segment must return an array of uint8, not {what}")
    if mask.shape != (image.height, image.width):
        raise InvalidResult(
            f"the mask must have the X-ray's shape {[image.height, image.width]}, not {list(mask.shape)}"
        )
    try:
        check_values(mask)
    except MaskProblem as problem:
        raise InvalidResult(f"the mask {problem}") from None
    return mask
