"""Phantoms are the same every time, and their masks are true; that no thumbnail gives them away is in test_learning."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from radiolucent.training.examples import PhantomExamples
from radiolucent.training.phantoms import PHANTOM_LABELS, Finding, Phantom, draw_phantom, write_phantoms
from radiolucent.training.phantoms.lesions import draw_lesion


@pytest.fixture(scope="module")
def drawn() -> list[Phantom]:
    return [draw_phantom(0, index) for index in range(60)]


def test_the_same_seed_and_index_draw_the_same_film() -> None:
    first, again = draw_phantom(3, 7), draw_phantom(3, 7)
    np.testing.assert_array_equal(first.pixels, again.pixels)
    np.testing.assert_array_equal(first.lesions, again.lesions)
    assert first.labels == again.labels
    assert not np.array_equal(draw_phantom(4, 7).lungs[:200, :200], first.lungs[:200, :200])


def test_a_mask_holds_exactly_the_findings_of_the_labels(drawn: list[Phantom]) -> None:
    for phantom in drawn:
        seen = {finding for finding in Finding if (phantom.lesions == finding.mask_value).any()}
        expected = {label for finding in seen for label in finding.labels} or {"No Finding"}
        assert set(phantom.labels) == expected
        assert set(np.unique(phantom.lesions)) <= {0, *(finding.mask_value for finding in Finding)}
        assert phantom.lesions.shape == phantom.lungs.shape == phantom.pixels.shape


def test_every_label_brings_what_it_implies(drawn: list[Phantom]) -> None:
    for phantom in drawn:
        assert all(PHANTOM_LABELS[label] in (None, *phantom.labels) for label in phantom.labels)


@pytest.mark.parametrize("finding", list(Finding))
def test_a_lesion_is_as_bright_as_the_lung_around_it_and_stays_in_its_mask(finding: Finding) -> None:
    lesion = draw_lesion(np.random.default_rng(0), finding, (10.0, -40.0), (256, 256))
    assert abs(lesion.change[lesion.mask].mean()) < 0.01
    assert lesion.change[lesion.mask].std() > 0.08
    assert not lesion.change[~lesion.mask].any()


def test_a_lesion_measures_at_least_six_pixels_at_the_smallest_input(drawn: list[Phantom]) -> None:
    for phantom in drawn:
        for finding in Finding:
            rows, columns = np.nonzero(phantom.lesions == finding.mask_value)
            if rows.size:
                assert max(np.ptp(rows), np.ptp(columns)) + 1 >= 6 * 256 / 96


def test_written_phantoms_have_a_manifest_that_names_images_and_masks(tmp_path: Path) -> None:
    assert len(list(write_phantoms(tmp_path, 10, seed=5))) == 10
    with (tmp_path / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["split"] for row in rows] == ["train"] * 7 + ["val"] + ["test"] * 2
    for index, row in enumerate(rows):
        phantom = draw_phantom(5, index)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / row["file"])), phantom.pixels)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / row["mask_lesion"])), phantom.lesions)
        assert row["labels"] == ";".join(phantom.labels)
        assert (int(row["width"]), int(row["height"])) == phantom.pixels.shape[::-1]
    assert len({(row["width"], row["height"]) for row in rows}) > 1


def test_training_films_are_none_of_those_that_the_command_draws() -> None:
    trained, _ = PhantomExamples(0).load("train", 0)
    assert not np.array_equal(np.round(trained.pixels * 255), draw_phantom(0, 0).pixels)
