from __future__ import annotations

import numpy as np
import pytest
from radiolucent.evaluation.explanations.evidence import Evidence
from radiolucent.evaluation.explanations.grid import FilmGrid
from radiolucent.evaluation.explanations.lung_masks import Lungs
from radiolucent.evaluation.explanations.lungs import LUNG_QUANTITIES, measure_lungs, outside_share
from radiolucent.evaluation.explanations.truths import Truths

INSIDE, VALID = np.zeros((20, 30), bool), np.ones((20, 30), bool)
INSIDE[5:15, 5:25] = True
VALID[:, :2] = False
LUNGS = Lungs("with heart area", INSIDE, VALID)


def test_evidence_spread_evenly_has_the_area_outside() -> None:
    share, area = outside_share(np.full(INSIDE.shape, 0.2, np.float32), LUNGS)
    assert share == pytest.approx(area) == pytest.approx(1 - 200 / (28 * 20))


def test_evidence_in_the_lungs_alone_has_nothing_outside_and_what_is_not_known_does_not_count() -> None:
    values = INSIDE.astype(np.float32)
    values[~VALID] = 100
    assert outside_share(values, LUNGS)[0] == 0
    values[0, 10] = 200
    assert outside_share(values, LUNGS)[0] == 0.5


def test_a_map_with_evidence_only_where_nothing_is_known_is_a_row_that_says_so() -> None:
    truths = Truths({"a": FilmGrid(20, 30)}, {}, {"a": (LUNGS, Lungs("boxes", INSIDE, np.ones_like(VALID)))})
    evidence = [Evidence("net", "saliency", "COVID-19", (~VALID).astype(np.float32))]
    measured, failed = measure_lungs("a", evidence, truths)
    assert {row.quantity: row.value for row in measured} == {
        "lungs.outside_boxes": 1,
        "lungs.outside_boxes_area": pytest.approx(2 / 3),
    }
    assert [row.reason for row in failed] == ["no evidence lies where the lungs are known"]
    whole = [Evidence("net", "saliency", "COVID-19", np.ones(INSIDE.shape, np.float32))]
    names = {row.quantity for row in measure_lungs("a", whole, truths)[0]}
    assert names == {quantity.name for quantity in LUNG_QUANTITIES}
