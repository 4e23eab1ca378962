"""DICOM grey values to brightness: modality LUT or rescale, then VOI LUT or window (PS3.3 C.11.1 and C.11.2).

pydicom has functions for these; they return values on scales of their own (of the LUT, of the bits stored, inverted
for a negative slope) and clip through narrow integers, so that brightness could not be told from what they return.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydicom.dataset import Dataset

__all__ = ["Lut", "Rescale", "Tone", "Window", "brightness", "read_tone"]


@dataclass(frozen=True, eq=False)
class Lut:
    """A lookup table.

    Parameters
    ----------
    first : int
        The input value of the first entry; smaller ones map to it too, those beyond the last entry to the last.
    entries : ndarray of float64
        Output values.
    white : float
        The largest output that the table's bits can hold.
    """

    first: int
    entries: NDArray[np.float64]
    white: float

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Look values up."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.int64)
        return self.entries[index]


@dataclass(frozen=True)
class Rescale:
    """A linear modality transformation: ``slope * value + intercept``."""

    slope: float
    intercept: float

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rescale values."""
        return values * self.slope + self.intercept


@dataclass(frozen=True)
class Window:
    """A VOI window and its function."""

    centre: float
    width: float
    function: Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map values to brightness, 0 to 1."""
        if self.function == "SIGMOID":
            # Beyond 80 the exponential is 0 or 1 for all that float32 can tell, and does not overflow.
            sigmoid: NDArray[np.float64] = 1 / (1 + np.exp(np.clip(-4 * (values - self.centre) / self.width, -80, 80)))
            return sigmoid
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.centre) / self.width + 0.5, 0, 1)
        if self.width == 1:  # a step: the standard's formula has no slope here
            return (values > self.centre - 0.5).astype(np.float64)
        return np.clip((values - (self.centre - 0.5)) / (self.width - 1) + 0.5, 0, 1)


@dataclass(frozen=True)
class Tone:
    """What a DICOM says about the display of its grey values.

    Parameters
    ----------
    modality : Lut or Rescale, optional
        First step.
    voi : Lut or Window, optional
        Second step; without one, the range of the image's values is shown.
    bits : int
        Bits stored.
    """

    modality: Lut | Rescale | None
    voi: Lut | Window | None
    bits: int


def brightness(values: ArrayLike, tone: Tone, low: float, high: float) -> NDArray[np.float32]:
    """Turn stored values into brightness, before any inversion.

    Where the file has neither VOI LUT nor window: values of up to 8 bits are shown as they are (an 8-bit DICOM
    looks like the PNG of its pixels), others are spread from the smallest to the largest of the image. A uniform
    image is black then.

    Parameters
    ----------
    values : array-like
        Stored values.
    tone : Tone
        What the file says.
    low, high : float
        Smallest and largest stored value of the image.

    Returns
    -------
    ndarray of float32
        Brightness, 0 to 1, of the shape of the values.
    """
    output = np.asarray(values, dtype=np.float64)
    ends = np.array([low, high], dtype=np.float64)
    if tone.modality is not None:
        output = tone.modality(output)
    if isinstance(tone.voi, Lut):
        output = tone.voi(output) / tone.voi.white
    elif tone.voi is not None:
        output = tone.voi(output)
    elif tone.modality is None and tone.bits <= 8 and low >= 0:
        output = output / (2**tone.bits - 1)
    else:
        # A LUT need not be monotonic, so its range is that of all its results.
        ends = output if isinstance(tone.modality, Lut) else tone.modality(ends) if tone.modality else ends
        darkest, brightest = float(ends.min()), float(ends.max())
        output = (output - darkest) / ((brightest - darkest) or 1.0)
    return np.clip(output, 0, 1).astype(np.float32)


def read_tone(dataset: Dataset) -> Tone:
    """Read the modality and VOI LUT modules.

    Parameters
    ----------
    dataset : Dataset
        An image's elements.

    Returns
    -------
    Tone
        With the first of several VOI LUTs or windows. A window that cannot be used, such as one without a
        width, is taken for none.
    """
    return Tone(_modality(dataset), _voi(dataset), int(dataset.get("BitsStored") or dataset.BitsAllocated))


def _modality(dataset: Dataset) -> Lut | Rescale | None:
    if sequence := dataset.get("ModalityLUTSequence"):
        return _lut(sequence[0], dataset)
    slope, intercept = _first(dataset.get("RescaleSlope")), _first(dataset.get("RescaleIntercept"))
    if slope is None or intercept is None or (slope, intercept) == (1.0, 0.0):
        return None
    return Rescale(slope, intercept)


def _voi(dataset: Dataset) -> Lut | Window | None:
    if sequence := dataset.get("VOILUTSequence"):
        return _lut(sequence[0], dataset)
    centre, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if centre is None or width is None or not (math.isfinite(centre) and math.isfinite(width)):
        return None
    if function == "LINEAR" and width >= 1:
        return Window(centre, width, "LINEAR")
    if function == "LINEAR_EXACT" and width > 0:
        return Window(centre, width, "LINEAR_EXACT")
    if function == "SIGMOID" and width > 0:
        return Window(centre, width, "SIGMOID")
    return None


def _first(value: Any) -> float | None:  # noqa: ANN401 - pydicom's values are whatever the file holds
    if isinstance(value, (str, int, float)) or value is None:
        return None if value in (None, "") else float(value)
    return float(value[0]) if len(value) else None


def _lut(item: Dataset, dataset: Dataset) -> Lut:
    count, first, bits = (int(part) for part in item.LUTDescriptor)
    count = count or 2**16
    if dataset.get("PixelRepresentation") == 1 and first > 32767:
        first -= 65536  # written as unsigned, meant as signed
    data = item.LUTData
    if isinstance(data, bytes):
        order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
        # Tables of 8 bits may be packed two to a word.
        packed = bits <= 8 and len(data) < 2 * count
        entries = np.frombuffer(data, np.uint8 if packed else f"{order}u2")
    else:
        entries = np.atleast_1d(np.asarray(data))
    entries = entries[:count].astype(np.float64)
    if not len(entries) or not 1 <= bits <= 16:
        raise ValueError("empty or impossible table")
    return Lut(first, entries, max(2.0**bits - 1, float(entries.max())))
