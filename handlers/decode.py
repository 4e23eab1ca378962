"""From the bytes of a file to an X-ray. The format is found from the bytes; names play no part."""

from __future__ import annotations

from . import jpeg, png
from .errors import ImageError, ImageProblem
from .image import ImageFormat, ImageHeader, XRay
from .limits import MAX_PIXELS

__all__ = ["decode", "inspect"]


def inspect(data: bytes, *, max_pixels: int = MAX_PIXELS) -> ImageHeader:
    """Refuse, within milliseconds, whatever can be refused without decoding pixels.

    Parameters
    ----------
    data : bytes
        A PNG, JPEG or DICOM file.
    max_pixels : int
        Limit of height x width.

    Returns
    -------
    ImageHeader
        Format and size.

    Raises
    ------
    ImageError
        If the file is empty, of another format, cut off, too large, without pixels, of several frames, or holds
        NaN or infinite values. Damage inside compressed pixels is seen by :func:`decode` alone.
    """
    match _sniff(data):
        case "png":
            return png.read_png(data, max_pixels).header
        case "jpeg":
            return jpeg.read_jpeg(data, max_pixels).header
        case _:
            from .dicom import read_dicom  # here, so that who has no DICOM needs no pydicom

            return read_dicom(data, max_pixels).header


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> XRay:
    """Decode one X-ray.

    8-bit values are divided by 255 and 16-bit ones by 65535; colour becomes luminance (ITU-R BT.601); transparent
    pixels show black; a JPEG is turned as its EXIF orientation says. A DICOM goes through its modality LUT or
    rescale, its first VOI LUT or window (else the range of its values), and is inverted where it is MONOCHROME1.

    Parameters
    ----------
    data : bytes
        A PNG, JPEG or DICOM file with one frame.
    max_pixels : int
        Limit of height x width, checked before pixels are decoded.

    Returns
    -------
    XRay
        Brightness in [0, 1] on the grid of the image as displayed.

    Raises
    ------
    ImageError
        If the file cannot be used; its reason and message say why and quote nothing of it.
    """
    match _sniff(data):
        case "png":
            return XRay(png.decode_png(png.read_png(data, max_pixels)), "png")
        case "jpeg":
            return XRay(jpeg.decode_jpeg(jpeg.read_jpeg(data, max_pixels)), "jpeg")
        case _:
            from .dicom import read_dicom
            from .dicom_pixels import decode_dicom

            file = read_dicom(data, max_pixels)
            return XRay(decode_dicom(file), "dicom", file.pixel_spacing)


def _sniff(data: bytes) -> ImageFormat:
    if not data:
        raise ImageError(ImageProblem.EMPTY, "the file is empty")
    if data.startswith(png.SIGNATURE):
        return "png"
    if data.startswith(jpeg.SIGNATURE):
        return "jpeg"
    if data[128:132] == b"DICM":
        return "dicom"
    raise ImageError(ImageProblem.UNKNOWN_FORMAT, "the file is neither PNG, JPEG nor DICOM (Part 10)")
