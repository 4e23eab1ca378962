"""What a segmenter of the lungs gave in a worker."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Segmented"]


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
