"""Segmenters of the lungs come like methods: one by one, and a broken one harms no other."""

from __future__ import annotations

from importlib import metadata
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from radiolucent.handlers import XRay
from radiolucent.plugins import InvalidResult, Segmenter, checked_mask, hookimpl, load_registry


class Halves(Segmenter):
    name = "halves"
    title = "Two halves"
    description = "The left half."
    reference = "None"

    def segment(self, image: XRay) -> Any:  # noqa: ANN401
        mask = np.zeros(image.pixels.shape, np.uint8)
        mask[:, : image.width // 2] = 255
        return mask


class Nameless(Halves):
    title = ""


def brought(*segmenters: object) -> metadata.EntryPoint:
    """An entry point whose plugin brings these."""

    @hookimpl
    def radiolucent_register_segmenters(register: Any) -> None:  # noqa: ANN401
        for one in segmenters:
            register(one)

    plugin = ModuleType("plugin")
    plugin.RADIOLUCENT_API_VERSION = 1  # type: ignore[attr-defined]
    plugin.radiolucent_register_segmenters = radiolucent_register_segmenters  # type: ignore[attr-defined]

    class Point(metadata.EntryPoint):
        def load(self) -> ModuleType:
            return plugin

    return Point("segmenters", "plugin", "radiolucent.plugins")


def test_a_package_may_bring_segmenters_alone() -> None:
    registry = load_registry([brought(Halves())])
    assert list(registry.segmenters) == ["halves"]
    assert registry.segmenter_origins["halves"].distribution == "unknown"
    assert registry.broken == ()
    assert "saliency" in registry.methods


def test_what_cannot_be_registered_is_reported_and_the_rest_is_there() -> None:
    registry = load_registry([brought(Halves, "a text", Nameless(), Halves(), Halves())])
    assert list(registry.segmenters) == ["halves"]
    said = [one.reason for one in registry.broken]
    for reason, words in zip(
        said,
        ("an instance, not the class", "not a subclass", "Nameless.title must not be empty", "is taken by the package"),
        strict=True,
    ):
        assert words in reason


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (None, "not NoneType"),
        (np.full((4, 6), 255.0), "not of float64"),
        (np.full((6, 4), 255, np.uint8), "the X-ray's shape [4, 6], not [6, 4]"),
        (np.full((4, 6), 3, np.uint8), "other than 255 (lung)"),
        (np.zeros((4, 6), np.uint8), "no lung in it"),
    ],
)
def test_a_mask_is_checked(mask: object, words: str) -> None:
    segmenter = Halves()
    segmenter.segment = lambda image: mask  # type: ignore[method-assign]
    with pytest.raises(InvalidResult) as caught:
        checked_mask(segmenter, XRay(np.zeros((4, 6), np.float32), "png"))
    assert words in str(caught.value)
