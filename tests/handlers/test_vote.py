from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from radiolucent.handlers import Calibration, Label, probabilities, served_probabilities, vote

LABELS = (
    Label(name="Pneumonia"),
    Label(name="Viral Pneumonia", implies="Pneumonia"),
    Label(name="COVID-19", implies="Viral Pneumonia"),
    Label(name="No Finding"),
)


def test_the_sigmoid_neither_overflows_nor_vanishes() -> None:
    result = probabilities([-1e30, -80.0, 0.0, 80.0, 1e30])
    assert result.dtype == np.float32
    assert result[0] == 0
    assert result[1] == pytest.approx(np.exp(-80), rel=1e-5)
    assert list(result[2:]) == [0.5, 1, 1]


@given(arrays(np.float32, (5, 4), elements=st.floats(0, 1, width=32)))
def test_more_than_half_of_the_networks_decide(scores: np.ndarray) -> None:
    result = vote(scores, np.full((5, 4), 0.5))
    assert np.array_equal(result.votes, (scores >= 0.5).sum(0))
    assert np.array_equal(result.majority, (scores >= 0.5).sum(0) >= 3)
    np.testing.assert_allclose(result.mean, scores.mean(0), atol=1e-6)


def test_half_of_the_networks_is_no_majority() -> None:
    result = vote([[0.9], [0.1]], [[0.5], [0.5]])
    assert result.votes[0] == 1
    assert not result.majority[0]


def test_every_network_has_thresholds_of_its_own() -> None:
    assert vote([[0.3], [0.6], [0.6]], [[0.2], [0.7], [0.6]]).votes[0] == 2


def test_what_a_majority_label_implies_is_in_the_majority_too() -> None:
    scores = np.tile(np.array([0.1, 0.2, 0.9, 0.3]), (3, 1))
    result = vote(scores, np.full((3, 4), 0.5), LABELS)
    assert result.majority.tolist() == [True, True, True, False]
    assert result.votes.tolist() == [0, 0, 3, 0]


def test_mean_and_majority_may_differ() -> None:
    result = vote([[0.51], [0.51], [0.0]], [[0.5]] * 3)
    assert result.majority[0]
    assert result.mean[0] < 0.5


@pytest.mark.parametrize("scores", [[0.5, 0.5], np.zeros((0, 2)), np.zeros((2, 3))])
def test_shapes_that_do_not_fit_are_refused(scores: object) -> None:
    with pytest.raises(ValueError, match="networks"):
        vote(scores, np.full((2, 2), 0.5))  # type: ignore[arg-type]


def test_served_probabilities_are_calibrated_where_there_is_a_calibration() -> None:
    logits = np.array([[-1.0, 2.0], [0.5, 0.0]], np.float32)
    calibration = Calibration(method="platt", scale=(0.5, 2.0), offset=(1.0, -1.0))
    expected = 1 / (1 + np.exp(-(logits * [0.5, 2.0] + [1.0, -1.0])))
    np.testing.assert_allclose(served_probabilities(logits, calibration), expected, rtol=1e-6)
    np.testing.assert_array_equal(served_probabilities(logits, None), probabilities(logits))
