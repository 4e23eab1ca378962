"""What an evaluation of a run found, for the cards of its networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..handlers.ensemble_card import EnsembleFacts
from ..handlers.evaluated import EvaluationOfSet
from ..handlers.origin import ThresholdRecord
from .errors import RunError
from .export import Exportable
from .record import RunRecord, read_document

__all__ = ["EVALUATION", "ensemble_facts", "read_evaluation", "with_evaluation"]

EVALUATION = Path("evaluation") / "for_cards.json"
"""In a run's folder: what ``radiolucent evaluate`` leaves there."""


def read_evaluation(run: Path) -> EvaluationOfSet | None:
    """Read the evaluation of a run; None where there is none.

    Raises
    ------
    RunError
        If it is there and is not one.
    """
    path = run / EVALUATION
    return read_document(EvaluationOfSet, path) if path.is_file() else None


def with_evaluation(networks: list[Exportable], evaluation: EvaluationOfSet | None, run: Path) -> list[Exportable]:
    """Give networks what was found of them.

    Parameters
    ----------
    networks : list of Exportable
        Of the run.
    evaluation : EvaluationOfSet, optional
        Of the run; None leaves the networks as they are.
    run : Path
        The run's folder, for the error's text.

    Raises
    ------
    RunError
        If it is the evaluation of other networks.
    """
    if evaluation is None:
        return networks
    names = [item.name for item in networks]
    if set(evaluation.networks) != set(names):
        raise RunError(
            f"{run / EVALUATION}: is of {', '.join(evaluation.networks)}, the run of {', '.join(names)}: evaluate it again"
        )
    return [replace(item, evaluation=evaluation.networks[item.name]) for item in networks]


def ensemble_facts(record: RunRecord, evaluation: EvaluationOfSet | None) -> EnsembleFacts:
    """Return what the card of a run's ensemble says beside what its networks' cards say."""
    return EnsembleFacts(
        thresholds=tuple(
            ThresholdRecord(label=label.name, value=value, chosen_by="largest F1", split="val")
            for label, value in zip(record.settings.labels, record.mean_thresholds, strict=True)
        ),
        metrics={**record.majority, "thumbnail_ridge_micro_f1": record.thumbnail_ridge["micro_f1"]},
        evaluation=evaluation.ensemble if evaluation is not None else None,
    )
