"""What can be wrong with the rows of a manifest; everything is reported, nothing is mended."""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Sequence

from .film import SPLITS
from .labels import NO_FINDING, PAPER_HIERARCHY
from .readers.nih import NIH_LABELS
from .readers.row import Row, Table

__all__ = ["check_rows", "check_splits", "unsplit"]

_KNOWN = (*PAPER_HIERARCHY, "Pneumonia", NO_FINDING, *NIH_LABELS)
_NEAR = 0.88
_NOT_TOLD = {"unknown", "unclear", "uncertain", "todo", "na", "nan", "null", "none", ""}  # letters and digits alone


def check_rows(table: Table, labels: Sequence[str] | None, *, lone_labels: bool = False) -> list[str]:
    """Check rows one by one and against each other.

    Parameters
    ----------
    table : Table
        As read.
    labels : sequence of str, optional
        What the user asked for.
    lone_labels : bool
        Accept labels that are none of those known here and are on one line alone; else they are mistakes.

    Returns
    -------
    list of str
        Problems, each with its line.
    """
    problems = [] if table.rows else ["has no rows" if not table.left_out else _all_left_out(table)]
    if table.own_words and table.labels is not None:
        wrong = {}
        problems += [
            f"there is no label {name!r}; there are {', '.join(table.labels)}"
            for name in labels or ()
            if name not in table.labels
        ]
    else:
        wrong = _wrong_labels(table.rows, labels, lone_labels)
    first: dict[str, Row] = {}
    for row in table.rows:
        found = list(row.problems)
        if row.file and not row.there:
            found.append(f"file {row.file!r} does not exist" + (f" in {row.path.parent}" if row.line else ""))
        if not row.stated and not row.problems:
            found.append("nothing is said of any label")
        if NO_FINDING in row.present and len(row.present) > 1:
            others = ", ".join(sorted(row.present - {NO_FINDING}))
            found.append(f"labels say {NO_FINDING!r} and {others!r}")
        found += [wrong[name] for name in sorted({*row.present, *row.unknown}) if name in wrong]
        if row.split and row.split not in SPLITS:
            found.append(f"split {row.split!r} is not one of {', '.join(SPLITS)}")
        before = first.setdefault(os.path.normpath(row.path), row)
        if row.file and before is not row:
            found.append(f"file {row.file!r} is on {before.at} already")
        problems += [f"{row.at}: {problem}" for problem in found]
    return problems


def check_splits(rows: Sequence[Row]) -> list[str]:
    """Report patients and groups whose films are in two splits.

    Parameters
    ----------
    rows : sequence of Row
        With the split each is to be in.

    Returns
    -------
    list of str
        Problems, each with its line.
    """
    first: dict[tuple[str, str], Row] = {}
    problems = []
    for row in rows:
        for kind, key in (("group", row.group), ("patient", row.patient)):
            if not key or row.split not in SPLITS:
                continue
            before = first.setdefault((kind, key), row)
            if before.split != row.split:
                problems.append(f"{row.at}: {kind} {key!r} is in {row.split!r}, but in {before.split!r} on {before.at}")
                break
    return problems


def unsplit(rows: Sequence[Row]) -> list[str]:
    """Report rows that say nothing of a split although others do: their films would be in none."""
    if not any(row.split for row in rows):
        return []
    return [f"{row.at}: split is empty, but not in other rows" for row in rows if not row.split]


def _all_left_out(table: Table) -> str:
    return "has no rows left: " + ", ".join(f"{count} {reason}" for reason, count in table.left_out.items())


def _wrong_labels(rows: Sequence[Row], labels: Sequence[str] | None, lone_labels: bool) -> dict[str, str]:
    """Return what is wrong with each label that is not known: all of those, or mistakes, as labels are given."""
    used = Counter(name for row in rows for name in {*row.present, *row.unknown})
    known = tuple(labels) if labels is not None else _KNOWN
    wrong = {}
    for name in used.keys() - known:
        near = _nearest(name, known)
        if _plain(name) in _NOT_TOLD:
            wrong[name] = f"{name!r} is no label: what is not known is named in 'unknown', or left out"
        elif near:
            wrong[name] = f"label {name!r}: is {near!r} meant?"
        elif labels is not None:
            wrong[name] = f"label {name!r} is not one of {', '.join(known)}"
        elif used[name] == 1 and not lone_labels:
            wrong[name] = f"label {name!r} is not known here, and of one film nothing can be learnt: is it a mistake?"
    return wrong


def _nearest(name: str, known: Sequence[str]) -> str | None:
    plain = {_plain(one): one for one in known}
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=_NEAR)
    return plain[near[0]] if near else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
