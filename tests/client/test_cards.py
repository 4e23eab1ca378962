"""Cards as people read them, and no score without what the shortcut audit says of it."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from radiolucent.client import Interval, Label, Model, ModelDetails
from radiolucent.client.cards import as_html, as_markdown, card_page
from radiolucent.client.commands.models import score
from radiolucent.protos import model_pb2

HEADINGS = (
    "Verdict of the shortcut audit",
    "Intended use",
    "Scores",
    "Labels and thresholds",
    "Probabilities",
    "Data and licences",
    "Training",
    "Limitations",
    "Parity, checksums and versions",
)
USE = "Research use only. Not for diagnosis."
NOT_EVALUATED = "shortcut not excluded: not evaluated"
MODEL = Model(
    name="resnet18",
    version=3,
    title="ResNet18",
    architecture="resnet18",
    labels=(Label("Pneumonia", None, 0.41),),
    input_channels=1,
    input_size=224,
    votes=True,
    abilities=("forward",),
    limitation="",
    refusals={},
    inspected=True,
    metrics={"micro_f1": 0.7123},
    created_time=None,
    intended_use=USE,
    verdict="shortcut not excluded (Pneumonia)",
    baseline="Pneumonia vs No Finding in NIH: thumbnail, AUC of the model is +0.010 from it (-0.050 to +0.070)",
    calibrated=True,
    intervals={"micro_f1": Interval(0.61, 0.8)},
)
CARD: dict[str, Any] = {
    "name": "resnet18",
    "title": "ResNet18",
    "version": 3,
    "source": "trained",
    "labels": [
        {
            "name": "Pneumonia",
            "implies": None,
            "threshold": 0.41,
            "code": {"scheme": "SCT", "value": "233604007", "meaning": "Pneumonia"},
        }
    ],
    "thresholds": [
        {"label": "Pneumonia", "value": 0.41, "low": 0.3, "high": 0.55, "chosen_by": "largest F1", "split": "val"}
    ],
    "calibration": {"method": "platt", "scale": [0.8], "offset": [-0.2]},
    "training": {
        "preset": "paper",
        "data": {
            "name": "films",
            "checksum": "a" * 64,
            "splits": "b" * 64,
            "licences": {"CC0 1.0": 800, "": 3, "CC BY-NC-SA 4.0": 66},
            "commercial_use": False,
            "commercial_only": False,
        },
        "epochs": 30,
        "best_epoch": 12,
        "steps": 1000,
        "seed": 0,
        "initial_weights": "random",
        "seconds": 812.5,
        "films": {"train": 869},
    },
    "evaluation": {
        "data": "films, test",
        "checksum": "c" * 64,
        "films": 219,
        "patients": 124,
        "metrics": {"micro_f1": {"value": 0.7123, "low": 0.61, "high": 0.8}},
        "verdicts": [{"label": "Pneumonia", "excluded": False, "text": "shortcut not excluded: -.05 is below 0"}],
        "created": "2026-01-01T00:00:00Z",
    },
    "parity": {"torchscript_max_abs": 0.0, "onnx_max_abs": 1e-6},
    "files": {"model.pt": "d" * 64},
    "versions": {"torch": "2.14.1"},
    "created": "2026-01-01T00:00:00Z",
    "intended_use": USE,
    "limitations": ["It was made for frontal chest X-rays."],
}
ENSEMBLE: dict[str, Any] = {
    "name": "chest_xray",
    "title": "Majority vote of ResNet18, ResNet34",
    "version": 7,
    "members": {"resnet18": 3, "resnet34": 1},
    "labels": CARD["labels"],
    "vote_rule": "Each network votes where its probability is at or above its own threshold.",
    "calibrated": {"resnet18": "platt"},
    "created": "2026-01-01T00:00:00Z",
    "intended_use": USE,
}
OLD = {"name": "resnet18", "labels": [{"name": "Pneumonia"}], "intended_use": USE}


@pytest.mark.parametrize("card", [CARD, ENSEMBLE, OLD, {}], ids=["full", "ensemble", "old", "empty"])
def test_every_page_has_every_section_in_order_and_the_verdict_first(card: dict[str, Any]) -> None:
    page = card_page(ModelDetails(MODEL, card))
    assert tuple(section.heading for section in page.sections) == HEADINGS
    markdown = as_markdown(page)
    assert [line[3:] for line in markdown.splitlines() if line.startswith("## ")] == list(HEADINGS)
    assert markdown.count(USE) >= 2
    assert markdown.index("not excluded") < markdown.index("0.712")


def test_a_card_says_what_a_physician_and_a_security_officer_ask_for() -> None:
    text = as_markdown(card_page(ModelDetails(MODEL, CARD)))
    for wanted in (
        "Shortcut not excluded (Pneumonia).",
        "| micro\\_f1 | 0.712 | 0.610 to 0.800 |",
        "219 films of 124 patients",
        "| Pneumonia |  | SCT 233604007 Pneumonia | 0.410 | 0.300 to 0.550 | largest F1 (split: val) |",
        "Calibrated by platt scaling",
        "Heatmaps explain logits",
        "do not allow commercial use",
        "| CC BY-NC-SA 4.0 | 66 |",
        "| not known | 3 |",
        f"| manifest | {'a' * 64} |",
        f"| splits | {'b' * 64} |",
        f"| model.pt | {'d' * 64} |",
        "| ONNX | 1.0e-06 |",
        "| epoch whose weights were kept | 12 |",
        "| films, train | 869 |",
        "- It was made for frontal chest X-rays.",
    ):
        assert wanted in text, wanted


def test_a_page_of_an_ensemble_states_how_thresholds_combine() -> None:
    text = as_markdown(card_page(ModelDetails(MODEL, ENSEMBLE)))
    assert "vote of resnet18 3, resnet34 1" in text
    assert "its own threshold" in text
    assert "- resnet18: platt" in text
    assert "- resnet34: not calibrated" in text
    assert "take no part in the vote" in text


def test_what_was_not_evaluated_says_so_beside_its_scores() -> None:
    bare = replace(MODEL, verdict=NOT_EVALUATED, baseline="", intervals={})
    text = as_markdown(card_page(ModelDetails(bare, {**CARD, "evaluation": None})))
    scores = text[text.index("## Scores") : text.index("## Labels")]
    assert NOT_EVALUATED in scores
    assert "nobody evaluated it" in scores
    assert "not estimated" in scores


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_html_page_is_whole_and_takes_nothing_of_a_card_for_html() -> None:
    text = as_html(card_page(ModelDetails(MODEL, {**CARD, "limitations": ["<script>alert(1)</script>"]})))
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert not {"script", "img", "link"} & set(tags.seen)
    assert "&lt;script&gt;" in text
    for heading in HEADINGS:
        assert f"<h2>{heading}</h2>" in text


def test_markdown_of_a_card_stays_text() -> None:
    text = as_markdown(card_page(ModelDetails(MODEL, {**CARD, "limitations": ["a | b\n# *c* <d>"]})))
    assert r"- a \| b # \*c\* \<d\>" in text


def test_no_score_is_told_without_the_verdict() -> None:
    assert score(MODEL).splitlines() == [
        "micro F1 0.712 (0.610 to 0.800)",
        "shortcut not excluded (Pneumonia)",
        f"beside it: {MODEL.baseline}",
    ]
    bare = replace(MODEL, verdict=NOT_EVALUATED, baseline="", intervals={})
    assert score(bare).splitlines() == ["micro F1 0.712 (no interval)", NOT_EVALUATED]
    assert score(replace(bare, metrics={})) == NOT_EVALUATED


def ensemble() -> model_pb2.Model:
    return model_pb2.Model(
        model=model_pb2.ModelVersion(name="chest_xray", version=7),
        title="Majority vote",
        labels=[model_pb2.Label(name="Pneumonia", threshold=0.4)],
        metrics={"micro_f1": 0.95},
        verdict=NOT_EVALUATED,
        intended_use=USE,
        inspected=True,
    )


def test_the_list_of_models_shows_the_verdict_with_every_score(program, fake) -> None:
    """The networks come from a server that does not tell: that is no reason to show a bare score."""
    fake.ensemble = ensemble()
    ran = program("models", "--address", fake.address)
    text = " ".join(ran.out.split())
    assert text.count("micro F1 0.9") == 3
    assert text.count("shortcut not excluded") == 3
    assert "not evaluated" in text
    assert "chest_xray" in text
    listed = json.loads(program("models", "--address", fake.address, "--json").out)
    assert [(one["name"], one["verdict"]) for one in listed] == [
        ("net_a", "shortcut not excluded: the server does not tell"),
        ("net_b", "shortcut not excluded: the server does not tell"),
        ("chest_xray", NOT_EVALUATED),
    ]


def test_the_card_command_prints_markdown_writes_html_and_prints_json(program, fake, tmp_path) -> None:
    fake.ensemble, fake.ensemble_card = ensemble(), ENSEMBLE
    text = program("card", "--address", fake.address).out
    assert text.startswith("# Majority vote of ResNet18, ResNet34 (chest\\_xray 7)")
    assert "Shortcut not excluded: not evaluated." in text
    page = tmp_path / "card.html"
    ran = program("card", "chest_xray", "--html", page, "--address", fake.address)
    assert ran.out == ""
    assert NOT_EVALUATED in ran.err
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.loads(program("card", "--json", "--address", fake.address).out) == ENSEMBLE
    assert program("card", "net_z", "--address", fake.address).code == 2


def test_a_classification_comes_with_the_verdict_on_its_model_set(program, fake, xray) -> None:
    assert "shortcut not excluded" in " ".join(program("classify", xray, "--address", fake.address).out.split())
    answer = json.loads(program("classify", xray, "--address", fake.address, "--json").out)[0]
    assert answer["model_set"]["verdict"].startswith("shortcut not excluded")
