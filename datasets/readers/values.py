"""Cells of tables: rows with their lines, and what sexes, ages, sizes and views are written as."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import ManifestError

__all__ = ["FRONTAL", "age", "columns", "excess", "listed", "number", "read_csv", "sex", "yes"]

FRONTAL = ("PA", "AP", "AP Supine", "AP Erect")
"""Views of a chest from the front or the back."""

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([YMWD]?)", re.IGNORECASE)
_YEARS = {"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
_OLDEST = 120
_TRUE = ("yes", "y", "true", "1")
_FALSE = ("no", "n", "false", "0")
_EXCESS = "\0"  # no header can have it


def read_csv(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV file.

    Parameters
    ----------
    path : Path
        UTF-8, with a header.

    Returns
    -------
    list of (int, dict)
        Line of each row (its last, where a cell holds line breaks) and its cells without spaces around them. See
        `excess` for cells without a column.

    Raises
    ------
    ManifestError
        If it cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey=_EXCESS, restval="")
            return [
                (
                    reader.line_num,
                    {key.strip(): ("".join(value) if key == _EXCESS else value).strip() for key, value in row.items()},
                )
                for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(path, [f"cannot be read: {error}"]) from error


def columns(path: Path) -> tuple[str, ...]:
    """Return the header of a CSV file; empty where there is none.

    Raises
    ------
    ManifestError
        If it cannot be read, or two columns have one name: which of them counts would be chance.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            names = tuple(name.strip() for name in next(csv.reader(file), []))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(path, [f"cannot be read: {error}"]) from error
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise ManifestError(path, [f"line 1: column {name!r} is there twice" for name in twice])
    return names


def excess(cells: Mapping[str, str]) -> list[str]:
    """Return what is wrong with a row that has more cells than there are columns: its cells may all be shifted."""
    return (
        ["has more cells than the header has columns: put a cell with a comma in quotes"] if cells.get(_EXCESS) else []
    )


def listed(cell: str, separator: str = ";") -> list[str]:
    """Split a cell; empty parts are dropped."""
    return [part.strip() for part in cell.split(separator) if part.strip()]


def number(cells: Mapping[str, str], name: str) -> int | None:
    """Return a positive whole number, or None where there is none."""
    try:
        value = int(float(cells.get(name, "")))
    except (ValueError, OverflowError):
        return None
    return value if value > 0 else None


def age(cell: str) -> float | None:
    """Return an age in years: ``58``, ``058Y`` and ``011M`` are understood; None for what no human reaches."""
    found = _AGE.fullmatch(cell.strip())
    if not found:
        return None
    years = float(found[1]) * _YEARS[found[2].upper()]
    return years if years <= _OLDEST else None


def sex(cell: str) -> str:
    """Return F or M, or nothing."""
    first = cell.strip()[:1].upper()
    return first if first in ("F", "M") else ""


def yes(cell: str) -> bool | None:
    """Return what a cell with yes or no says; None where it says neither."""
    word = cell.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None
