"""How networks do on a source that they have never seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ..comparing import MINIMUM_PATIENTS, Side, sides_of
from ..comparisons import Comparison
from ..statistics.binary import Floats, auroc, counts, ratio
from ..statistics.predictors import predictors_of
from ..statistics.resampling import Resampling
from ..statistics.score import Score
from ..tables import BaselineScore, Predictions
from .cut import BaselineCuts

__all__ = ["LeftOutSource", "left_out_sources", "sources_of_folds"]


class LeftOutSource(BaseModel):
    """One label on the films of one source that was left out of the training.

    What needs films that the source does not have is None: not measurable. Fewer than 30 patients: not estimable, None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    """Which source."""
    label: str
    """Which label."""
    positive: Side
    """Its films with the label."""
    negative: Side
    """Its films without."""
    recall: dict[str, Score] | None
    """By predictor, then by baseline; None: fewer than 30 patients with the label."""
    specificity: dict[str, Score] | None
    """The same; None: fewer than 30 patients without the label."""
    auroc: dict[str, Score] | None
    """The same; None: fewer than 30 patients on one side."""

    def why_not(self, side: Side) -> str:
        """Return why a number of a side is missing: ``not measurable`` without films, else ``not estimable``."""
        return "not measurable" if not side.films else "not estimable"


def sources_of_folds(predictions: Predictions) -> dict[str, str]:
    """Return the source that each fold left out, by fold; empty where folds are not those of sources."""
    tested: dict[str, set[str]] = {}
    for fold, film in zip(predictions.folds, predictions.films, strict=True):
        tested.setdefault(fold, set()).add(film.main_source)
    if len(tested) < 2 or any(len(sources) != 1 for sources in tested.values()):
        return {}
    found = {fold: next(iter(sources)) for fold, sources in tested.items()}
    return found if len(set(found.values())) == len(found) and "" not in found.values() else {}


def left_out_sources(
    predictions: Predictions, baselines: Sequence[BaselineScore], cuts: BaselineCuts, resampling: Resampling
) -> tuple[LeftOutSource, ...]:
    """Score each source by networks and baselines that were fitted on the others.

    Parameters
    ----------
    predictions : Predictions
        Of folds that left out one source each; of others the result is empty.
    baselines : sequence of BaselineScore
        Those that were fitted for each label against the rest in all films stand beside the networks.
    cuts : BaselineCuts
        Thresholds of the baselines.
    resampling : Resampling
        Of these predictions.

    Returns
    -------
    tuple of LeftOutSource
        By source, then by label.
    """
    result = []
    folds = np.asarray(predictions.folds)
    truth = predictions.truth().astype(np.float64)
    networks = predictors_of(predictions)
    for fold, source in sources_of_folds(predictions).items():
        for index, label in enumerate(predictions.head.labels):
            rows = np.flatnonzero((folds == fold) & ~np.isnan(truth[:, index]))
            answers = {one.name: (one.scores[rows, index], one.called[rows, index]) for one in networks}
            files = [predictions.films[row].file for row in rows]
            answers |= _baselines(Comparison(label.name).name, fold, files, baselines, cuts)
            result.append(_score((source, label.name), predictions, truth[:, index], rows, answers, resampling))
    return tuple(result)


_Answers = Mapping[str, tuple[Floats, NDArray[np.bool_]]]


def _baselines(
    comparison: str, fold: str, files: Sequence[str], baselines: Sequence[BaselineScore], cuts: BaselineCuts
) -> dict[str, tuple[Floats, NDArray[np.bool_]]]:
    limits = {cut.predictor: cut.threshold for cut in cuts.cuts if (cut.comparison, cut.fold) == (comparison, fold)}
    scores: dict[str, dict[str, float]] = {}
    for one in baselines:
        if (one.comparison, one.fold) == (comparison, fold):
            scores.setdefault(one.predictor, {})[one.file] = one.score
    found = {}
    for name, by_file in scores.items():
        if name in limits and all(file in by_file for file in files):
            values = np.asarray([by_file[file] for file in files], dtype=np.float64)
            found[name] = (values, values >= limits[name])
    return found


def _score(
    which: tuple[str, str],
    predictions: Predictions,
    truth: Floats,
    rows: NDArray[np.intp],
    answers: _Answers,
    resampling: Resampling,
) -> LeftOutSource:
    positive, negative = sides_of([predictions.films[row] for row in rows], truth[rows])
    yes = truth[rows] == 1

    def weighed(one: tuple[Floats, NDArray[np.bool_]]) -> tuple[Score, Score, Score]:
        def under(weights: Floats) -> Floats:
            cells = counts(weights[:, rows], yes, one[1])
            recall = ratio(cells["tp"], cells["tp"] + cells["fn"])
            specificity = ratio(cells["tn"], cells["tn"] + cells["fp"])
            return np.stack([recall, specificity, auroc(weights[:, rows], yes, one[0])], axis=1)

        recall, specificity, area = (resampling.score(values) for values in resampling.weigh(under).T)
        return recall, specificity, area

    found = {name: weighed(one) for name, one in answers.items()}
    enough = (positive.patients >= MINIMUM_PATIENTS, negative.patients >= MINIMUM_PATIENTS)
    return LeftOutSource(
        source=which[0],
        label=which[1],
        positive=positive,
        negative=negative,
        recall={name: one[0] for name, one in found.items()} if enough[0] else None,
        specificity={name: one[1] for name, one in found.items()} if enough[1] else None,
        auroc={name: one[2] for name, one in found.items()} if all(enough) else None,
    )
