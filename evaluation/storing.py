"""Keep predictions and baselines as small text files that a repository can hold and a diff can show.

``predictions.json`` says what the columns mean; ``predictions.csv`` has a row for each film and fold: what was known of
the film, and every network's logits with the nine digits that a float32 needs to come back bit for bit. Where the
image lies, its line in the manifest and its licence are not kept: no number depends on them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from ..datasets import SPLITS, Film
from .errors import TableError
from .tables import BaselineScore, Predictions, PredictionsHead

__all__ = [
    "read_baselines",
    "read_predictions",
    "read_record",
    "write_baselines",
    "write_predictions",
    "write_record",
    "write_text",
]

_TEXT = ("file", "group", "patient", "split", "source", "view", "sex")
_NUMBERS: Mapping[str, Callable[[str], Any]] = {"age": float, "width": int, "height": int}
_KNOWN = {True: "1", False: "0", None: ""}

Record = TypeVar("Record", bound=BaseModel)


def write_record(record: BaseModel, path: Path) -> None:
    """Write a record as JSON; what was there stays whole until the new file is complete."""
    write_text(record.model_dump_json(indent=2) + "\n", path)


def read_record(kind: type[Record], path: Path) -> Record:
    """Read a record that `write_record` wrote.

    Raises
    ------
    TableError
        If it is not there or not valid.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise TableError(path, [f"cannot be read: {error.strerror}"]) from error
    except ValidationError as error:
        raise TableError(
            path, [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)]
        ) from error


