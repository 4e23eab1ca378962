"""What of an evaluation model cards carry."""

from __future__ import annotations

from ..handlers.evaluated import BaselineEstimate, Estimate, Evaluation, EvaluationOfSet, ShortcutVerdict
from .errors import EvaluationError
from .result import EvaluationResult, PredictorScores
from .shortcuts.verdict import verdicts
from .statistics.metrics import SETS
from .statistics.score import Score

__all__ = ["for_cards", "pooled_baselines"]


def for_cards(result: EvaluationResult) -> EvaluationOfSet:
    """Return the evaluation in the form in which `radiolucent export` puts it into model cards.

    Parameters
    ----------
    result : EvaluationResult
        Everything that was found.

    Returns
    -------
    EvaluationOfSet
        Each network with its own verdicts. The ensemble's label sets are those of the majority vote; its verdicts and
        what needs probabilities are of the mean probability, and named so.

    Raises
    ------
    EvaluationError
        If the tables do not say when answers were computed.
    """
    networks = {
        item.name: _evaluation(result, _all(item), verdicts(result.comparisons, result.label_names, item.name))
        for item in result.predictors
        if item.kind == "network"
    }
    majority = next(item for item in result.predictors if item.kind == "majority")
    mean = next(item for item in result.predictors if item.kind == "mean")
    of_sets = {name: score for name, score in _all(majority).items() if _kind(name) in SETS}
    of_mean = {f"mean_probability {name}": score for name, score in _all(mean).items()}
    return EvaluationOfSet(networks=networks, ensemble=_evaluation(result, of_sets | of_mean, result.verdicts))


def pooled_baselines(result: EvaluationResult) -> dict[str, tuple[str, Score]]:
    """Return, by metric of all films, the baseline that is best in it and what it scores.

    Those of label sets have thresholds that were chosen as the networks' are.
    """
    rules = [one for one in result.audit.rules if one.rule == "best F1"] if result.audit is not None else []
    found = {"micro_f1": [(one.predictor, one.micro_f1) for one in rules]}
    for label in result.label_names:
        pooled = result.pooled(label)
        found[f"f1 {label}"] = [(one.predictor, one.f1[label]) for one in rules]
        found[f"auroc {label}"] = list(pooled.baselines.items()) if pooled is not None else []
    known = {name: [one for one in each if one[1].value is not None] for name, each in found.items()}
    return {name: max(each, key=lambda one: one[1].value or 0.0) for name, each in known.items() if each}


def _kind(metric: str) -> str:
    """Return ``f1`` of ``micro_f1`` and of ``f1 COVID-19``."""
    return metric.split(" ", 1)[0].removeprefix("micro_").removeprefix("macro_")


def _all(item: PredictorScores) -> dict[str, Estimate]:
    return {name: score.estimate() for name, score in item.metrics.items()}


def _evaluation(
    result: EvaluationResult, metrics: dict[str, Estimate], judged: tuple[ShortcutVerdict, ...]
) -> Evaluation:
    if result.created is None:
        raise EvaluationError("predictions.json does not say when the answers were computed (created)")
    baselines = {
        name: BaselineEstimate(predictor=predictor, value=score.value, low=score.low, high=score.high)
        for name, (predictor, score) in pooled_baselines(result).items()
    }
    baselines |= {f"mean_probability {name}": one for name, one in baselines.items()}
    return Evaluation(
        data=result.data.name,
        checksum=result.data.checksum,
        films=result.films,
        patients=result.patients,
        metrics=metrics,
        baselines={name: one for name, one in baselines.items() if name in metrics},
        verdicts=judged,
        created=result.created,
    )
