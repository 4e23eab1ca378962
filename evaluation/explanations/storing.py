"""Keep the tables of an audit as small text files that a repository can hold and a diff can show.

Numbers have six significant digits: more than any of them is good for, and the same on every machine.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, TypeVar

from ..errors import TableError
from ..storing import read_record, write_record, write_text
from .average_mask import AVERAGE_MASK
from .tables import Agreed, AuditHead, AuditTables, Failed, Measured

__all__ = ["DIGITS", "read_audit_tables", "rounded", "write_audit_tables"]

DIGITS = 6
"""Significant digits of every stored number."""

_HEAD, _MEASURED, _AGREED, _FAILED = "audit.json", "measurements.csv", "agreement.csv", "failures.csv"

Row = TypeVar("Row", Measured, Agreed, Failed)


def rounded(value: float) -> float:
    """Return a number as it is stored."""
    return float(f"{value:.{DIGITS}g}")


def write_audit_tables(tables: AuditTables, folder: Path) -> None:
    """Write ``audit.json``, ``measurements.csv``, ``agreement.csv`` and ``failures.csv``.

    Rows are put in order (films as in the head, then networks, methods and labels, then by name), so that the same
    tables are the same files. Line breaks in reasons become spaces.

    Raises
    ------
    TableError
        If a number is not finite, or the files cannot be written.
    """
    head = tables.head
    order = _Order(head)
    measured = sorted(
        tables.measured, key=lambda row: order.of(row.file, row.network, row.method, row.label, row.quantity)
    )
    agreed = sorted(
        tables.agreed,
        key=lambda row: (
            *order.of(row.file, "", "", row.label, row.between),
            order.any(row.of),
            order.any(row.first),
            order.any(row.second),
            row.quantity,
        ),
    )
    failed = sorted(tables.failed, key=lambda row: order.of(row.file, row.network, row.method, row.label, row.what))
    numbers: list[Measured | Agreed] = [*measured, *agreed]
    wrong = [f"{row.file} {row.quantity} is {row.value}" for row in numbers if not math.isfinite(row.value)]
    if wrong:
        raise TableError(folder, wrong)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(_csv(Measured, measured), folder / _MEASURED)
        write_text(_csv(Agreed, agreed), folder / _AGREED)
        write_text(_csv(Failed, failed), folder / _FAILED)
        write_record(head, folder / _HEAD)
    except OSError as error:
        raise TableError(folder, [f"cannot be written: {error.strerror or error}"]) from error


def read_audit_tables(folder: Path) -> AuditTables:
    """Read what `write_audit_tables` wrote.

    Raises
    ------
    TableError
        If a file is not there or not what it should be: all that is wrong with it, with the lines.
    """
    head = read_record(AuditHead, folder / _HEAD)
    films = {film.file for film in head.films}
    labels, networks = {label.name for label in head.labels}, set(head.networks)
    methods, quantities = {method.name for method in head.methods}, {quantity.name for quantity in head.quantities}
    seen: set[tuple[str, ...]] = set()

    def check(row: Measured | Agreed) -> Iterable[str]:
        named = [("film", {row.file}, films), ("label", {row.label}, labels)]
        if isinstance(row, Agreed):
            of_networks = row.between == "networks"
            named.append(("network", {row.first, row.second} if of_networks else {row.of}, networks))
            named.append(("method", {row.of} if of_networks else {row.first, row.second}, methods))
        else:
            # The average mask is nobody's map, and the same for all networks.
            of_average = row.method == AVERAGE_MASK
            named.append(("network", {row.network} - ({""} if of_average else set()), networks))
            named.append(("method", {row.method} - ({AVERAGE_MASK} if of_average else set()), methods))
            named.append(("quantity", {row.quantity}, quantities))
        for kind, names, known in named:
            yield from (f"{_HEAD} knows no {kind} {name!r}" for name in sorted(names - known))
        if not math.isfinite(row.value):
            yield f"the value is {row.value}"
        if (key := astuple(row)[:-1]) in seen:
            yield "it is there twice"
        seen.add(key)

    measured, agreed = _read(Measured, folder / _MEASURED), _read(Agreed, folder / _AGREED)
    numbers: list[tuple[str, int, Measured | Agreed]] = [(_MEASURED, line, row) for line, row in measured]
    numbers += [(_AGREED, line, row) for line, row in agreed]
    problems = [f"{name} line {line}: {problem}" for name, line, row in numbers for problem in check(row)]
    if problems:
        raise TableError(folder, problems)
    failed = _read(Failed, folder / _FAILED)
    return AuditTables(
        head,
        tuple(row for _, row in measured),
        tuple(row for _, row in agreed),
        tuple(row for _, row in failed),
    )


class _Order:
    """Where things stand in the head; what it does not know comes last, by name."""

    def __init__(self, head: AuditHead) -> None:
        self._films = {film.file: place for place, film in enumerate(head.films)}
        names = [*head.networks, *(method.name for method in head.methods), *(label.name for label in head.labels)]
        self._names = {name: place for place, name in enumerate(names)}

    def any(self, name: str) -> tuple[int, str]:
        return (self._names.get(name, len(self._names)) if name else -1, name)

    def of(self, file: str, network: str, method: str, label: str, last: str) -> tuple[Any, ...]:
        place = (self._films.get(file, len(self._films)) if file else -1, file)
        return (place, self.any(network), self.any(method), self.any(label), last)


def _csv(kind: type[Row], rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(kind)])
    for row in rows:
        cells = [
            f"{cell:.{DIGITS}g}" if isinstance(cell, float) else " ".join(str(cell).split()) for cell in astuple(row)
        ]
        writer.writerow(cells)
    return text.getvalue()


def _read(kind: type[Row], path: Path) -> list[tuple[int, Row]]:
    names = [field.name for field in fields(kind)]
    rows: list[tuple[int, Row]] = []
    problems = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            if header != names:
                raise TableError(path, [f"the columns must be {', '.join(names)}, not {', '.join(header) or 'none'}"])
            for cells in reader:
                try:
                    rows.append((reader.line_num, _row(kind, names, cells)))
                except ValueError as error:  # noqa: PERF203  - each is told
                    problems.append(f"line {reader.line_num}: {error}")
    except OSError as error:
        raise TableError(path, [f"cannot be read: {error.strerror}"]) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableError(path, [f"is no table: {error}"]) from error
    if problems:
        raise TableError(path, problems)
    return rows


def _row(kind: type[Row], names: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) != len(names):
        raise ValueError(f"{len(cells)} values in {len(names)} columns")
    values: dict[str, Any] = dict(zip(names, cells, strict=True))
    if "value" in values:
        values["value"] = float(values["value"])
    return kind(**values)