def write_predictions(predictions: Predictions, folder: Path) -> None:
    """Write ``predictions.csv`` and ``predictions.json`` into a folder, in the order of the films.

    Raises
    ------
    TableError
        If a logit is not a finite number, or a text holds what a table cannot (a carriage return, a NUL).
    """
    labels = [label.name for label in predictions.head.labels]
    lacking = [name for name, values in predictions.logits.items() if not np.isfinite(values).all()]
    if lacking:
        raise TableError(folder, [f"{name} has logits that are not finite" for name in lacking])
    rows: list[list[str]] = [_header(labels, list(predictions.logits))]
    for index, (film, fold) in enumerate(zip(predictions.films, predictions.folds, strict=True)):
        row = [fold, *(getattr(film, name) or "" for name in _TEXT)]
        row += ["" if (value := getattr(film, name)) is None else repr(value) for name in _NUMBERS]
        row += [_KNOWN[film.known.get(label)] for label in labels]
        row += [f"{value:.9g}" for values in predictions.logits.values() for value in values[index].tolist()]
        rows.append(row)
    text = _csv(rows, folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(text, folder / "predictions.csv")
    write_record(predictions.head, folder / "predictions.json")


def read_predictions(folder: Path) -> Predictions:
    """Read what `write_predictions` wrote.

    Raises
    ------
    TableError
        If the files are not there or not what they should be; all problems at once, with their lines.
    """
    head = read_record(PredictionsHead, folder / "predictions.json")
    labels = [label.name for label in head.labels]
    networks = list(next(iter(head.decisions.values()), {}))
    path = folder / "predictions.csv"
    header, rows = _rows(path)
    expected = _header(labels, networks)
    if header != expected:
        different = sorted(set(header) ^ set(expected)) or ["their order"]
        raise TableError(path, [f"the columns are not those that predictions.json tells of: {', '.join(different)}"])
    films, folds, logits, problems = [], [], [], []
    for line, row in rows:
        try:
            film, fold, values = _read(dict(zip(header, row, strict=True)), labels, networks)
            if fold not in head.decisions or fold not in head.mean_thresholds:
                raise ValueError(f"predictions.json knows no fold {fold!r}")
        except ValueError as error:
            problems.append(f"line {line}: {error}")
            continue
        films.append(film)
        folds.append(fold)
        logits.append(values)
    if not rows:
        problems.append("there is no film")
    if problems:
        raise TableError(path, problems)
    array = np.asarray(logits, dtype=np.float64).reshape(len(films), len(networks), len(labels)).astype(np.float32)
    return Predictions(head, tuple(films), tuple(folds), {name: array[:, i] for i, name in enumerate(networks)})


def write_baselines(baselines: Sequence[BaselineScore], path: Path) -> None:
    """Write ``baselines.csv``: a row for each comparison and film, a column for each predictor.

    Raises
    ------
    TableError
        If a film has two scores of one predictor, or a text holds what a table cannot.
    """
    predictors = list(dict.fromkeys(item.predictor for item in baselines))
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    problems = []
    for item in baselines:
        row = cells.setdefault((item.comparison, item.fold, item.file), {})
        if item.predictor in row:
            problems.append(f"two scores of {item.predictor} for {item.file} in {item.comparison}, {item.fold}")
        row[item.predictor] = repr(float(item.score))
    if problems:
        raise TableError(path, problems)
    header = ["comparison", "fold", "file", *(f"score {name}" for name in predictors)]
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [[*key, *(row.get(name, "") for name in predictors)] for key, row in cells.items()]
    write_text(_csv([header, *rows], path), path)


def read_baselines(path: Path) -> list[BaselineScore]:
    """Read what `write_baselines` wrote, film by film.

    Raises
    ------
    TableError
        If it is not what it should be.
    """
    header, rows = _rows(path)
    predictors = [name.removeprefix("score ") for name in header[3:]]
    if header != ["comparison", "fold", "file", *(f"score {name}" for name in predictors)]:
        raise TableError(path, ["the columns must be comparison, fold, file and `score ...`"])
    found, problems = [], []
    for line, row in rows:
        if len(row) != len(header):
            problems.append(f"line {line}: {len(row)} values in {len(header)} columns")
            continue
        comparison, fold, file, *scores = row
        try:
            numbers = {name: float(score) for name, score in zip(predictors, scores, strict=True) if score}
        except ValueError as error:
            problems.append(f"line {line}: {error}")
            continue
        found += [BaselineScore(comparison, name, fold, file, number) for name, number in numbers.items()]
    if problems:
        raise TableError(path, problems)
    return found


def _header(labels: Sequence[str], networks: Sequence[str]) -> list[str]:
    known = [f"known {label}" for label in labels]
    return ["fold", *_TEXT, *_NUMBERS, *known, *(f"logit {name} {label}" for name in networks for label in labels)]


def _read(row: Mapping[str, str], labels: Sequence[str], networks: Sequence[str]) -> tuple[Film, str, list[float]]:
    text: dict[str, Any] = {name: row[name] for name in _TEXT if name != "split"}
    split = next((split for split in SPLITS if split == row["split"]), None)
    if row["split"] and split is None:
        raise ValueError(f"{row['split']!r} is no split")
    known = {}
    for label in labels:
        if row[f"known {label}"] not in _KNOWN.values():
            raise ValueError(f"{row[f'known {label}']!r} under `known {label}` is neither 1 nor 0 nor empty")
        if row[f"known {label}"]:
            known[label] = row[f"known {label}"] == "1"
    numbers: dict[str, Any] = {name: read(row[name]) if row[name] else None for name, read in _NUMBERS.items()}
    values = [float(row[f"logit {name} {label}"]) for name in networks for label in labels]
    if not np.isfinite(values).all():
        raise ValueError("a logit is not finite")
    return Film(path=Path(row["file"]), line=0, known=known, split=split, **text, **numbers), row["fold"], values


def _rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            return header, [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise TableError(path, [f"cannot be read: {error.strerror}"]) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise TableError(path, [f"is no table: {error}"]) from error


def _csv(rows: Sequence[Sequence[str]], path: Path) -> str:
    wrong = sorted({cell for row in rows for cell in row if "\r" in cell or "\0" in cell})
    if wrong:
        raise TableError(path, [f"{cell!r} cannot be stored in a table" for cell in wrong])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def write_text(text: str, path: Path) -> None:
    """Write a file; what was there stays whole until the new one is complete."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", newline="")
    part.replace(path)
