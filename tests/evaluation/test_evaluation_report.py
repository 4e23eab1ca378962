"""The report says what must be said, whatever the numbers."""

import re
from html.parser import HTMLParser

import pytest
from radiolucent.evaluation.comparisons import Comparison
from radiolucent.evaluation.report import compose, to_html, to_markdown
from radiolucent.evaluation.report.document import NOT_AUDITED, ScoreTable, Table
from radiolucent.evaluation.result import EvaluationResult
from radiolucent.evaluation.scoring import score
from radiolucent.evaluation.shortcuts.audit import ShortcutAudit
from radiolucent.evaluation.shortcuts.rules import RuleScores
from radiolucent.evaluation.shortcuts.verdict import verdicts
from radiolucent.evaluation.statistics.score import Score
from radiolucent.handlers import INTENDED_USE

LABELS = ["COVID-19", "Pneumonia", "No Finding"]
COMPARISONS = [*map(Comparison, LABELS), Comparison("Pneumonia", source="NIH ChestX-ray14")]


@pytest.fixture(scope="module")
def audited(make_predictions, make_baselines) -> EvaluationResult:  # noqa: ANN001
    found = make_predictions()
    return score(found, make_baselines(found, COMPARISONS), COMPARISONS, verdicts, resamples=100)


@pytest.fixture(scope="module")
def unaudited(make_predictions) -> EvaluationResult:  # noqa: ANN001
    return score(make_predictions(), [], COMPARISONS, verdicts, resamples=100)


def test_a_table_of_scores_cannot_be_made_without_what_needs_no_medicine() -> None:
    with pytest.raises(ValueError, match="must stand beside"):
        ScoreTable("COVID-19", ("predictor", "AUROC"), (("resnet18", "0.9"),))


def test_every_table_of_pooled_scores_has_its_baselines(audited: EvaluationResult) -> None:
    tables = [item for section in compose(audited).sections for item in section.items if isinstance(item, Table)]
    pooled = [table for table in tables if isinstance(table, ScoreTable)]
    assert {table.title for table in pooled} >= {f"{label}, all films" for label in LABELS} | {"One film per patient"}
    for table in tables:
        scores = any(re.search(r"AUROC|F1|recall", cell) for cell in table.header)
        alone = scores and not isinstance(table, ScoreTable)
        assert not alone or any("baseline" in cell for cell in (table.title, *table.header)), table.title
    of_covid = next(table for table in pooled if table.title == "COVID-19, all films")
    assert [row[0] for row in of_covid.shortcuts] == ["no medicine: thumbnail", "no medicine: brightness"]


def test_the_f1_of_a_baseline_stands_beside_that_of_networks(audited: EvaluationResult) -> None:
    f1 = dict.fromkeys(LABELS, Score(value=0.777, low=0.7, high=0.8))
    rule = RuleScores(predictor="thumbnail", rule="best F1", f1=f1, micro_f1=Score(value=0.666, low=0.6, high=0.7))
    found = ShortcutAudit(rules=(rule,), sources=(), centre_hidden=(), left_out=(), omissions=(), refusals={})
    text = to_markdown(compose(audited.model_copy(update={"audit": found})))
    of_label, all_labels = text.split("### COVID-19, all films")[1], text.split("### Micro average over labels")[1]
    assert re.search(r"no medicine: thumbnail \|.*0\.777 \(0\.700 to 0\.800\)", of_label.split("###")[0])
    assert re.search(r"no medicine: thumbnail \|.*0\.666 \(0\.600 to 0\.700\)", all_labels.split("###")[0])


def test_without_baselines_every_table_says_that_nothing_was_audited(unaudited: EvaluationResult) -> None:
    report = compose(unaudited)
    assert report.verdict.lower() == NOT_AUDITED
    for section in report.sections:
        for item in section.items:
            if isinstance(item, ScoreTable):
                assert all(NOT_AUDITED in row[0] for row in item.shortcuts), item.title
    assert all("not audited" in figure.svg for figure in report.sections[0].items if hasattr(figure, "svg"))


def test_the_verdict_comes_before_any_score(audited: EvaluationResult) -> None:
    for text in (to_html(compose(audited)), to_markdown(compose(audited))):
        start = text[: text.index("AUROC (the chance")]
        assert start.count(INTENDED_USE) == 1
        assert text.count(INTENDED_USE) == 2
        assert all(f"{verdict.label}: {verdict.text[:20]}" in start for verdict in audited.verdicts)


def test_the_page_needs_nothing_beside_it_and_is_well_formed(audited: EvaluationResult) -> None:
    open_tags: list[str] = []
    links: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in {"meta", "img", "br"}:
                open_tags.append(tag)
            links.extend(value or "" for name, value in attrs if name in {"src", "href"})

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Reader().feed(to_html(compose(audited)))
    assert open_tags == []
    assert links
    assert all(link.startswith("data:image/svg+xml;base64,") for link in links)


def test_names_of_labels_cannot_break_the_page(make_predictions) -> None:  # noqa: ANN001
    found = make_predictions(films=90, patients=80)
    label = found.head.labels[2].model_copy(update={"name": "<b>|x_y*</b>"})
    object.__setattr__(found, "head", found.head.model_copy(update={"labels": (*found.head.labels[:2], label)}))
    for film in found.films:
        film.known[label.name] = film.known["No Finding"]  # type: ignore[index]
    report = compose(score(found, [], [Comparison(label.name)], verdicts, resamples=100))
    assert "<b>" not in to_html(report)
    markdown = to_markdown(report)
    assert "<b>" not in markdown
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in markdown.splitlines() if line.startswith("|")]
    assert min(widths) > 1


def test_a_part_with_few_patients_says_so(audited: EvaluationResult) -> None:
    text = to_markdown(compose(audited))
    assert "not estimable" in text
    few = next(part for part in audited.subgroups if not part.estimable)
    assert f"| {few.value or 'not known'} | {few.label} | {few.positive.films} / {few.positive.patients} |" in text
