"""From a finished run to networks that can be exported, and to what their cards say."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..handlers.card import DataRecord, InputSpec, Label, ThresholdRecord, TrainingRecord
from ..handlers.ensemble_card import EnsembleFacts
from ..handlers.evaluated import EvaluationOfSet
from .errors import RunError
from .export import Exportable
from .networks import NETWORKS, build_network
from .record import NetworkResult, RunRecord, read_document
from .resampled import FOLDS
from .settings import NetworkSettings, RunSettings
from .thresholds import Threshold

__all__ = ["EVALUATION", "ExportableRun", "load_run"]

EVALUATION = Path("evaluation") / "for_cards.json"
"""In a run's folder: what ``radiolucent evaluate`` leaves there for the cards."""


@dataclass(frozen=True)
class ExportableRun:
    """The networks of a run and what is known of their vote.

    Parameters
    ----------
    networks : list of Exportable
        In the order in which answers list them.
    facts : EnsembleFacts
        Of their vote.
    """

    networks: list[Exportable]
    facts: EnsembleFacts

    @property
    def evaluated(self) -> bool:
        """Whether the cards will say what an evaluation and the shortcut audit found."""
        return self.facts.evaluation is not None


def load_run(folder: Path) -> ExportableRun:
    """Load the networks of a finished run, with its evaluation where there is one.

    Parameters
    ----------
    folder : Path
        The run's folder.

    Raises
    ------
    RunError
        If it is not a finished run, or its evaluation is of other networks.
    """
    if not (folder / "run.json").is_file():
        state = "unfinished: run the same train command again" if (folder / "settings.json").is_file() else "no run"
        if (folder / FOLDS).is_file():
            state = "a run for each fold: name one of the folders in it"
        raise RunError(f"{folder} holds {state}")
    record = read_document(RunRecord, folder / "run.json")
    evaluation = _read_evaluation(folder, [result.name for result in record.networks])
    facts = EnsembleFacts(
        thresholds=_thresholds(record.settings, record.mean_thresholds),
        metrics=_metrics(record, record.majority),
        evaluation=evaluation.ensemble if evaluation else None,
    )
    return ExportableRun([_load_one(folder, record, result, evaluation) for result in record.networks], facts)


def _read_evaluation(folder: Path, names: Sequence[str]) -> EvaluationOfSet | None:
    path = folder / EVALUATION
    if not path.is_file():
        return None
    evaluation = read_document(EvaluationOfSet, path)
    if set(evaluation.networks) != set(names):
        raise RunError(
            f"{path}: is of {', '.join(evaluation.networks)}, but the run has {', '.join(names)}: evaluate it again"
        )
    return evaluation


def _load_one(folder: Path, record: RunRecord, result: NetworkResult, evaluation: EvaluationOfSet | None) -> Exportable:
    settings = record.settings
    network = build_network(result.name, len(settings.labels))
    path = folder / result.name / "weights.pt"
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise RunError(f"{path}: cannot be loaded") from error
    thresholds = _thresholds(settings, result.thresholds)
    return Exportable(
        name=result.name,
        title=NETWORKS[result.name].title,
        network=network.eval(),
        labels=_labels(settings, thresholds),
        input=InputSpec(size=settings.networks[result.name].size),
        training=_training(record, result),
        metrics=_metrics(record, result.test),
        brightness=record.brightness,
        calibration=result.calibration,
        thresholds=thresholds,
        evaluation=evaluation.networks[result.name] if evaluation else None,
    )


def _labels(settings: RunSettings, thresholds: Sequence[ThresholdRecord]) -> tuple[Label, ...]:
    return tuple(
        label.model_copy(update={"threshold": threshold.value})
        for label, threshold in zip(settings.labels, thresholds, strict=True)
    )


def _metrics(record: RunRecord, test: dict[str, float]) -> dict[str, float]:
    """Put beside every score what the thumbnail scores on the same films."""
    return {**test, "thumbnail_ridge_micro_f1": record.thumbnail_ridge["micro_f1"]}


def _thresholds(settings: RunSettings, chosen: Sequence[Threshold]) -> tuple[ThresholdRecord, ...]:
    return tuple(
        ThresholdRecord(
            label=label.name,
            value=one.value,
            low=one.low,
            high=one.high,
            chosen_by=one.chosen,
            split="" if one.low is None else "val",
        )
        for label, one in zip(settings.labels, chosen, strict=True)
    )


def _training(record: RunRecord, result: NetworkResult) -> TrainingRecord:
    settings = record.settings
    network = settings.networks[result.name]
    weighed = "" if settings.imbalance is None else f", positives weighed at most {settings.imbalance:g} times"
    return TrainingRecord(
        preset=settings.preset,
        data=_data(record),
        epochs=result.epochs,
        steps=result.steps,
        seed=settings.seed,
        initial_weights={"none": "random"}.get(network.weights, Path(network.weights).name),
        seconds=result.seconds,
        best_epoch=result.best_epoch,
        optimiser={"adam": "Adam", "adamw": "AdamW"}[network.optimizer],
        learning_rate=network.learning_rate,
        weight_decay=network.weight_decay,
        schedule=_schedule(network),
        batch=network.batch,
        loss=f"binary cross entropy of known labels{weighed}",
        augmentation=", ".join(f"{name} {value}" for name, value in settings.augmentation.model_dump().items()),
        precision=settings.precision,
        films=record.films,
    )


def _data(record: RunRecord) -> DataRecord:
    return record.settings.data.model_copy(update={"splits": record.splits, "licences": record.licences})


def _schedule(network: NetworkSettings) -> str:
    if network.warm_up is None:
        return "constant"
    return f"rises over {network.warm_up:.0%} of the steps, then falls as a cosine"
