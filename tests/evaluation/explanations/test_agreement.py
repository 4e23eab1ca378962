from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pytest
from radiolucent.evaluation.explanations.agreement import TOP_BY_CHANCE, agreements
from radiolucent.evaluation.explanations.disagreement import disagreement_and_error
from radiolucent.evaluation.explanations.evidence import Evidence
from radiolucent.evaluation.explanations.tables import Agreed, AuditedFilm, AuditHead, AuditTables
from radiolucent.handlers.card import Label
from scipy.stats import spearmanr

RANDOM = np.random.default_rng(5)
SHAPE = (60, 50)
ONE = RANDOM.random(SHAPE, np.float32)


def evidence(network: str, method: str, values: np.ndarray, label: str = "Pneumonia") -> Evidence:
    return Evidence(network, method, label, values.astype(np.float32))


def value(rows: list[Agreed], quantity: str) -> float:
    (found,) = [row.value for row in rows if row.quantity == quantity]
    return found


def between(first: np.ndarray, second: np.ndarray) -> list[Agreed]:
    return agreements("a", [evidence("one", "m", first), evidence("two", "m", second)])[0]


def test_the_same_order_agrees_fully_and_the_opposite_order_not_at_all() -> None:
    same = between(ONE, 3 * ONE**2)
    assert [value(same, name) for name in ("spearman", "top_overlap")] == pytest.approx([1, 1])
    opposite = between(ONE, 1 - ONE)
    assert [value(opposite, name) for name in ("spearman", "top_overlap")] == pytest.approx([-1, 0])


def test_ranks_are_those_of_scipy_ties_included() -> None:
    other = np.maximum(ONE + RANDOM.normal(size=SHAPE) - 0.7, 0)
    assert value(between(ONE, other), "spearman") == pytest.approx(spearmanr(ONE.ravel(), other.ravel())[0], abs=1e-5)


def test_the_overlap_of_maps_that_have_nothing_in_common_is_what_chance_gives() -> None:
    overlaps = [value(between(RANDOM.random(SHAPE), RANDOM.random(SHAPE)), "top_overlap") for _ in range(60)]
    assert np.mean(overlaps) == pytest.approx(TOP_BY_CHANCE, abs=0.005)


def test_cells_that_tie_for_the_strongest_tenth_share_its_places() -> None:
    level = np.ones(SHAPE)
    level[0, 0] = 2  # 299 places of 300 are shared by 2,999 cells
    assert value(between(ONE, level), "top_overlap") == pytest.approx(TOP_BY_CHANCE, abs=0.005)
    assert value(between(level, level), "top_overlap") == pytest.approx(1)


def test_maps_that_point_at_little_and_at_different_places_do_not_overlap_in_what_they_leave_empty() -> None:
    one, other = np.zeros(SHAPE), np.zeros(SHAPE)
    one[:5, :5] = other[-5:, -5:] = 1
    assert value(between(one, other), "top_overlap") == 0
    assert value(between(one, 2 * one), "top_overlap") == 1


def test_each_pair_has_a_method_or_a_network_and_the_label_in_common() -> None:
    maps = [
        evidence(network, method, RANDOM.random(SHAPE), label)
        for network in ("a", "b", "c")
        for method in ("saliency", "occlusion")
        for label in ("Pneumonia", "COVID-19")
    ]
    rows, failed = agreements("f", [*maps, evidence("", "average_mask", ONE)])
    assert failed == []
    pairs = [(row.label, row.between, row.of, row.first, row.second) for row in rows if row.quantity == "spearman"]
    assert len(pairs) == len(set(pairs)) == 2 * (2 * 3 + 3 * 1)
    assert ("COVID-19", "networks", "occlusion", "a", "c") in pairs
    assert ("Pneumonia", "methods", "b", "occlusion", "saliency") in pairs


def test_a_map_that_is_the_same_everywhere_has_no_ranks_and_says_so() -> None:
    maps = [evidence("a", "m", ONE), evidence("b", "m", np.ones(SHAPE)), evidence("c", "m", np.zeros(SHAPE))]
    rows, failed = agreements("f", maps)
    assert rows == []
    assert [(row.network, row.what) for row in failed] == [("b", "agreement"), ("c", "agreement")]


def film(number: int, wrong: bool, groups: int = 1000) -> AuditedFilm:
    called = ("No Finding",) if wrong else ("Pneumonia",)
    return AuditedFilm(
        file=f"{number}.png",
        group=f"g{number % groups}",
        source="A",
        view="PA",
        known={"Pneumonia": True},
        explained=("Pneumonia",),
        probabilities={},
        called={"majority": called, "one": called, "two": ("Pneumonia",)},
    )


def tables(films: list[AuditedFilm], agreement: list[float]) -> AuditTables:
    head = AuditHead(
        data="made up",
        manifest_sha256="",
        split="test",
        labels=(Label(name="Pneumonia"), Label(name="COVID-19")),
        networks=("one", "two"),
        network_versions={},
        input_sizes={},
        methods=(),
        quantities=(),
        films=tuple(films),
        chosen="",
        seed=0,
        seconds=0,
        created=datetime(2026, 1, 1, tzinfo=timezone.utc),
    )
    agreed = [
        Agreed(film.file, "Pneumonia", "networks", method, "one", "two", "spearman", mean + shift)
        for film, mean in zip(films, agreement, strict=True)
        for method, shift in (("saliency", 0.1), ("occlusion", -0.1))
    ]
    agreed += [
        Agreed(film.file, "Pneumonia", "methods", "one", "saliency", "occlusion", "spearman", 0.0) for film in films
    ]
    return AuditTables(head, [], agreed, [])


def test_where_networks_disagree_most_on_the_wrong_films_disagreement_tells_them_apart() -> None:
    wrong = [number < 15 for number in range(60)]
    films = [film(number, is_wrong) for number, is_wrong in enumerate(wrong)]
    related = disagreement_and_error(tables(films, [0.1 if w else 0.6 for w in wrong]), resamples=50)
    by_predictor = {row.predictor: row for row in related}
    assert list(by_predictor) == ["majority", "one", "two"]
    majority = by_predictor["majority"]
    assert (majority.films, majority.wrong, majority.wrong_groups) == (60, 15, 15)
    assert majority.auroc.value == majority.auroc.low == 1
    assert (majority.agreement_wrong, majority.agreement_right) == pytest.approx((0.1, 0.6))
    assert by_predictor["two"].auroc.value is None
    assert "wrong on 0 films of 0 patients" in by_predictor["two"].not_estimable


def test_disagreement_that_has_nothing_to_do_with_errors_is_at_one_half_within_its_interval() -> None:
    random = np.random.default_rng(2)
    films = [film(number, bool(random.random() < 0.4)) for number in range(150)]
    majority = disagreement_and_error(tables(films, random.random(150).tolist()), resamples=200)[0]
    assert majority.auroc.low is not None
    assert majority.auroc.high is not None
    assert majority.auroc.low < 0.5 < majority.auroc.high


def test_many_wrong_films_of_few_patients_are_not_enough() -> None:
    films = [film(number, number % 4 == 0, groups=8) for number in range(80)]
    majority = disagreement_and_error(tables(films, [0.5] * 80), resamples=20)[0]
    assert (majority.wrong, majority.wrong_groups) == (20, 2)
    assert majority.auroc.value is None
    assert majority.not_estimable
