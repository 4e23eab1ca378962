"""All numbers of an evaluation, from its tables."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from radiolucent.evaluation.agreement import ServedAnswers, agree
from radiolucent.evaluation.comparisons import Comparison
from radiolucent.evaluation.default_comparisons import default_comparisons
from radiolucent.evaluation.errors import EvaluationError
from radiolucent.evaluation.for_cards import for_cards
from radiolucent.evaluation.result import EvaluationResult
from radiolucent.evaluation.scoring import score
from radiolucent.evaluation.shortcuts.verdict import verdicts
from radiolucent.evaluation.statistics.predictors import MAJORITY, MEAN
from radiolucent.evaluation.statistics.subgroups import age_band
from radiolucent.evaluation.stored import Asked, Tables, read_tables, write_tables
from radiolucent.evaluation.tables import Decision, Predictions
from radiolucent.evaluation.writing import evaluate_tables
from sklearn.metrics import f1_score, precision_score, recall_score

LABELS = ["COVID-19", "Pneumonia", "No Finding"]


def scored(predictions: Predictions, baselines=(), comparisons=(), agreement=None) -> EvaluationResult:  # noqa: ANN001
    return score(predictions, baselines, comparisons, verdicts, agreement, resamples=200)


def test_label_sets_are_scored_as_scikit_learn_does(make_predictions) -> None:  # noqa: ANN001
    found = make_predictions()
    result = scored(found)
    truth = found.truth() == 1
    called = np.stack([vote.majority for vote in found.votes()])
    metrics = next(item for item in result.predictors if item.name == MAJORITY).metrics
    for average in ("micro", "macro"):
        assert metrics[f"{average}_f1"].value == pytest.approx(f1_score(truth, called, average=average), abs=1e-6)
    assert metrics["precision COVID-19"].value == pytest.approx(precision_score(truth[:, 0], called[:, 0]), abs=1e-6)
    assert metrics["specificity Pneumonia"].value == pytest.approx(recall_score(~truth[:, 1], ~called[:, 1]), abs=1e-6)
    assert "brier COVID-19" not in metrics, "a share of votes is no probability"


def test_unknown_labels_do_not_count(make_predictions) -> None:  # noqa: ANN001
    found = make_predictions()
    films = list(found.films)
    for index in range(40):  # the least likely answer, if it counted
        known = {name: value for name, value in films[index].known.items() if name != "COVID-19"}
        films[index] = replace(films[index], known=known)
        for logits in found.logits.values():
            logits[index, 0] = -50 if found.films[index].known["COVID-19"] else 50
    result = scored(replace(found, films=tuple(films)))
    rest = Predictions(found.head, found.films[40:], found.folds[40:], {n: v[40:] for n, v in found.logits.items()})
    expected = scored(rest)
    for one, other in zip(result.predictors, expected.predictors, strict=True):
        for kind in ("f1", "auroc", "auprc", "recall"):
            assert one.metrics[f"{kind} COVID-19"].value == other.metrics[f"{kind} COVID-19"].value
    assert result.labels[0].unknown == 40


def test_a_clear_difference_is_found_and_none_where_there_is_none(make_predictions) -> None:  # noqa: ANN001
    found = make_predictions()
    random = np.random.default_rng(0)
    found.logits["resnet18"][:] = random.normal(size=found.logits["resnet18"].shape)  # knows nothing
    found.logits["resnet34"][:] = found.logits["densenet161"]  # the same network twice
    by_name = {(d.metric, d.network, d.reference): d for d in scored(found).differences}
    guess = by_name["micro_f1", "resnet18", MAJORITY]
    assert guess.difference.high < 0
    assert guess.p < guess.p_holm < 0.15
    one, other = (by_name["macro_auroc", name, MEAN] for name in ("resnet34", "densenet161"))
    assert (one.difference, one.p) == (other.difference, other.p)
    assert len(by_name) == 5 * 2 * (2 + len(LABELS))


def test_parts_with_few_patients_have_no_numbers_but_their_counts(make_predictions) -> None:  # noqa: ANN001
    found = make_predictions(films=200, patients=150)
    parts = scored(found).subgroups
    assert {part.by for part in parts} == {"source", "view", "sex", "age"}
    for part in parts:
        assert part.estimable == (min(part.positive.patients, part.negative.patients) >= 30)
        assert bool(part.auroc) == bool(part.recall) == part.estimable
    assert {part.estimable for part in parts} == {True, False}
    for by in ("source", "view", "sex", "age"):
        films = sum(p.positive.films + p.negative.films for p in parts if p.by == by and p.label == "COVID-19")
        assert films == len(found.films), "every film is in one part, known or not"


def test_age_bands() -> None:
    assert [age_band(age) for age in (0, 17.9, 18, 59, 80, 101, None)] == [
        "0-17",
        "0-17",
        "18-39",
        "40-59",
        "80 and over",
        "80 and over",
        "",
    ]


@pytest.mark.parametrize(("overlapping", "plan"), [(False, "folds"), (True, "draws")])
def test_folds_and_draws_are_told_one_by_one(make_predictions, overlapping: bool, plan: str) -> None:  # noqa: ANN001
    found = make_predictions(folds=("0", "1", "2"), overlapping=overlapping)
    result = scored(found, comparisons=[Comparison("COVID-19")])
    assert result.plan == plan
    assert result.films == len({film.file for film in found.films})
    assert [fold.fold for fold in result.folds] == ["0", "1", "2"] or set(found.folds) == {"0", "1", "2"}
    by_fold = [fold.auroc["COVID-19"][MEAN] for fold in result.folds]
    whole = result.comparisons[0].auroc[MEAN]
    if overlapping:
        assert whole.value == pytest.approx(np.mean(by_fold), abs=1e-6)
    assert whole.low < whole.value < whole.high


def _served(found: Predictions, order) -> ServedAnswers:  # noqa: ANN001
    """As they would come from a server, in another order."""
    votes = found.votes()
    return ServedAnswers(
        tuple(found.films[i].file for i in order),
        {name: found.probabilities(name)[order] for name in found.logits},
        np.stack([vote.votes for vote in votes])[order],
        np.stack([vote.majority for vote in votes])[order],
        np.stack([vote.mean for vote in votes])[order],
        found.head,
    )


def test_agreement_with_what_is_served(make_predictions) -> None:  # noqa: ANN001
    found = make_predictions(films=30, patients=20)
    served = _served(found, np.random.default_rng(0).permutation(len(found.films)))
    same = agree(found, served)
    assert same.holds
    assert (max(same.probabilities.values()), same.votes_differ, same.majorities_differ) == (0, 0, 0)
    served.probabilities["densenet161"][3, 1] += 0.002
    served.mean[4, 2] += 0.003
    other = agree(found, served)
    assert not other.holds
    assert other.probabilities["densenet161"] == pytest.approx(0.002, abs=1e-5)
    assert other.probabilities[MEAN] == pytest.approx(0.003, abs=1e-5)


def test_votes_and_thresholds_that_are_served_otherwise_are_no_agreement(make_predictions) -> None:  # noqa: ANN001
    found = make_predictions(films=30, patients=20)
    order = np.arange(len(found.films))
    limits = found.head.decisions["split"]["resnet18"].thresholds
    margins = np.min([np.abs(found.probabilities(name) - 0.5) for name in found.logits], axis=0).min(axis=1)

    served = _served(found, order)
    served.votes[int(np.argmax(margins)), 0] += 1
    assert (agree(found, served).votes_differ, agree(found, served).holds) == (1, False)

    near = make_predictions(films=30, patients=20)
    near.logits["resnet18"][3, 0] = 1e-4  # a probability that the server may see on the other side of its threshold
    served = _served(near, order)
    served.votes[3, 0] -= 1
    assert (agree(near, served).votes_differ, agree(near, served).holds) == (1, True)

    decisions = found.head.decisions["split"] | {"resnet18": Decision(thresholds=(limits[0] + 0.01, *limits[1:]))}
    head = found.head.model_copy(update={"decisions": {"split": decisions}})
    other = agree(found, replace(_served(found, order), head=head))
    assert (other.thresholds_differ, other.votes_differ, other.holds) == (1, 0, False)
    fewer = found.head.model_copy(update={"labels": found.head.labels[1:]})
    with pytest.raises(EvaluationError, match="other labels"):
        agree(found, replace(_served(found, order), head=fewer))


def _tables(predictions: Predictions, make_baselines) -> Tables:  # noqa: ANN001
    comparisons = default_comparisons(predictions.films, LABELS)
    baselines = make_baselines(predictions, comparisons)
    return Tables(predictions, baselines, Asked(comparisons=comparisons, resamples=100, seed=3))


def test_the_same_tables_give_the_same_files_byte_for_byte(make_predictions, make_baselines, tmp_path: Path) -> None:  # noqa: ANN001
    write_tables(_tables(make_predictions(), make_baselines), tmp_path / "a" / "tables")
    result = evaluate_tables(tmp_path / "a" / "tables", tmp_path / "a")
    # Another process, and tables that were read and written once more.
    write_tables(read_tables(tmp_path / "a" / "tables"), tmp_path / "b" / "tables")
    program = [sys.executable, "-m", "radiolucent.client.program"]
    command = [*program, "evaluate", "--from-tables", str(tmp_path / "b" / "tables")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Research use only" in done.stdout
    for name in ("evaluation.json", "evaluation.md", "report.html", "for_cards.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert json.loads((tmp_path / "a" / "evaluation.json").read_text())["settings"]["seed"] == result.settings.seed == 3


def test_cards_carry_what_was_found(make_predictions, make_baselines) -> None:  # noqa: ANN001
    tables = _tables(make_predictions(), make_baselines)
    result = score(tables.predictions, tables.baselines, tables.asked.comparisons, verdicts, resamples=100)
    cards = for_cards(result)
    network = next(item for item in result.predictors if item.name == "resnet18")
    assert cards.networks["resnet18"].metrics["auroc COVID-19"].low == network.metrics["auroc COVID-19"].low
    assert [verdict.label for verdict in cards.ensemble.verdicts] == LABELS
    majority = next(item for item in result.predictors if item.name == MAJORITY)
    assert cards.ensemble.metrics["micro_f1"].value == majority.metrics["micro_f1"].value
    assert "auroc COVID-19" not in cards.ensemble.metrics, "the vote ranks in fifths; the mean is named"
    assert "mean_probability auroc COVID-19" in cards.ensemble.metrics
    assert cards.ensemble.created == tables.predictions.head.created
    pooled = result.pooled("COVID-19")
    best = cards.networks["resnet18"].baselines["auroc COVID-19"]
    assert (best.predictor, best.value) == (pooled.best_baseline, pooled.baselines[pooled.best_baseline].value)
    assert cards.ensemble.baselines["mean_probability auroc COVID-19"] == best
    assert set(cards.ensemble.baselines) <= set(cards.ensemble.metrics)
