from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from radiolucent.handlers.lungs import LungMask, MaskProblem, read_mask


def png(values: NDArray[np.uint8], mode: str | None = None) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(file, "PNG")
    return file.getvalue()


def lungs(height: int = 40, width: int = 20) -> NDArray[np.uint8]:
    """A film whose left half is lung."""
    values = np.zeros((height, width), np.uint8)
    values[:, : width // 2] = 255
    return values


def test_a_mask_is_read_as_it_was_written() -> None:
    values = lungs()
    values[:3] = 127
    np.testing.assert_array_equal(read_mask(png(values), 40, 20), values)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no PNG"),
        (b"a letter", "is no PNG"),
        (png(lungs())[:60], "cannot be read"),
        (png(lungs(), "RGB"), "8-bit grey"),
        (png(lungs(), "1"), "8-bit grey"),
        (png(lungs(), "LA"), "8-bit grey"),
        (png(lungs(20, 40)), "has 40 x 20 pixels and the X-ray 20 x 40"),
        (png(np.zeros((40, 20), np.uint8)), "no lung in it"),
        (png(np.full((40, 20), 127, np.uint8)), "no lung in it"),
        (png(lungs() // 255), "has values (1) other than 255"),
        (b"x" * (4 * 2**20 + 1), "the limit is 4194304"),
    ],
)
def test_a_mask_that_cannot_be_used_says_why(data: bytes, words: str) -> None:
    with pytest.raises(MaskProblem) as caught:
        read_mask(data, 40, 20)
    assert words in str(caught.value)


def test_the_share_outside_is_of_positive_evidence_where_the_film_is_and_the_mask_knows() -> None:
    mask = LungMask(lungs(40, 40))
    heatmap = np.zeros((8, 8), np.float32)
    heatmap[0, 0], heatmap[0, 7], heatmap[4, 7] = 3.0, 1.0, -9.0
    found = mask.outside(heatmap)
    assert found is not None
    assert (found.share, found.area) == (0.25, 0.5)
    unknown = lungs(40, 40)
    unknown[:, 20:] = np.where(np.arange(40) < 20, 127, 0)[:, None]
    partly = LungMask(unknown).outside(heatmap)
    assert partly is not None
    assert partly.share == 0.0
    assert partly.area == pytest.approx(1 / 3)


def test_padding_counts_neither_as_lung_nor_as_outside() -> None:
    heatmap = np.ones((8, 8), np.float32)
    found = LungMask(lungs(40, 20)).outside(heatmap)
    assert found is not None
    assert (found.share, found.area) == (0.5, 0.5)


def test_a_map_without_preference_has_the_share_of_the_area() -> None:
    values = np.zeros((64, 48), np.uint8)
    values[10:30, 5:40] = 255
    found = LungMask(values).outside(np.full((32, 32), 0.1, np.float32))
    assert found is not None
    assert found.share == pytest.approx(found.area)
    assert found.area == pytest.approx(1 - 20 * 35 / (64 * 48), abs=0.03)


def test_without_positive_evidence_there_is_no_share() -> None:
    found = LungMask(lungs()).outside(np.full((8, 8), -1.0, np.float32))
    assert found is not None
    assert (found.share, found.area) == (None, 0.5)


def test_a_mask_that_knows_only_what_the_network_does_not_see_says_nothing() -> None:
    values = np.full((400, 400), 127, np.uint8)
    values[0, 0] = 255
    assert LungMask(values).outside(np.ones((4, 4), np.float32)) is None
