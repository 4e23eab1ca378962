"""Metrics of one question, against scikit-learn and against what can be computed by hand."""

import numpy as np
import pytest
from radiolucent.evaluation.statistics.binary import auprc, auroc, brier, counts
from radiolucent.evaluation.statistics.reliability import bins_of, calibration_error, curve
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

ONE = np.ones((1, 4))


def test_auroc_by_hand() -> None:
    truth = np.array([False, False, True, True])
    assert auroc(ONE, truth, np.array([0.1, 0.4, 0.35, 0.8]))[0] == 0.75
    assert auroc(ONE, truth, np.array([0.5, 0.5, 0.5, 0.5]))[0] == 0.5, "ties count half"


def test_average_precision_by_hand() -> None:
    truth = np.array([True, False, True, False])
    # Recall 1/2 at precision 1, then recall 1 at precision 2/3.
    assert auprc(ONE, truth, np.array([0.9, 0.8, 0.7, 0.1]))[0] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


@pytest.mark.parametrize("ties", [False, True])
def test_weighted_metrics_are_scikit_learns(ties: bool) -> None:
    random = np.random.default_rng(3)
    truth = random.random(80) < 0.3
    scores = random.random(80) * 0.7 + truth * 0.2
    scores = np.round(scores, 1) if ties else scores
    weights = random.integers(0, 4, size=(25, 80)).astype(float)
    expected = [
        (
            roc_auc_score(truth, scores, sample_weight=w),
            average_precision_score(truth, scores, sample_weight=w),
            brier_score_loss(truth, scores, sample_weight=w),
        )
        for w in weights
    ]
    found = np.stack([auroc(weights, truth, scores), auprc(weights, truth, scores), brier(weights, truth, scores)])
    np.testing.assert_allclose(found.T, expected, atol=1e-12)


def test_a_weight_of_two_is_the_film_twice() -> None:
    truth, called = np.array([True, True, False]), np.array([True, False, True])
    cells = counts(np.array([[2.0, 1.0, 3.0]]), truth, called)
    assert {name: value[0] for name, value in cells.items()} == {"tp": 2, "fp": 3, "fn": 1, "tn": 0}


def test_a_resample_without_a_class_has_no_ranking() -> None:
    truth, scores = np.array([True, False]), np.array([0.9, 0.1])
    weights = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    for metric in (auroc, auprc):
        values = metric(weights, truth, scores)
        assert np.isnan(values[:2]).all()
        assert values[2] == 1


def test_calibration_error_by_hand() -> None:
    truth = np.array([False, True, True, True])
    probabilities = np.array([0.1, 0.2, 0.7, 0.8])
    # Two bins of two films: |1/2 - 0.15| and |1 - 0.75|.
    assert calibration_error(ONE, truth, probabilities, bins=2)[0] == pytest.approx((0.35 + 0.25) / 2)
    assert curve(truth, probabilities, bins=2) == [(pytest.approx(0.15), 0.5, 2), (0.75, 1.0, 2)]


def test_bins_hold_equally_many_films_and_never_part_equal_probabilities() -> None:
    sizes = bins_of(np.random.default_rng(0).random(219)).sum(axis=0)
    assert len(sizes) == 10
    assert sizes.max() - sizes.min() <= 1
    assert bins_of(np.array([0.5] * 30 + [0.9] * 2)).sum(axis=0).tolist() == [30, 2]
