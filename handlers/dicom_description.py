"""DICOM: whether the elements that describe pixels (PS3.3 C.7.6.3) can be used, said of the one that cannot."""

from __future__ import annotations

from pydicom.dataset import Dataset

from .errors import ImageError, ImageProblem

__all__ = ["check_description"]

_ONE_SAMPLE = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
_THREE_SAMPLES = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_COLOURS = ("Red", "Green", "Blue")


def check_description(dataset: Dataset, *, integers: bool) -> None:
    """Refuse a description without which, or with which, no pixels can be decoded here.

    Parameters
    ----------
    dataset : Dataset
        An image's elements; those of its size and Bits Allocated have been checked.
    integers : bool
        Whether the pixels are integers; floats have no bits stored.

    Raises
    ------
    ImageError
        Names the attribute; as ever, not its value.
    """
    interpretation = str(dataset.get("PhotometricInterpretation") or "").strip()
    if not interpretation:
        raise _missing("Photometric Interpretation (0028,0004)")
    if interpretation not in (*_ONE_SAMPLE, *_THREE_SAMPLES):
        raise ImageError(
            ImageProblem.UNSUPPORTED,
            "the DICOM object's Photometric Interpretation (0028,0004) is unknown or not supported",
        )
    samples = 1 if interpretation in _ONE_SAMPLE else 3
    if int(dataset.SamplesPerPixel) != samples:
        raise _contradiction("Samples per Pixel (0028,0002)", f"must be {samples} for its Photometric Interpretation")
    if samples == 3 and dataset.get("PlanarConfiguration") not in (0, 1):
        raise _missing_or_wrong(dataset, "PlanarConfiguration", "Planar Configuration (0028,0006)", "0 or 1")
    if interpretation == "PALETTE COLOR":
        _check_palette(dataset)
    if integers:
        stored = dataset.get("BitsStored")
        if not isinstance(stored, int) or not 1 <= stored <= int(dataset.BitsAllocated):
            raise _missing_or_wrong(dataset, "BitsStored", "Bits Stored (0028,0101)", "1 to Bits Allocated (0028,0100)")
        if dataset.get("PixelRepresentation") not in (0, 1):
            raise _missing_or_wrong(dataset, "PixelRepresentation", "Pixel Representation (0028,0103)", "0 or 1")


def _check_palette(dataset: Dataset) -> None:
    for colour in _COLOURS:
        stem = f"{colour}PaletteColorLookupTable"
        if dataset.get(f"{stem}Descriptor") is None:
            raise _missing(f"{colour} Palette Color Lookup Table Descriptor")
        if not dataset.get(f"{stem}Data") and not dataset.get(f"Segmented{stem}Data"):
            raise _missing(f"{colour} Palette Color Lookup Table Data")


def _missing_or_wrong(dataset: Dataset, keyword: str, name: str, right: str) -> ImageError:
    return _missing(name) if dataset.get(keyword) is None else _contradiction(name, f"must be {right}")


def _missing(name: str) -> ImageError:
    return ImageError(ImageProblem.CORRUPT, f"the DICOM object lacks {name}")


def _contradiction(name: str, right: str) -> ImageError:
    return ImageError(ImageProblem.CORRUPT, f"the DICOM object's {name} {right}")
