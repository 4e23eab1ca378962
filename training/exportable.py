"""From a finished run to networks that can be exported."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch

from ..handlers.card import InputSpec, TrainingRecord
from .errors import RunError
from .export import Exportable
from .networks import NETWORKS, build_network
from .record import NetworkResult, RunRecord, read_document

__all__ = ["load_run"]


def load_run(folder: Path) -> list[Exportable]:
    """Load the networks of a finished run, in the order in which answers list them.

    Parameters
    ----------
    folder : Path
        The run's folder.

    Raises
    ------
    RunError
        If it is not a finished run.
    """
    if not (folder / "run.json").is_file():
        state = "unfinished: run the same train command again" if (folder / "settings.json").is_file() else "no run"
        raise RunError(f"{folder} holds {state}")
    record = read_document(RunRecord, folder / "run.json")
    return [_load_one(folder, record, result) for result in record.networks]


def _load_one(folder: Path, record: RunRecord, result: NetworkResult) -> Exportable:
    settings = record.settings
    network = build_network(result.name, len(settings.labels))
    weights = settings.networks[result.name].weights
    path = folder / result.name / "weights.pt"
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise RunError(f"{path}: cannot be loaded") from error
    return Exportable(
        name=result.name,
        title=NETWORKS[result.name].title,
        network=network.eval(),
        labels=tuple(
            label.model_copy(update={"threshold": threshold})
            for label, threshold in zip(settings.labels, result.limits, strict=True)
        ),
        input=InputSpec(size=settings.networks[result.name].size),
        training=TrainingRecord(
            preset=settings.preset,
            data=settings.data,
            epochs=result.epochs,
            steps=result.steps,
            seed=settings.seed,
            initial_weights={"none": "random"}.get(weights, Path(weights).name),
            seconds=result.seconds,
        ),
        # What the thumbnail scores on the same films belongs beside every score.
        metrics={**result.test, "thumbnail_ridge_micro_f1": record.thumbnail_ridge["micro_f1"]},
        brightness=record.brightness,
    )
