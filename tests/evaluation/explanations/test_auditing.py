"""What an audit finds beside ranks: means, places, agreement, and the paper's claims by their rules."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
import pytest
from radiolucent.evaluation.errors import EvaluationError
from radiolucent.evaluation.explanations.auditing import find
from radiolucent.evaluation.explanations.claims.evidence import contrasts_of
from radiolucent.evaluation.explanations.result import AuditResult, Claim
from radiolucent.evaluation.explanations.tables import AuditTables, Measured
from radiolucent.evaluation.statistics.resampling import GroupBootstrap
from radiolucent.handlers.card import InputSpec
from radiolucent.handlers.profile import ProfileGroup, ProfileLayer, ProfileRecord

Make = Callable[..., AuditTables]


def _claim(result: AuditResult, name: str) -> Claim:
    return next(one for one in result.claims if one.name == name)


def _profile(network: str, unvarying: int) -> ProfileRecord:
    layer = ProfileLayer(
        name="features",
        channels=10,
        height=4,
        width=4,
        constant=(),
        unvarying=tuple(range(unvarying)),
        order=tuple(range(10)),
    )
    groups = tuple(ProfileGroup(name=name, films=20, patients=18) for name in ("a", "b"))
    return ProfileRecord(
        name="by_label",
        network=network,
        version=1,
        model_sha256="0" * 64,
        input=InputSpec(size=128),
        data="made-up",
        manifest_sha256="0" * 64,
        split="test",
        grouping="label",
        groups=groups,
        layers=(layer.model_copy(update={"name": "input", "unvarying": tuple(range(10))}), layer),
        planes_sha256="0" * 64,
        created=datetime(2026, 1, 2, tzinfo=timezone.utc),
    )


def _only(tables: AuditTables, *families: str) -> AuditTables:
    kept = tuple(one for one in tables.head.quantities if one.family in families)
    names = {one.name for one in kept}
    head = tables.head.model_copy(update={"quantities": kept})
    return replace(tables, head=head, measured=[row for row in tables.measured if row.quantity in names])


@pytest.fixture(scope="module")
def tables(make_tables: Make, in_order: dict[str, float]) -> AuditTables:
    return make_tables(films=48, quality=in_order)


@pytest.fixture(scope="module")
def found(tables: AuditTables) -> AuditResult:
    return find(tables, [_profile("densenet161", 3), _profile("resnet18", 1)], resamples=500)


def test_a_mean_is_over_the_films_of_its_label(tables: AuditTables, found: AuditResult) -> None:
    key = ("resnet18", "saliency", "deletion.above_random", "COVID-19")
    rows = [r.value for r in tables.measured if (r.network, r.method, r.quantity, r.label) == key]
    own = next(s for s in found.summaries if (s.network, s.method, s.quantity, s.label) == key)
    assert own.score is not None
    assert own.score.value == pytest.approx(np.mean(rows), abs=1e-6)
    assert own.films == len(rows)


def test_lungs_are_never_pooled_over_sources_or_kinds_of_mask(found: AuditResult) -> None:
    scopes = {one.scope for one in found.summaries if one.quantity == "lungs.outside"}
    assert scopes == {"source NIH ChestX-ray14", "source ieee8023, lungs with heart area"}


def test_the_average_mask_is_compared_on_the_same_films(tables: AuditTables, found: AuditResult) -> None:
    key = ("localisation.auprc", "all", "resnet34", "deep_lift")
    own = next(a for a in found.against_average if (a.quantity, a.scope, a.network, a.method) == key)
    of = {
        method: {
            r.file: r.value
            for r in tables.measured
            if (r.network, r.method, r.quantity) == ("resnet34", method, key[0])
        }
        for method in ("deep_lift", "average_mask")
    }
    expected = np.mean([of["deep_lift"][file] - of["average_mask"][file] for file in of["deep_lift"]])
    assert own.difference is not None
    assert own.difference.value == pytest.approx(expected, abs=1e-6)
    assert own.chance is not None
    assert own.chance.value == pytest.approx(0.2)


def test_true_positives_are_films_that_the_network_calls(tables: AuditTables, found: AuditResult) -> None:
    own = next(
        a for a in found.against_average if (a.scope, a.network, a.method) == ("true positives", "resnet18", "saliency")
    )
    called = [f for f in tables.head.films if f.known["Pneumonia"] and "Pneumonia" in f.called["resnet18"]]
    assert 0 < own.films == len(called) < 32


def test_dead_neurons_are_counted_without_the_input(found: AuditResult) -> None:
    assert {one.network: (one.unvarying, one.maps) for one in found.dead_maps} == {
        "resnet18": (1, 10),
        "densenet161": (3, 10),
    }
    assert _claim(found, "densenet161 dead neurons").verdict == "holds"


def test_attention_outside_the_lungs_follows_the_numbers(
    found: AuditResult, make_tables: Make, in_order: dict[str, float]
) -> None:
    assert _claim(found, "densenet161 outside the lungs").verdict == "holds"
    reverse = make_tables(films=48, quality={name: -value for name, value in in_order.items()})
    assert _claim(find(reverse, resamples=500), "densenet161 outside the lungs").verdict == "does not hold"


def test_the_finding_on_resnets_follows_the_numbers(
    make_tables: Make, tables: AuditTables, in_order: dict[str, float]
) -> None:
    name, families = "resnets most interpretable", ("faithfulness", "robustness")
    assert _claim(find(_only(tables, *families), resamples=500), name).verdict == "holds"
    assert _claim(find(_only(tables, "complexity"), resamples=500), name).verdict == "does not hold"
    equal = make_tables(films=48, noise=1.0)
    assert _claim(find(_only(equal, *families), resamples=500), name).verdict == "cannot be told here"


def test_measures_that_contradict_each_other_decide_nothing(found: AuditResult) -> None:
    claim = _claim(found, "resnets most interpretable")
    assert {one.speaks for one in claim.contrasts} == {"for", "against"}
    assert claim.verdict == "cannot be told here"
    assert "Sparseness" in claim.why


def test_without_profiles_dead_neurons_cannot_be_told(tables: AuditTables) -> None:
    result = find(tables, resamples=200)
    assert _claim(result, "densenet161 dead neurons").verdict == "cannot be told here"
    assert any("no neuron activation profile" in one for one in result.untestable)


def test_the_most_accurate_is_judged_on_the_same_films(tables: AuditTables) -> None:
    right = tuple(
        film.model_copy(update={"called": {**film.called, "densenet161": tuple(k for k, t in film.known.items() if t)}})
        for film in tables.head.films
    )
    better = replace(tables, head=tables.head.model_copy(update={"films": right}))
    assert _claim(find(better, resamples=500), "densenet161 most accurate").verdict == "holds"
    scores = {name: {"micro_f1": 0.9 if name == "resnet18" else 0.5} for name in tables.head.networks}
    other = replace(better, head=better.head.model_copy(update={"scores": scores}))
    assert _claim(find(other, resamples=500), "densenet161 most accurate").verdict == "cannot be told here"


def test_a_row_about_nothing_that_the_head_knows_is_refused(tables: AuditTables) -> None:
    stray = Measured("images/none.png", "resnet18", "saliency", "Pneumonia", "deletion.above_random", 1.0)
    with pytest.raises(EvaluationError, match=r"images/none\.png"):
        find(replace(tables, measured=[*tables.measured, stray]), resamples=10)


def test_likeness_of_two_is_one_number_whichever_is_named_first(tables: AuditTables) -> None:
    turned = [
        replace(row, first=row.second, second=row.first) if place % 3 else row
        for place, row in enumerate(tables.agreed)
    ]
    assert find(replace(tables, agreed=turned), resamples=50).agreeing == find(tables, resamples=50).agreeing


def test_contrasts_of_few_patients_that_do_not_differ_seldom_speak() -> None:
    random = np.random.default_rng(0)
    bootstrap = GroupBootstrap([f"{patient}" for patient in range(10)], 500)
    spoken = 0
    for _ in range(300):
        apart = random.normal(size=10)
        drawn = bootstrap.weigh(lambda weights, apart=apart: weights @ apart / weights.sum(axis=1))
        spoken += contrasts_of(bootstrap, [("none", drawn, 10)])[0].speaks != "neither"
    assert spoken / 300 < 0.08  # of plain percentiles 0.11
