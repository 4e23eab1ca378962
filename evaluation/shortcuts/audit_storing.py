"""Keep the tables of an audit beside those of the evaluation."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..storing import read_baselines, read_predictions, read_record, write_baselines, write_predictions, write_record
from .audit import AuditNotes, AuditTables

__all__ = ["read_audit", "write_audit"]

_NOTES, _SOURCES, _HIDDEN = "audit.json", "sources.csv", "centre_hidden"


def write_audit(tables: AuditTables | None, folder: Path) -> None:
    """Write ``audit.json``, ``sources.csv`` and the folder ``centre_hidden``; what is not there now is removed.

    Raises
    ------
    TableError
        If they cannot be stored.
    """
    for name in (_NOTES, _SOURCES):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / _HIDDEN, ignore_errors=True)
    if tables is None:
        return
    if tables.centre_hidden is not None:
        write_predictions(tables.centre_hidden, folder / _HIDDEN)
    if tables.sources:
        write_baselines(tables.sources, folder / _SOURCES)
    write_record(tables.notes, folder / _NOTES)


def read_audit(folder: Path) -> AuditTables | None:
    """Read what `write_audit` wrote; None where there was no audit.

    Raises
    ------
    TableError
        If a table is not what it should be.
    """
    if not (folder / _NOTES).exists():
        return None
    sources, hidden = folder / _SOURCES, folder / _HIDDEN
    return AuditTables(
        read_record(AuditNotes, folder / _NOTES),
        read_predictions(hidden) if hidden.is_dir() else None,
        read_baselines(sources) if sources.exists() else (),
    )
