"""Everything of an audit that needs pixels, as tables; every number of its reports comes from these."""

from __future__ import annotations

from collections.abc import Sequence

from ...datasets import DataSet
from ..comparisons import Comparison
from ..networks import Outputs, run_networks
from ..predicting import TESTED, Answered, join, predict
from ..progress import Progress, silent
from ..tables import BaselineScore, Predictions
from ..trainings import Training
from .audit import AuditTables
from .baselines import measure_baselines
from .errors import NotApplicable
from .glance import glance_at
from .hidden_centre import hide_centre
from .source_classifier import source_scores

__all__ = ["measure"]

FILM_SEEN = "film, 16 x 16"
"""What the source is told from, beside the networks' features: the film as networks get it, shrunk."""


def measure(
    trainings: Sequence[Training], data_set: DataSet, comparisons: Sequence[Comparison], progress: Progress = silent
) -> tuple[Predictions, tuple[BaselineScore, ...], AuditTables]:
    """Run networks and baselines on the tested films, and the source classifiers.

    The networks run once over training and tested films, for logits and features in one pass, and once over the tested
    films with their centre hidden.

    Parameters
    ----------
    trainings : sequence of Training
        What is evaluated.
    data_set : DataSet
        What the films are of.
    comparisons : sequence of Comparison
        What baselines are fitted for. Labels against the rest in all films (`Comparison(label)`) belong to it.
    progress : callable
        Told how far it is.

    Returns
    -------
    tuple of Predictions, tuple of BaselineScore, AuditTables
        Of the networks, of the baselines, and what else the audit needs.

    Raises
    ------
    EvaluationError, CardError, RepositoryError
        As `predict`.
    """
    folds = [training.fold for training in trainings]
    glances = glance_at((film for fold in folds for film in (*fold.train, *fold.validation, *fold.tested)), progress)
    baselines = measure_baselines(folds, comparisons, glances, progress)
    whole = {file: glance.whole for file, glance in glances.items()}
    sources: list[BaselineScore] = []
    refusals: dict[str, str] = {}
    answers = []
    for position, training in enumerate(trainings, 1):
        trained, fold = training.load(), training.fold
        films = (*fold.tested, *fold.train)
        task = "networks" if len(trainings) == 1 else f"networks, fold {position} of {len(trainings)}"
        outputs = run_networks(trained.networks, films, features=True, progress=progress, task=task)
        answers.append(Answered(training, trained, fold.tested, _first(outputs, len(fold.tested))))
        inputs = {FILM_SEEN: whole}
        for name, one in outputs.items():
            seen = f"{name}, features"
            if one.features is None:
                refusals[seen] = one.refusal
            else:
                inputs[seen] = dict(zip((film.file for film in films), one.features, strict=True))
        for done, (seen, values) in enumerate(inputs.items(), 1):
            try:
                sources += source_scores(fold, seen, values)
            except NotApplicable as reason:
                refusals[seen] = str(reason)
            progress("sources", done, len(inputs))
    hidden = predict(trainings, data_set, TESTED, progress, change=hide_centre, task="centre hidden")
    return join(answers, data_set), baselines.scores, AuditTables(baselines.notes(refusals), hidden, sources)


def _first(outputs: dict[str, Outputs], count: int) -> dict[str, Outputs]:
    return {name: Outputs(one.logits[:count]) for name, one in outputs.items()}
