from __future__ import annotations

import numpy as np
import pytest
from radiolucent.evaluation.explanations.average_mask import average_evidence, average_mask
from radiolucent.evaluation.explanations.evidence import Evidence
from radiolucent.evaluation.explanations.grid import FilmGrid
from radiolucent.evaluation.explanations.localising import (
    LOCALISATION_QUANTITIES,
    expected_iou,
    localise,
    measure_localisation,
)
from radiolucent.evaluation.explanations.truths import Truths

MASK = np.zeros((40, 50), bool)
MASK[5:15, 10:30] = True
AREA = MASK.mean()


def test_the_mask_itself_as_a_map_scores_one() -> None:
    found = localise(MASK.astype(np.float32), MASK)
    assert (found.pointing, found.mass_inside, found.auprc, found.iou) == pytest.approx((1, 1, 1, 1))


def test_so_does_it_when_its_values_are_as_small_as_a_gradient_may_be() -> None:
    assert localise(MASK.astype(np.float32) * np.float32(1e-38), MASK).iou == 1


def test_a_map_that_is_the_same_everywhere_scores_the_area() -> None:
    found = localise(np.full(MASK.shape, 0.7, np.float32), MASK)
    assert (found.pointing, found.mass_inside, found.auprc, found.iou) == pytest.approx((AREA,) * 4)
    assert found.iou_expected == pytest.approx(AREA)


def test_a_map_of_everything_but_the_mask_scores_nothing() -> None:
    found = localise((~MASK).astype(np.float32), MASK)
    assert (found.pointing, found.mass_inside, found.iou) == (0, 0, 0)
    assert found.auprc == pytest.approx(AREA)


def test_of_a_mirrored_map_only_what_overlaps_counts() -> None:
    found = localise(MASK[:, ::-1].astype(np.float32), MASK)
    # Half of the mask is left where the mirrored one lies.
    assert (found.mass_inside, found.pointing, found.iou) == pytest.approx((0.5, 0.5, 1 / 3))


def test_of_strongest_points_that_tie_the_share_inside_counts() -> None:
    values = np.ones(MASK.shape, np.float32)
    values[5, 10] = values[0, 0] = values[39, 49] = values[0, 49] = 2
    assert localise(values, MASK).pointing == 0.25


def test_random_maps_score_what_is_said_to_be_their_expectation() -> None:
    random = np.random.default_rng(0)
    found = [localise(random.random(MASK.shape, np.float32) ** 3, MASK) for _ in range(300)]
    assert np.mean([f.mass_inside for f in found]) == pytest.approx(AREA, abs=0.002)
    assert np.mean([f.auprc for f in found]) == pytest.approx(AREA, abs=0.005)
    assert np.mean([f.pointing for f in found]) == pytest.approx(AREA, abs=0.06)
    assert np.mean([f.iou for f in found]) == pytest.approx(np.mean([f.iou_expected for f in found]), abs=0.002)


@pytest.mark.parametrize(("cells", "marked", "drawn"), [(30, 3, 5), (30, 20, 25), (10, 1, 1), (10, 10, 4), (12, 6, 12)])
def test_the_overlap_by_chance_is_that_of_cells_drawn_at_random(cells: int, marked: int, drawn: int) -> None:
    random = np.random.default_rng(1)
    both = np.asarray([(random.permutation(cells)[:drawn] < marked).sum() for _ in range(20_000)])
    assert expected_iou(cells, marked, drawn) == pytest.approx((both / (marked + drawn - both)).mean(), abs=0.005)


def test_the_average_mask_is_the_share_of_films_with_disease_there_and_a_map_like_any_other() -> None:
    wide, tall = FilmGrid(100, 200), FilmGrid(200, 100)
    everywhere = [(grid, np.ones(grid.shape, bool)) for grid in (wide, tall)]
    average = average_mask(everywhere)
    assert set(np.unique(average)) == {0, 0.5, 1}
    assert average[0, 0] == 0  # padding of both
    assert average_evidence(average, wide, "Pneumonia").values.shape == wide.shape
    assert average_evidence(average, wide, "Pneumonia").values.min() == 0.5


def test_maps_of_other_labels_are_passed_over_and_those_without_evidence_are_rows_that_say_so() -> None:
    grid = FilmGrid(*MASK.shape)
    truths = Truths({"a.png": grid}, {"a.png": {"Pneumonia": MASK}}, {})
    good = Evidence("net", "saliency", "Pneumonia", MASK.astype(np.float32))
    other = Evidence("net", "saliency", "COVID-19", MASK.astype(np.float32))
    empty = Evidence("net", "occlusion", "Pneumonia", np.zeros(MASK.shape, np.float32))
    measured, failed = measure_localisation("a.png", [good, other, empty], truths)
    assert {row.quantity for row in measured} == {quantity.name for quantity in LOCALISATION_QUANTITIES}
    assert {(row.method, row.label) for row in measured} == {("saliency", "Pneumonia")}
    assert [(row.method, row.what) for row in failed] == [("occlusion", "localisation")]
    assert "nothing on the film is positive" in failed[0].reason
    assert measure_localisation("b.png", [good], truths) == ([], [])
