"""Numbers as a table that people read: a line for each map, or pair of maps, and a column for each quantity.

A line for each number would say the names of film, network, method and label two dozen times: seven times the bytes.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from typing import TypeVar, cast

from ..errors import TableError
from .tables import Agreed, Failed, Measured

__all__ = ["DIGITS", "read_numbers", "read_rows", "significant", "write_numbers", "write_rows"]

DIGITS = 6
"""Significant digits of every stored number: more than any of them is good for, and the same on every machine."""

_OLD = ["quantity", "value"]
"""The last columns of tables that have a line for each number."""

Number = TypeVar("Number", Measured, Agreed)


def significant(value: float) -> float:
    """Return a number as it is stored."""
    return float(_cell(value))


def write_numbers(kind: type[Number], rows: Sequence[Number], quantities: Sequence[str], path: Path) -> str:
    """Return numbers as text: what they are about, then the quantities that any of them has.

    Parameters
    ----------
    kind : type
        Of the rows.
    rows : sequence of Measured, or of Agreed
        In the order of the lines; those of one line need not be together.
    quantities : sequence of str
        In the order of the columns; any other comes after them, by name.
    path : Path
        For the error.

    Raises
    ------
    TableError
        If a number is not finite, or is there twice.
    """
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    problems = []
    for row in rows:
        about: tuple[str, ...] = tuple(vars(row).values())[:-2]
        cells = lines.setdefault(about, {})
        if not math.isfinite(row.value):
            problems.append(f"{row.file} {row.quantity} is {row.value}")
        if row.quantity in cells:
            problems.append(f"{', '.join(about)}: {row.quantity} is there twice")
        cells[row.quantity] = _cell(row.value)
    if problems:
        raise TableError(path, problems)
    there: set[str] = {quantity for cells in lines.values() for quantity in cells}
    columns: list[str] = [*(quantity for quantity in quantities if quantity in there), *sorted(there - set(quantities))]
    return _csv(
        [
            [*_about(kind), *columns],
            *([*of, *(cells.get(name, "") for name in columns)] for of, cells in lines.items()),
        ]
    )


def read_numbers(kind: type[Number], path: Path) -> list[tuple[int, Number]]:
    """Read what `write_numbers` wrote, each number with its line.

    Raises
    ------
    TableError
        If it is no such table: all that is wrong with it, with the lines.
    """
    about, make = _about(kind), cast("Callable[..., Number]", kind)
    found: list[tuple[int, Number]] = []
    problems = []
    with _lines(path) as (header, lines):
        quantities = header[len(about) :]
        if quantities == _OLD:
            raise TableError(path, ["it has a line for each number, as older releases wrote, and not one for each map"])
        if header[: len(about)] != about or len(set(quantities)) < len(quantities):
            wanted = f"{', '.join(about)} and different quantities"
            raise TableError(path, [f"the columns must be {wanted}, not {', '.join(header) or 'none'}"])
        for line, cells in lines:
            if len(cells) != len(header):
                problems.append(f"line {line}: {len(cells)} values in {len(header)} columns")
                continue
            names, values = cells[: len(about)], cells[len(about) :]
            for quantity, text in zip(quantities, values, strict=True):
                if not text:
                    continue
                try:
                    found.append((line, make(*names, quantity, float(text))))
                except ValueError:
                    problems.append(f"line {line}: {quantity} is no number: {text!r}")
    if problems:
        raise TableError(path, problems)
    return found


def write_rows(rows: Sequence[Failed]) -> str:
    """Return what is missing as text, a line for each; line breaks in reasons become spaces."""
    cells = [[*names, " ".join(reason.split())] for *names, reason in map(astuple, rows)]
    return _csv([[field.name for field in fields(Failed)], *cells])


def read_rows(path: Path) -> tuple[Failed, ...]:
    """Read what `write_rows` wrote.

    Raises
    ------
    TableError
        If it is no such table: all that is wrong with it, with the lines.
    """
    names = [field.name for field in fields(Failed)]
    rows, problems = [], []
    with _lines(path) as (header, lines):
        if header != names:
            raise TableError(path, [f"the columns must be {', '.join(names)}, not {', '.join(header) or 'none'}"])
        for line, cells in lines:
            if len(cells) != len(names):
                problems.append(f"line {line}: {len(cells)} values in {len(names)} columns")
            else:
                rows.append(Failed(*cells))
    if problems:
        raise TableError(path, problems)
    return tuple(rows)


def _about(kind: type[Number]) -> list[str]:
    """Name the columns that say what a number is about: all but ``quantity`` and ``value``."""
    return [field.name for field in fields(kind)][:-2]


@contextmanager
def _lines(path: Path) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            text = file.read()
        if text and not text.endswith("\n"):  # half a number would be another one
            raise TableError(path, ["the end of its last line is missing: it was cut off"])
        reader = csv.reader(io.StringIO(text, newline=""))
        header = next(reader, [])
        yield header, ((reader.line_num, cells) for cells in reader)
    except OSError as error:
        raise TableError(path, [f"cannot be read: {error.strerror}"]) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableError(path, [f"is no table: {error}"]) from error


def _csv(lines: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _cell(value: float) -> str:
    return f"{value:.{DIGITS}g}"
