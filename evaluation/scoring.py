"""From stored tables to everything that an evaluation says about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..handlers.evaluated import ShortcutVerdict
from .agreement import Agreement
from .comparing import ComparisonResult, compare, sides_of
from .comparisons import Comparison
from .progress import Progress, silent
from .result import (
    EvaluationResult,
    FoldScores,
    LabelFilms,
    PrecisionRecall,
    PredictorScores,
    Reliability,
    ReliabilityPoint,
    Settings,
)
from .shortcuts.audit import AuditTables, audit
from .statistics.binary import Floats, auroc
from .statistics.differences import differences
from .statistics.metrics import metric_values
from .statistics.predictors import Predictor, predictors_of
from .statistics.reliability import BINS, curve
from .statistics.resampling import GroupBootstrap, Resampling, resampling_of
from .statistics.score import DIGITS, rounded
from .statistics.subgroups import subgroups
from .tables import BaselineScore, Predictions

__all__ = ["Verdicts", "score"]

Verdicts = Callable[[Sequence[ComparisonResult], Sequence[str]], tuple[ShortcutVerdict, ...]]
"""From comparisons and the names of labels to one verdict for each label."""


def score(
    predictions: Predictions,
    baselines: Sequence[BaselineScore],
    comparisons: Sequence[Comparison],
    verdicts: Verdicts,
    agreement: Agreement | None = None,
    resamples: int = 2000,
    seed: int = 0,
    progress: Progress = silent,
    audit_tables: AuditTables | None = None,
) -> EvaluationResult:
    """Compute every number of an evaluation.

    Parameters
    ----------
    predictions : Predictions
        Of the networks.
    baselines : sequence of BaselineScore
        Of predictors that know no medicine; without any, every score is marked as not audited.
    comparisons : sequence of Comparison
        Which films against which.
    verdicts : callable
        What the comparisons mean.
    agreement : Agreement, optional
        With the served ensemble.
    resamples, seed : int
        Of the bootstrap.
    progress : callable
        Told how far it is.
    audit_tables : AuditTables, optional
        What else was measured of shortcuts.

    Returns
    -------
    EvaluationResult
        The same for the same tables, resamples and seed.

    Raises
    ------
    EvaluationError
        If the tables lack what an interval needs.
    """
    resampling = resampling_of(predictions, resamples, seed)
    predictors = predictors_of(predictions)
    labels = [label.name for label in predictions.head.labels]
    truth = predictions.truth().astype(np.float64)
    steps = 2 * len(predictors) + len(comparisons) + 2
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress("statistics", done, steps)

    values: dict[bool, dict[str, Mapping[str, Floats]]] = {False: {}, True: {}}
    for item in predictors:
        for per_patient in (False, True):
            values[per_patient][item.name] = metric_values(item, truth, labels, resampling, per_patient)
            step()
    compared = []
    for comparison in comparisons:
        compared.append(compare(predictions, baselines, comparison, resampling, predictors))
        step()
    compared_metrics = ["micro_f1", "macro_auroc", *(f"auroc {label}" for label in labels)]
    differ = differences(predictors, values[False], compared_metrics, resampling)
    step()
    parts = subgroups(predictions, predictors, _for_all_films(predictions, baselines), resampling)
    step()
    return EvaluationResult(
        data=predictions.head.data,
        created=predictions.head.created,
        films=len({film.file for film in predictions.films}),
        patients=len({film.group for film in predictions.films}),
        plan=resampling.plan,
        settings=Settings(resamples=resamples if isinstance(resampling, GroupBootstrap) else 0, seed=seed, bins=BINS),
        versions=predictions.head.versions,
        verdicts=verdicts(compared, labels),
        labels=tuple(_films_of(predictions, truth, resampling, index) for index in range(len(labels))),
        predictors=tuple(
            PredictorScores(
                name=item.name,
                kind=item.kind,
                metrics={name: resampling.score(drawn) for name, drawn in values[False][item.name].items()},
                per_patient={name: resampling.score(drawn) for name, drawn in values[True][item.name].items()},
            )
            for item in predictors
        ),
        differences=differ,
        comparisons=tuple(compared),
        subgroups=parts,
        folds=_folds(predictions, predictors, truth) if resampling.plan != "split" else (),
        reliability=_reliability(predictors, truth, labels),
        precision_recall=_precision_recall(predictors, truth, labels),
        agreement=agreement,
        audit=None if audit_tables is None else audit(predictions, baselines, audit_tables, compared, resampling),
    )


def _for_all_films(predictions: Predictions, baselines: Sequence[BaselineScore]) -> dict[str, dict[str, Floats]]:
    """Return baselines of a label against the rest ``[films]``, by label and predictor; NaN where it is unknown."""
    films = zip(predictions.folds, predictions.films, strict=True)
    rows = {(fold, film.file): row for row, (fold, film) in enumerate(films)}
    truth = predictions.truth()
    result: dict[str, dict[str, Floats]] = {}
    for index, label in enumerate(predictions.head.labels):
        name = Comparison(label.name).name
        found: dict[str, Floats] = {}
        for item in baselines:
            if item.comparison == name and (item.fold, item.file) in rows:
                scores = found.setdefault(item.predictor, np.full(len(rows), np.nan))
                scores[rows[item.fold, item.file]] = item.score
        known = ~np.isnan(truth[:, index])
        result[label.name] = {key: scores for key, scores in found.items() if not np.isnan(scores[known]).any()}
    return result


def _films_of(predictions: Predictions, truth: Floats, resampling: Resampling, index: int) -> LabelFilms:
    column = truth[:, index]
    positive, negative = sides_of(predictions.films, column)
    sides = resampling.weigh(lambda w: np.stack([w[:, column == 1].sum(axis=1), w[:, column == 0].sum(axis=1)], axis=1))
    return LabelFilms(
        label=predictions.head.labels[index].name,
        positive=positive,
        negative=negative,
        unknown=len({f.file for f, known in zip(predictions.films, column, strict=True) if np.isnan(known)}),
        missing=int((sides.min(axis=1) == 0).sum()),
    )


def _folds(predictions: Predictions, predictors: Sequence[Predictor], truth: Floats) -> tuple[FoldScores, ...]:
    result = []
    folds = np.asarray(predictions.folds)
    for name in dict.fromkeys(predictions.folds):
        rows = np.flatnonzero(folds == name)
        by_label: dict[str, dict[str, float | None]] = {}
        for index, label in enumerate(predictions.head.labels):
            here = rows[~np.isnan(truth[rows, index])]
            ones = np.ones((1, len(here)))
            by_label[label.name] = {
                item.name: rounded(auroc(ones, truth[here, index] == 1, item.scores[here, index])[0])
                for item in predictors
            }
        result.append(
            FoldScores(
                fold=name,
                films=len(rows),
                patients=len({predictions.films[row].group for row in rows}),
                train_films=predictions.head.train_films.get(name),
                auroc=by_label,
            )
        )
    return tuple(result)


def _reliability(predictors: Sequence[Predictor], truth: Floats, labels: Sequence[str]) -> tuple[Reliability, ...]:
    result = []
    for index, label in enumerate(labels):
        known = ~np.isnan(truth[:, index])
        for item in predictors if known.any() else ():
            if item.is_probability:
                points = curve(truth[known, index] == 1, item.scores[known, index])
                result.append(
                    Reliability(
                        label=label,
                        predictor=item.name,
                        points=tuple(
                            ReliabilityPoint(probability=round(p, DIGITS), positive=round(share, DIGITS), films=films)
                            for p, share, films in points
                        ),
                    )
                )
    return tuple(result)


def _precision_recall(
    predictors: Sequence[Predictor], truth: Floats, labels: Sequence[str]
) -> tuple[PrecisionRecall, ...]:
    from sklearn.metrics import precision_recall_curve

    result = []
    for index, label in enumerate(labels):
        known = ~np.isnan(truth[:, index])
        positive = truth[known, index] == 1
        for item in predictors if positive.any() and not positive.all() else ():
            precision, recall, _ = precision_recall_curve(positive, item.scores[known, index], drop_intermediate=True)
            result.append(
                PrecisionRecall(
                    label=label,
                    predictor=item.name,
                    recall=tuple(round(float(value), 4) for value in recall),
                    precision=tuple(round(float(value), 4) for value in precision),
                )
            )
    return tuple(result)
