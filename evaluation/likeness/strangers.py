"""Pictures that are no chest X-rays: those that installed packages bring, so that anybody has the same ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from ...handlers import XRay, decode

__all__ = ["OTHER_IMAGES", "PHOTOGRAPHS", "STRANGERS", "read_strangers"]

PHOTOGRAPHS = "photographs and drawings"
OTHER_IMAGES = "CT, MR, ultrasound and scintigraphy"

_PLACES: Mapping[str, tuple[str, str]] = {
    "skimage": ("skimage", "data"),
    "sklearn": ("sklearn", "datasets/images"),
    "matplotlib": ("matplotlib", "mpl-data/sample_data"),
    "pydicom": ("pydicom", "data/test_files"),
}

STRANGERS: Mapping[str, tuple[str, ...]] = {
    PHOTOGRAPHS: (
        *(
            f"skimage/{name}"
            for name in (
                *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "coins.png"),
                *("color.png", "grass.png", "gravel.png", "horse.png", "hubble_deep_field.jpg", "ihc.png", "logo.png"),
                *("microaneurysms.png", "moon.png", "motorcycle_left.png", "page.png", "phantom.png", "retina.jpg"),
                *("rocket.jpg", "text.png"),
            )
        ),
        *("sklearn/china.jpg", "sklearn/flower.jpg", "matplotlib/grace_hopper.jpg"),
    ),
    # One file of each picture: pydicom ships many in several encodings.
    OTHER_IMAGES: tuple(
        f"pydicom/{name}.dcm"
        for name in (
            *("693_J2KI", "CT_small", "J2K_pixelrep_mismatch", "MR_small", "examples_overlay", "JPEG2000"),
            *("ExplVR_BigEnd", "examples_jpeg2k", "examples_palette", "examples_rgb_color"),
        )
    ),
}
"""By kind: package and file."""


def read_strangers(kind: str) -> Iterator[tuple[str, XRay]]:
    """Read the pictures of a kind.

    Parameters
    ----------
    kind : str
        Of `STRANGERS`.

    Yields
    ------
    tuple of str and XRay
        Package and file, and the picture. What is not installed, or not shipped any more, is left out.
    """
    for name in STRANGERS[kind]:
        package, _, file = name.partition("/")
        module, folder = _PLACES[package]
        found = find_spec(module)
        for place in found.submodule_search_locations or () if found else ():
            path = Path(place) / folder / file
            if path.is_file():
                yield name, decode(path.read_bytes())
