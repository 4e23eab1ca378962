"""What the validation split decides: calibration and thresholds, with unknown labels left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from radiolucent.handlers.vote import probabilities
from radiolucent.training.calibrate import fit_calibration
from radiolucent.training.module import masked_loss, positive_weights
from radiolucent.training.scores import score
from radiolucent.training.thresholds import choose_thresholds, fixed_thresholds

Floats = NDArray[np.float32]
NAMES = ["A", "B"]


@pytest.fixture
def over_confident() -> tuple[Floats, Floats]:
    """Return logits that are four times too large and one too high, and what is true; a tenth is unknown."""
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(400, 2)).astype(np.float32)
    truth = (rng.random(honest.shape) < probabilities(honest)).astype(np.float32)
    truth[rng.random(truth.shape) < 0.1] = np.nan
    return 4 * honest + 1, truth


def negative_log_likelihood(logits: Floats, truth: Floats) -> float:
    return float(masked_loss(torch.from_numpy(logits), torch.from_numpy(truth)))


def test_an_unknown_label_teaches_nothing() -> None:
    logits = torch.tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True)
    targets = torch.tensor([[1.0, float("nan")], [0.0, 1.0]])
    loss = masked_loss(logits, targets)
    loss.backward()
    known = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor([1.0, 0.5, 3.0]), torch.tensor([1.0, 0.0, 1.0])
    )
    torch.testing.assert_close(loss, known)
    assert logits.grad is not None
    assert logits.grad[0, 1] == 0
    assert (logits.grad[targets.isfinite()] != 0).all()


def test_films_of_which_nothing_is_known_cost_nothing() -> None:
    assert masked_loss(torch.ones(3, 2), torch.full((3, 2), torch.nan)) == 0


def test_rare_labels_weigh_more_within_bounds_and_unknown_ones_do_not_count() -> None:
    targets = np.zeros((100, 3), dtype=np.float32)
    targets[:25, 0] = 1  # 75 / 25
    targets[:1, 1] = 1  # 99, bounded
    targets[50:, 2] = np.nan
    targets[:25, 2] = 1  # 25 / 25
    weights = positive_weights(targets, 4)
    assert weights is not None
    assert weights.tolist() == [3, 4, 1]
    assert positive_weights(targets, None) is None


@pytest.mark.parametrize("method", ["platt", "temperature"])
def test_calibration_mends_over_confident_logits(method: str, over_confident: tuple[Floats, Floats]) -> None:
    logits, truth = over_confident
    found = fit_calibration(method, logits, truth, NAMES)  # type: ignore[arg-type]
    assert found.calibration is not None
    mended = found.calibration.apply(logits)
    assert negative_log_likelihood(mended, truth) < 0.7 * negative_log_likelihood(logits, truth)
    if method == "platt":
        assert found.calibration.scale == pytest.approx((0.25, 0.25), abs=0.06)
        assert negative_log_likelihood(mended, truth) < 0.65


def test_calibration_by_hand_agrees_with_logistic_regression_on_platts_targets(
    over_confident: tuple[Floats, Floats],
) -> None:
    from sklearn.linear_model import LogisticRegression

    logits, truth = over_confident
    found = fit_calibration("platt", logits, truth, NAMES).calibration
    assert found is not None
    known = ~np.isnan(truth[:, 0])
    z, t = logits[known, :1], truth[known, 0] == 1
    high, low = (t.sum() + 1) / (t.sum() + 2), 1 / ((~t).sum() + 2)
    soft = np.where(t, high, low)
    twice = np.r_[z, z], np.r_[np.ones(len(z)), np.zeros(len(z))]
    reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(*twice, sample_weight=np.r_[soft, 1 - soft])
    assert found.scale[0] == pytest.approx(reference.coef_[0, 0], rel=1e-3)
    assert found.offset[0] == pytest.approx(reference.intercept_[0], abs=1e-3)


def test_a_label_with_few_films_keeps_the_plain_sigmoid_and_says_so(over_confident: tuple[Floats, Floats]) -> None:
    logits, truth = over_confident
    truth[:, 1] = 0
    truth[:3, 1] = 1
    found = fit_calibration("platt", logits, truth, NAMES)
    assert found.calibration is not None
    assert (found.calibration.scale[1], found.calibration.offset[1]) == (1, 0)
    assert found.notes == ("B: not calibrated, the validation split has 3 films with it and 397 without it",)
    nothing = fit_calibration("platt", logits[:5], truth[:5], NAMES)
    assert (nothing.calibration, len(nothing.notes)) == (None, 2)
    assert fit_calibration("temperature", logits[:5], truth[:5], NAMES).calibration is None
    assert fit_calibration("none", logits, truth, NAMES).notes == ()


def test_logits_that_rank_backwards_keep_a_scale_above_zero(over_confident: tuple[Floats, Floats]) -> None:
    logits, truth = over_confident
    found = fit_calibration("platt", -logits, truth, NAMES)
    assert found.calibration is not None
    assert min(found.calibration.scale) > 0
    assert "do not rank" in found.notes[0]


def test_a_threshold_is_the_best_for_f1_and_its_interval_holds_it() -> None:
    rng = np.random.default_rng(1)
    truth = (rng.random((300, 1)) < 0.3).astype(np.float32)
    scores = np.clip(0.3 * truth + rng.uniform(0, 0.6, truth.shape), 0, 1).astype(np.float32)
    chosen = choose_thresholds(scores, truth)[0]
    assert chosen.low is not None
    assert chosen.high is not None
    assert chosen.low <= chosen.value <= chosen.high
    assert 0 < chosen.high - chosen.low < 0.5
    f1 = {limit: score(scores >= limit, truth, ["A"])["macro_f1"] for limit in np.arange(2, 99) / 100}
    assert f1[chosen.value] == max(f1.values())


def test_films_of_one_patient_make_an_interval_no_narrower() -> None:
    rng = np.random.default_rng(5)
    truth = np.repeat(rng.random((30, 1)) < 0.5, 10, axis=0).astype(np.float32)
    scores = np.repeat(np.clip(0.4 * truth[::10] + rng.uniform(0, 0.9, (30, 1)), 0, 1), 10, axis=0).astype(np.float32)
    alone = choose_thresholds(scores, truth)[0]
    grouped = choose_thresholds(scores, truth, [f"patient {index // 10}" for index in range(300)])[0]
    assert alone.value == grouped.value
    assert (grouped.high or 0) - (grouped.low or 0) > (alone.high or 0) - (alone.low or 0)


def test_a_label_without_films_on_one_side_gets_a_half_and_says_so() -> None:
    truth = np.array([[1, 0, np.nan], [1, 0, 1]], dtype=np.float32)
    chosen = choose_thresholds(np.full((2, 3), 0.7, dtype=np.float32), truth)
    assert [(t.value, t.low) for t in chosen] == [(0.5, None)] * 3
    assert [t.chosen.rpartition("no films ")[2] for t in chosen] == [
        "without the label",
        "with the label",
        "without the label",
    ]
    assert choose_thresholds(np.zeros((0, 1), dtype=np.float32), np.zeros((0, 1), dtype=np.float32))[0].value == 0.5
    assert fixed_thresholds(0.51, 2)[1].value == 0.51


def test_unknown_labels_do_not_move_a_score() -> None:
    truth = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)
    ranking = np.array([[0.9, 0.2], [0.1, 0.8], [0.4, 0.6]], dtype=np.float32)
    before = score(ranking > 0.5, truth, NAMES, ranking)
    truth = np.r_[truth, [[np.nan, np.nan]]].astype(np.float32)
    ranking = np.r_[ranking, [[0.99, 0.99]]].astype(np.float32)
    assert score(ranking > 0.5, truth, NAMES, ranking) == before
    assert before["f1 A"] == pytest.approx(2 / 3, abs=1e-4)
    assert before["micro_f1"] == pytest.approx(6 / 7, abs=1e-4)
    assert before["macro_auroc"] == 1


def test_a_label_that_no_film_is_known_to_have_has_no_f1() -> None:
    truth = np.array([[1, np.nan], [0, 0], [1, np.nan]], dtype=np.float32)
    found = score(np.array([[True, False], [False, False], [True, True]]), truth, NAMES)
    assert "f1 B" not in found
    assert (found["f1 A"], found["macro_f1"], found["micro_f1"]) == (1, 1, 1)
    assert "macro_f1" not in score(np.zeros((1, 2), dtype=bool), np.zeros((1, 2), dtype=np.float32), NAMES)


def test_an_auroc_needs_both_sides() -> None:
    one_sided = score(np.ones((2, 1), dtype=bool), np.ones((2, 1), dtype=np.float32), ["A"], np.ones((2, 1)))
    assert "macro_auroc" not in one_sided
