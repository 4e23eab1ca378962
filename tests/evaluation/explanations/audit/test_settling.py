"""What an audit refuses before it begins, and what it takes words for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from radiolucent.datasets import DataSet
from radiolucent.evaluation.errors import EvaluationError
from radiolucent.evaluation.explanations.affordable import in_words
from radiolucent.evaluation.explanations.audit import Planned, prepare
from radiolucent.evaluation.explanations.errors import AuditRefused
from radiolucent.evaluation.explanations.offered import Offered
from radiolucent.evaluation.explanations.settling import AuditWishes, settle
from radiolucent.handlers.card import DataRecord, Label

Plan = Callable[..., Planned]


def test_everything_that_cannot_be_is_said_at_once(data_set: DataSet, offered: Offered) -> None:
    wishes = AuditWishes(
        split="val",
        methods=("ocllusion", "saliency"),
        networks=("resnet50",),
        labels=("Edema",),
        measures=("beauty",),
        settings=("gini.x=1", "nonsense"),
        grid=("x.png",),
    )
    with pytest.raises(AuditRefused) as refused:
        settle(wishes, data_set, offered)
    text = str(refused.value)
    for words in (
        "the split val has no X-rays",
        "no method 'ocllusion'; there are occlusion, saliency, deep_lift",
        "no network 'resnet50'; there are net_a, net_b",
        "no measure 'beauty'; there are deletion, max_sensitivity",
        "the served networks do not know Edema",
        "the manifest does not know Edema",
        "gini is neither a method nor a measure",
        "--set nonsense",
        "no X-ray 'x.png'",
    ):
        assert words in text
    assert "saliency'" not in text


def test_a_manifest_of_other_labels_is_refused(data_set: DataSet, offered: Offered) -> None:
    other = replace(data_set, labels=(Label(name="Edema"),))
    with pytest.raises(AuditRefused, match=r"do not know Edema, but COVID-19, .*--label"):
        settle(AuditWishes(methods=("saliency",)), other, offered)


def test_words_stand_for_many(data_set: DataSet, offered: Offered) -> None:
    asked = settle(AuditWishes(methods=("all",), measures=("all",)), data_set, offered)
    assert list(asked.methods) == ["occlusion", "saliency", "deep_lift"]
    assert list(asked.measures) == ["deletion", "max_sensitivity"]
    assert asked.labels == ("COVID-19", "Pneumonia", "No Finding")
    assert settle(AuditWishes(methods=("all",), measures=("none",)), data_set, offered).measures == {}


def test_a_measure_of_no_known_kind_is_refused(data_set: DataSet, offered: Offered) -> None:
    offered.measures["deletion"].family = ""
    offered.measures["max_sensitivity"].family = "beauty"
    with pytest.raises(AuditRefused) as refused:
        settle(AuditWishes(methods=("saliency",)), data_set, offered)
    assert "deletion is of no kind that the server tells" in str(refused.value)
    assert "max_sensitivity is of the kind 'beauty'" in str(refused.value)


def test_the_papers_six_methods_are_the_default(data_set: DataSet, offered: Offered) -> None:
    with pytest.raises(AuditRefused) as refused:
        settle(AuditWishes(), data_set, offered)
    assert [problem.split("'")[1] for problem in refused.value.problems] == [
        "input_x_gradient",
        "guided_backprop",
        "integrated_gradients",
    ]


def test_a_label_that_no_film_has_is_reported_and_the_others_complete(
    plan: Plan, data_set: DataSet, offered: Offered
) -> None:
    from radiolucent.evaluation.explanations.assembling import not_explained

    unseen = tuple(replace(film, known={**film.known, "COVID-19": False}) for film in data_set.films)
    planned = prepare(AuditWishes(methods=("saliency",)), replace(data_set, films=unseen), offered)
    (row,) = not_explained(planned.asked, planned.chosen)
    assert (row.label, row.what) == ("COVID-19", "map")
    with pytest.raises(AuditRefused, match="known to have COVID-19"):
        prepare(AuditWishes(methods=("saliency",), labels=("COVID-19",)), replace(data_set, films=unseen), offered)


def test_films_of_the_grid_must_be_among_those_drawn(plan: Plan) -> None:
    drawn = plan().chosen.films[0].file
    assert plan(grid=(drawn,)).chosen.films[0].file == drawn
    lacking = next(f"images/{n:04}.png" for n in range(40) if f"images/{n:04}.png" not in plan().chosen.explained)
    with pytest.raises(AuditRefused, match="not among the X-rays that were drawn"):
        plan(grid=(lacking,))


def test_films_that_may_have_been_trained_on_are_refused(data_set: DataSet, offered: Offered) -> None:
    trained_on = DataRecord(name="films", checksum=data_set.checksum, splits="b" * 64)
    with pytest.raises(EvaluationError, match="may have been trained on"):
        prepare(AuditWishes(methods=("saliency",)), data_set, replace(offered, trained_on=trained_on))


def test_a_film_that_does_not_decode_is_named_and_replaced(plan: Plan, data_set: DataSet) -> None:
    broken = plan().chosen.films[0]
    broken.path.write_bytes(b"no image")
    chosen = plan().chosen
    assert broken.file not in chosen.explained
    assert [file for file, _ in chosen.unreadable] == [broken.file]
    assert len(chosen.films) == 6


def test_the_docs_name_every_parameter_that_an_audit_makes_cheaper() -> None:
    told = (Path(__file__).parents[4] / "docs" / "explanations.md").read_text()
    assert all(f"`{one}`" in told for one in in_words().split(", "))


def test_only_cheaper_parameters_that_ran_are_told() -> None:
    assert (
        in_words({"occlusion": {"stride": 0.125, "window": 0.2}, "deletion": {"steps": 16}}) == "occlusion.stride=0.125"
    )
