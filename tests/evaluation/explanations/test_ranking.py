"""Ranks say what the numbers say, on the same films for all, and how sure that is."""

from collections.abc import Callable

import numpy as np
import pytest
from radiolucent.evaluation.explanations.auditing import find
from radiolucent.evaluation.explanations.rank_agreement import kendall
from radiolucent.evaluation.explanations.result import AuditResult, Ranking
from radiolucent.evaluation.explanations.tables import AuditTables

Make = Callable[..., AuditTables]


def _ranking(result: AuditResult, quantity: str, of: str = "networks", scope: str = "all") -> Ranking:
    return next(one for one in result.rankings if (one.quantity, one.of, one.scope) == (quantity, of, scope))


@pytest.fixture(scope="module")
def ordered(make_tables: Make, in_order: dict[str, float]) -> AuditResult:
    return find(make_tables(films=36, quality=in_order), resamples=500)


def test_networks_of_a_known_order_are_ranked_with_certainty(ordered: AuditResult, in_order: dict[str, float]) -> None:
    for quantity in ("deletion.above_random", "infidelity.normalised"):  # higher, and lower, is better
        places = _ranking(ordered, quantity).places
        assert [place.name for place in places] == list(in_order)
        assert all((p.low, p.high, p.keeps) == (p.rank, p.rank, 1.0) for p in places)
    assert [place.name for place in _ranking(ordered, "sparseness.gini").places] == list(in_order)[::-1]


def test_networks_that_do_not_differ_have_wide_ranks(make_tables: Make) -> None:
    places = _ranking(find(make_tables(films=36, noise=1.0), resamples=500), "deletion.above_random").places
    assert np.mean([place.high - place.low for place in places]) >= 3
    assert np.mean([place.keeps for place in places]) < 0.7


def test_networks_with_the_same_numbers_tie(make_tables: Make) -> None:
    places = _ranking(find(make_tables(films=36, noise=0.0), resamples=200), "deletion.above_random").places
    assert {(place.rank, place.low, place.high) for place in places} == {(3.0, 3.0, 3.0)}


def test_a_map_that_failed_takes_its_film_from_all_and_that_is_told(
    make_tables: Make, in_order: dict[str, float], lose: Callable[..., AuditTables]
) -> None:
    whole = make_tables(films=36, quality=in_order)
    lost = {film.file for film in whole.head.films[:6]}
    tables = lose(whole, lambda r: r.file in lost and (r.network, r.method) == ("resnet18", "saliency"))
    found = _ranking(find(tables, resamples=200), "deletion.above_random")
    pairs = sum(len(film.explained) for film in whole.head.films)
    missing = sum(len(film.explained) for film in whole.head.films[:6])
    assert (found.cells, found.cells_lost) == (6 * pairs - missing, missing)
    kept = [
        row.value
        for row in whole.measured
        if (row.network, row.quantity) == ("resnet34", "deletion.above_random")
        and not (row.file in lost and row.method == "saliency")
    ]
    mean = next(place.mean.value for place in found.places if place.name == "resnet34")
    assert mean == pytest.approx(np.mean(kept), abs=1e-6)


def test_a_method_that_nearly_always_fails_does_not_take_the_films_of_the_others(
    make_tables: Make, lose: Callable[..., AuditTables]
) -> None:
    whole = make_tables(films=36)
    first = whole.head.films[0].file
    found = find(lose(whole, lambda r: r.method == "occlusion" and r.file != first), resamples=200)
    ranking = _ranking(found, "deletion.above_random", "methods")
    assert "occlusion" not in [place.name for place in ranking.places]
    assert set(ranking.left_out) == {"occlusion"}
    assert ranking.cells_lost == 0
    assert sum(one.items for one in found.missing) == sum(
        5 * len(film.explained) for film in whole.head.films if film.file != first
    )


def test_what_has_no_direction_and_what_is_only_reported_is_never_ranked(ordered: AuditResult) -> None:
    ranked = {one.quantity.split(".")[0] for one in ordered.rankings}
    assert ranked.isdisjoint({"cost", "smooth_mprt", "lungs"})
    reported = {one.quantity for one in ordered.summaries}
    assert {"cost.seconds", "smooth_mprt.distance", "lungs.outside"} <= reported


def test_too_few_patients_are_not_estimable(make_tables: Make) -> None:
    found = find(make_tables(films=9), resamples=200)
    assert all(one.score is None for one in found.summaries)
    assert found.rankings
    assert all(not one.places for one in found.rankings)
    assert {claim.verdict for claim in found.claims} == {"cannot be told here"}


def test_the_score_of_the_cards_is_compared_to_every_order(ordered: AuditResult) -> None:
    of_score = {one.second: one.tau.value for one in ordered.rank_agreement if one.first == "micro_f1"}
    assert of_score["deletion.above_random"] == -1  # the cards order the networks the other way round
    assert of_score["sparseness.gini"] == 1


def test_tau_is_scipys() -> None:
    from scipy.stats import kendalltau

    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, (40, 5)).astype(float), rng.integers(0, 4, (40, 5)).astype(float)
    expected = [kendalltau(a, b).statistic for a, b in zip(first, second, strict=True)]
    assert kendall(first, second) == pytest.approx(np.array(expected), nan_ok=True)
