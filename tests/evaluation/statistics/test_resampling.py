"""How far numbers can be trusted."""

from statistics import NormalDist

import numpy as np
import pytest
from radiolucent.evaluation.errors import EvaluationError
from radiolucent.evaluation.statistics.binary import auroc
from radiolucent.evaluation.statistics.differences import holm
from radiolucent.evaluation.statistics.resampling import Draws, GroupBootstrap, plan_of, resampling_of
from scipy.stats import norm


def _mean(values: np.ndarray):  # noqa: ANN202
    return lambda weights: weights @ values / weights.sum(axis=1)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    # Two normal classes one standard deviation apart; the films of a patient share half of their variance.
    random = np.random.default_rng(5)
    truth_of_all = NormalDist().cdf(1 / np.sqrt(2))
    trials = 150
    covered = 0
    for _ in range(trials):
        positive = np.repeat(random.random(80) < 0.5, 3)
        scores = positive + (np.repeat(random.normal(size=80), 3) + random.normal(size=240)) * np.sqrt(0.5)
        bootstrap = GroupBootstrap([str(i) for i in np.repeat(np.arange(80), 3)], resamples=300)
        found = bootstrap.score(bootstrap.weigh(lambda w, p=positive, s=scores: auroc(w, p, s)))
        covered += found.low <= truth_of_all <= found.high
    assert 0.88 <= covered / trials <= 0.99


def test_films_of_one_patient_are_no_more_evidence_than_one() -> None:
    random = np.random.default_rng(1)
    values = np.repeat(random.normal(size=60), 4)
    clustered = GroupBootstrap([str(i) for i in np.repeat(np.arange(60), 4)], resamples=500)
    single = GroupBootstrap([str(i) for i in range(240)], resamples=500)
    wide, narrow = (b.score(b.weigh(_mean(values))) for b in (clustered, single))
    assert wide.value == narrow.value
    assert (wide.high - wide.low) == pytest.approx(2 * (narrow.high - narrow.low), rel=0.2)


def test_the_draws_do_not_depend_on_the_order_of_the_films() -> None:
    groups = ["b", "a", "c", "a", "b", "d"]
    values = np.arange(6.0)
    order = np.array([5, 3, 1, 0, 2, 4])
    one = GroupBootstrap(groups, resamples=50).weigh(_mean(values))
    other = GroupBootstrap([groups[i] for i in order], resamples=50).weigh(_mean(values[order]))
    np.testing.assert_allclose(one, other)


def test_memory_bounded_parts_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=40)
    bootstrap = GroupBootstrap([str(i % 11) for i in range(40)], resamples=120)
    whole = bootstrap.weigh(_mean(values))
    monkeypatch.setattr("radiolucent.evaluation.statistics.resampling.CHUNK", 40 * 7)
    np.testing.assert_allclose(bootstrap.weigh(_mean(values)), whole)


def test_a_patient_counts_once_as_one_film_chosen_at_random_does_on_average() -> None:
    random = np.random.default_rng(2)
    groups = np.r_[np.arange(40), np.zeros(20, dtype=int)]  # one patient has 21 films
    positive = groups % 2 == 0
    scores = random.normal(size=60) + positive - 3 * (groups == 0)
    bootstrap = GroupBootstrap([str(g) for g in groups], resamples=100)
    per_patient = bootstrap.weigh(lambda w: auroc(w, positive, scores), per_patient=True)[0]
    each_film = bootstrap.weigh(lambda w: auroc(w, positive, scores))[0]
    chosen = []
    for _ in range(400):
        rows = [random.choice(np.flatnonzero(groups == g)) for g in range(40)]
        chosen.append(auroc(np.ones((1, 40)), positive[rows], scores[rows])[0])
    assert per_patient == pytest.approx(np.mean(chosen), abs=0.01)
    assert abs(each_film - per_patient) > 0.1


def test_resamples_without_a_value_are_counted_and_many_of_them_leave_no_interval() -> None:
    bootstrap = GroupBootstrap([str(i) for i in range(20)], resamples=100)
    values = np.r_[0.8, np.linspace(0.6, 0.9, 100)]
    few, many = values.copy(), values.copy()
    few[1:5] = np.nan
    many[1:9] = np.nan
    assert bootstrap.score(few).missing == 4
    assert bootstrap.score(few).low is not None
    assert (bootstrap.score(many).value, bootstrap.score(many).low, bootstrap.score(many).missing) == (0.8, None, 8)


def test_p_values_are_two_sided_and_uniform_without_a_difference() -> None:
    bootstrap = GroupBootstrap(["a", "b"], resamples=999)
    drawn = norm.ppf((np.arange(999) + 0.5) / 999)
    assert bootstrap.p_value(np.r_[0.0, drawn]) == pytest.approx(1.0, abs=0.01)
    assert bootstrap.p_value(np.r_[1.96, drawn + 1.96]) == pytest.approx(0.05, abs=0.005)
    assert bootstrap.p_value(np.r_[-1.96, drawn - 1.96]) == pytest.approx(0.05, abs=0.005)
    assert bootstrap.p_value(np.r_[9.0, drawn + 9]) == 0.002, "never 0"


def test_holm_by_hand() -> None:
    # Sorted: .01 * 4, .02 * 3, .03 * 2, .04 * 1, never falling.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([]) == []


def test_nadeau_and_bengio_by_hand() -> None:
    folds = ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    draws = Draws(folds, ["g"] * 30, {"a": 20, "b": 20, "c": 20})
    found = draws.score(np.array([0.70, 0.80, 0.90]))
    # Variance .01; (1/3 + 10/20) * .01 = .008333, its root .091287; t(.975; 2) = 4.302653.
    assert found.value == 0.8
    assert found.low == pytest.approx(0.8 - 4.302653 * 0.091287, abs=1e-5)
    assert found.high == pytest.approx(0.8 + 4.302653 * 0.091287, abs=1e-5)
    # t = .1 / .091287 = 1.0954 with two degrees: p = .3876.
    assert draws.p_value(np.array([0.0, 0.1, 0.2])) == pytest.approx(0.3876, abs=1e-3)


def test_a_draw_is_weighed_by_its_own_films() -> None:
    draws = Draws(["a", "a", "b"], ["g", "g", "g"], {"a": 9, "b": 9})
    np.testing.assert_array_equal(draws.weigh(lambda w: w), [[1, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(draws.weigh(lambda w: w, per_patient=True), [[0.5, 0.5, 0], [0, 0, 1]])


def test_plans_are_told_apart(make_predictions) -> None:  # noqa: ANN001
    assert plan_of(make_predictions(films=20, patients=15)) == "split"
    assert plan_of(make_predictions(films=20, patients=15, folds=("0", "1"))) == "folds"
    overlapping = make_predictions(films=20, patients=15, folds=("0", "1"), overlapping=True)
    assert plan_of(overlapping) == "draws"
    assert isinstance(resampling_of(overlapping), Draws)


def test_overlapping_draws_without_their_training_films_are_refused(make_predictions) -> None:  # noqa: ANN001
    found = make_predictions(films=20, patients=15, folds=("0", "1"), overlapping=True)
    object.__setattr__(found, "head", found.head.model_copy(update={"train_films": {"0": 5}}))
    with pytest.raises(EvaluationError, match=r"needs the number of training films of 1 "):
        resampling_of(found)
