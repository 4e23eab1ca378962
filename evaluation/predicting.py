"""Logits of networks on films that they were not trained on, computed here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np

from ..datasets import DataSet, Film, Split
from ..handlers import XRay
from ..handlers.card import DataRecord
from .errors import EvaluationError
from .networks import Outputs, run_networks
from .progress import Progress, silent
from .tables import Predictions, PredictionsHead
from .trained import TrainedSet
from .trainings import Training

__all__ = ["TESTED", "Answered", "join", "predict"]


TESTED: tuple[Split, ...] = ("test",)
"""The films that scores are of."""


@dataclass(frozen=True, eq=False)
class Answered:
    """What the networks of one training answered.

    Parameters
    ----------
    training : Training
        Which.
    trained : TrainedSet
        Its networks, and how they decide.
    films : tuple of Film
        What they were asked.
    outputs : mapping of str to Outputs
        By network.
    """

    training: Training
    trained: TrainedSet
    films: tuple[Film, ...]
    outputs: Mapping[str, Outputs]


def predict(
    trainings: Sequence[Training],
    data_set: DataSet,
    splits: Collection[Split] = TESTED,
    progress: Progress = silent,
    *,
    change: Callable[[XRay], XRay] | None = None,
    task: str = "networks",
) -> Predictions:
    """Run the networks of trainings, each on the films that it left out.

    Parameters
    ----------
    trainings : sequence of Training
        Which.
    data_set : DataSet
        What the films are of.
    splits : collection of str
        Which of the films, by the splits that they had in the training.
    progress : callable
        Told how many films are done.
    change : callable, optional
        What happens to a decoded film before it is preprocessed, such as `hide_centre`.
    task : str
        What to call it in `progress`.

    Returns
    -------
    Predictions
        One row for each film and fold. Films carry the split that they had in their fold.

    Raises
    ------
    EvaluationError
        If a run cannot be read, was trained on another manifest, the folds do not have the same networks and labels,
        or films cannot be read.
    CardError, RepositoryError
        If a model set is damaged, or one of its networks has no TorchScript copy.
    """
    answers = []
    for position, training in enumerate(trainings, 1):
        trained = training.load()
        films = tuple(film for film in training.films if film.split in splits)
        called = task if len(trainings) == 1 else f"{task}, fold {position} of {len(trainings)}"
        outputs = run_networks(trained.networks, films, change=change, progress=progress, task=called)
        answers.append(Answered(training, trained, films, outputs))
    return join(answers, data_set)


def join(answers: Sequence[Answered], data_set: DataSet) -> Predictions:
    """Put what the networks of several trainings answered into one table.

    Raises
    ------
    EvaluationError
        If they do not have the same networks and labels.
    """
    first = answers[0].trained
    names = [network.name for network in first.networks]
    for answered in answers:
        if [network.name for network in answered.trained.networks] != names:
            raise EvaluationError(
                f"fold {answered.training.name} does not have the networks of {answers[0].training.name}"
            )
        if _question(answered.trained) != _question(first):
            raise EvaluationError(
                f"fold {answered.training.name} does not have the labels of {answers[0].training.name}"
            )
    head = PredictionsHead(
        data=DataRecord(name=data_set.name, checksum=data_set.checksum),
        labels=first.labels,
        decisions={one.training.name: dict(one.trained.decisions) for one in answers},
        mean_thresholds={one.training.name: one.trained.mean_thresholds for one in answers},
        train_films={one.training.name: len(one.training.fold.train) for one in answers},
        created=datetime.now(timezone.utc),
        versions=first.versions,
    )
    return Predictions(
        head,
        tuple(film for one in answers for film in one.films),
        tuple(one.training.name for one in answers for _ in one.films),
        {name: np.concatenate([one.outputs[name].logits for one in answers]) for name in names},
    )


def _question(trained: TrainedSet) -> list[tuple[str, str | None]]:
    return [(label.name, label.implies) for label in trained.labels]
