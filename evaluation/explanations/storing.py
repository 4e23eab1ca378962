"""Keep the tables of an audit as small text files that a repository can hold and a diff can show."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import TableError
from ..storing import read_record, write_record, write_text
from .average_mask import AVERAGE_MASK
from .number_tables import read_numbers, read_rows, write_numbers, write_rows
from .tables import Agreed, AuditHead, AuditTables, Measured

__all__ = ["is_audit", "read_audit_tables", "write_audit_tables"]

_HEAD, _MEASURED, _AGREED, _FAILED = "audit.json", "measurements.csv", "agreement.csv", "failures.csv"


def is_audit(folder: Path) -> bool:
    """Tell whether a folder of tables is an audit's of explanations, and not an evaluation's."""
    return (folder / _MEASURED).is_file()


def write_audit_tables(tables: AuditTables, folder: Path) -> None:
    """Write ``audit.json``, ``measurements.csv``, ``agreement.csv`` and ``failures.csv``.

    Rows are put in order (films as in the head, then networks, methods and labels, then by name), so that the same
    tables are the same files.

    Raises
    ------
    TableError
        If a number is not finite or is there twice, or the files cannot be written.
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
    quantities = [quantity.name for quantity in head.quantities]
    texts = {
        _MEASURED: write_numbers(Measured, measured, quantities, folder / _MEASURED),
        _AGREED: write_numbers(Agreed, agreed, (), folder / _AGREED),
        _FAILED: write_rows(failed),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            write_text(text, folder / name)
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
        if (key := tuple(vars(row).values())[:-1]) in seen:
            yield "it is there twice"
        seen.add(key)

    measured, agreed = read_numbers(Measured, folder / _MEASURED), read_numbers(Agreed, folder / _AGREED)
    numbers: list[tuple[str, int, Measured | Agreed]] = [(_MEASURED, line, row) for line, row in measured]
    numbers += [(_AGREED, line, row) for line, row in agreed]
    problems = [f"{name} line {line}: {problem}" for name, line, row in numbers for problem in check(row)]
    if problems:
        raise TableError(folder, problems)
    return AuditTables(
        head,
        tuple(row for _, row in measured),
        tuple(row for _, row in agreed),
        read_rows(folder / _FAILED),
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
