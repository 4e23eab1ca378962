"""From X-rays and networks to the tables of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from ..client.local_server import local_server
from ..datasets import DataSet
from ..handlers.repository import Repository
from .agreement import ServedAnswers, agree
from .default_comparisons import default_comparisons, parse_comparison
from .errors import EvaluationError
from .folds import Fold, one_fold
from .predicting_served import predict_served
from .progress import Progress
from .shortcuts.audit import AuditTables
from .shortcuts.baselines import measure_baselines
from .shortcuts.glance import glance_at
from .shortcuts.measuring import measure
from .stored import Asked, Tables
from .tables import Predictions
from .trainings import Training, training_of_repository, trainings_of_runs

__all__ = ["Networks", "measure_tables"]


@dataclass(frozen=True)
class Networks:
    """Which networks are evaluated, and which ways they are asked.

    Parameters
    ----------
    runs : sequence of Path
        Finished runs of the training.
    repository : Path, optional
        A model repository: its newest set, where there are no runs; and what a server that is started here serves.
    address : str, optional
        A running server.
    served : bool
        Whether to start a server and ask it too.
    """

    runs: Sequence[Path] = ()
    repository: Path | None = None
    address: str | None = None
    served: bool = False

    def __post_init__(self) -> None:
        if self.served and self.address is None and self.repository is None:
            raise EvaluationError("to start a server, name what it serves: --repository")
        if not self.runs and self.repository is None and not self.asks_server:
            raise EvaluationError("nothing to evaluate: name a run, --repository or --address")

    @property
    def asks_server(self) -> bool:
        """Whether a served ensemble is asked."""
        return self.served or self.address is not None

    def trainings(self, data_set: DataSet) -> tuple[Training, ...]:
        """Return the trainings whose networks run here; none where a server alone is asked."""
        if self.runs:
            return trainings_of_runs(self.runs, data_set)
        if self.repository is None:
            return ()
        repository = Repository(self.repository)
        versions = repository.set_versions()
        if not versions:
            raise EvaluationError(f"{self.repository} holds no model set")
        return (training_of_repository(repository, max(versions), data_set),)


def measure_tables(
    networks: Networks,
    data_set: DataSet,
    compare: Sequence[str],
    resamples: int,
    seed: int,
    console: Console,
    progress: Progress,
) -> Tables:
    """Run networks and baselines on the tested films.

    Parameters
    ----------
    networks : Networks
        Whom to ask.
    data_set : DataSet
        The films; those of the split ``test`` (of each training) are tested.
    compare : sequence of str
        Comparisons beside the default ones, as `parse_comparison` reads them.
    resamples, seed : int
        Of the bootstrap.
    console : Console
        Where a server that is started shows itself.
    progress : callable
        Told how far it is.

    Returns
    -------
    Tables
        To be stored.

    Raises
    ------
    EvaluationError
        If something is not as it must be; nothing was computed then, as far as that can be known before.
    """
    trainings = networks.trainings(data_set)
    known = [label.name for label in data_set.labels]
    labels = [name for name in known if all(name in training.labels for training in trainings)]
    if not labels:
        raise EvaluationError(f"the networks know none of the labels of {data_set.path}: {', '.join(known)}")
    asked = [parse_comparison(text, labels) for text in compare]
    folds: tuple[Fold, ...] = tuple(training.fold for training in trainings) or (one_fold(data_set),)
    tested = [film for fold in folds for film in fold.tested]
    if not tested:
        raise EvaluationError(f"{data_set.path} has no films to test (split test)")
    if networks.asks_server and len(trainings) > 1:
        raise EvaluationError("a server serves one training: evaluate one run, or leave the server out")
    comparisons = tuple(dict.fromkeys([*default_comparisons(tested, labels), *asked]))
    predictions, baselines, audit = None, None, None
    if trainings:
        predictions, baselines, audit = measure(trainings, data_set, comparisons, progress)
    agreement = None
    if networks.asks_server:
        films = trainings[0].films if trainings else data_set.films  # as the training split them
        own = tuple(label for label in data_set.labels if label.name in labels)
        asked_set = replace(data_set, films=films, labels=own)
        served, answers = _ask_server(networks, asked_set, console, progress)
        agreement = agree(predictions, answers) if predictions is not None else None
        predictions = served if predictions is None else predictions
    if predictions is None:
        raise EvaluationError("nothing to evaluate")
    if baselines is None:
        glances = glance_at((f for fold in folds for f in (*fold.train, *fold.validation, *fold.tested)), progress)
        measured = measure_baselines(folds, comparisons, glances, progress)
        baselines, audit = measured.scores, AuditTables(measured.notes(), None, ())
    wanted = Asked(comparisons=comparisons, resamples=resamples, seed=seed)
    return Tables(predictions, baselines, wanted, agreement, audit)


def _ask_server(
    networks: Networks, data_set: DataSet, console: Console, progress: Progress
) -> tuple[Predictions, ServedAnswers]:
    if networks.address is not None:
        return predict_served(networks.address, data_set, progress=progress)
    with local_server(networks.repository, console) as address:
        return predict_served(address, data_set, progress=progress)
