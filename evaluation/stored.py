"""The folder of tables: all that an evaluation is computed from, and all that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from .agreement import Agreement
from .comparisons import Comparison
from .shortcuts.audit import AuditTables
from .shortcuts.audit_storing import read_audit, write_audit
from .storing import (
    read_baselines,
    read_predictions,
    read_record,
    write_baselines,
    write_predictions,
    write_record,
)
from .tables import BaselineScore, Predictions

__all__ = ["Asked", "Tables", "read_tables", "write_tables"]


class Asked(BaseModel):
    """``asked.json``: what was asked of the tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    comparisons: tuple[Comparison, ...]
    """Which films against which."""
    resamples: int = Field(default=2000, ge=100)
    """Of the bootstrap."""
    seed: int = Field(default=0, ge=0)
    """Of the bootstrap."""


@dataclass(frozen=True, eq=False)
class Tables:
    """Everything that is stored.

    Parameters
    ----------
    predictions : Predictions
        ``predictions.csv`` and ``predictions.json``.
    baselines : sequence of BaselineScore
        ``baselines.csv``; none without X-rays.
    asked : Asked
        ``asked.json``.
    agreement : Agreement, optional
        ``agreement.json``; only where answers were computed both offline and by the served ensemble.
    audit : AuditTables, optional
        ``audit.json`` and what `write_audit` puts beside it; none without X-rays.
    """

    predictions: Predictions
    baselines: Sequence[BaselineScore]
    asked: Asked
    agreement: Agreement | None = None
    audit: AuditTables | None = None


def write_tables(tables: Tables, folder: Path) -> None:
    """Write the tables; what is of an earlier evaluation and is not there now is removed.

    Raises
    ------
    TableError
        If they cannot be stored.
    """
    write_predictions(tables.predictions, folder)
    write_record(tables.asked, folder / "asked.json")
    if tables.baselines:
        write_baselines(tables.baselines, folder / "baselines.csv")
    else:
        (folder / "baselines.csv").unlink(missing_ok=True)
    if tables.agreement is not None:
        write_record(tables.agreement, folder / "agreement.json")
    else:
        (folder / "agreement.json").unlink(missing_ok=True)
    write_audit(tables.audit, folder)


def read_tables(folder: Path) -> Tables:
    """Read the tables of a folder.

    Raises
    ------
    TableError
        If one is missing or not what it should be.
    """
    baselines, agreement = folder / "baselines.csv", folder / "agreement.json"
    return Tables(
        predictions=read_predictions(folder),
        baselines=read_baselines(baselines) if baselines.exists() else (),
        asked=read_record(Asked, folder / "asked.json"),
        agreement=read_record(Agreement, agreement) if agreement.exists() else None,
        audit=read_audit(folder),
    )
