"""The table of a batch: one row per image and network, in CSV or Parquet, safe against Ctrl-C and power cuts.

Columns, in this order:

``file``, ``model``, ``version``, ``model_set``
    The image, the network, the version of its weights, and the model set.
``probability:<label>``, ``vote:<label>``
    What the network says: a probability in [0, 1], and whether it votes for the label.
``mean_probability:<label>``, ``majority:<label>``
    What the networks say together: the same in every row of an image.
``unlikeness``, ``likeness_share``, ``unlike_training``
    How unlike the model set's training data the image is, without unit; the share in (0, 1] of calibration films that
    are at least as unlike; and whether that is so rare that the votes must not be relied on. The same in every row of
    an image; empty where the model set has no guard.
``error``
    Why there is no answer; the image then has this one row, with nothing between ``file`` and here.
``intended_use``
    "Research use only. Not for diagnosis."

Rows are appended to a journal (CSV) beside the output, which they become at the end, also after Ctrl-C. After a power
cut the journal is still there, and a run with ``resume`` goes on from it. A table that is there already is never lost
to an unfinished one: a run that overwrites it replaces it when it is complete, and keeps its journal until then.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InvalidRequest

if TYPE_CHECKING:
    from .results import Classification

__all__ = ["FORMATS", "Columns", "ScoreTable", "check_output"]

FORMATS = (".csv", ".parquet")
"""Suffixes of the output."""

_ABOUT = ("file", "model", "version", "model_set")
_END = ("unlikeness", "likeness_share", "unlike_training", "error", "intended_use")
_BLOCK_BYTES = 1 << 20

Row = dict[str, Any]


@dataclass(frozen=True)
class Columns:
    """The columns for a set of labels.

    Parameters
    ----------
    labels : tuple of str
        In the order of the networks' outputs.
    """

    labels: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        per_label = tuple(
            f"{kind}:{label}"
            for kind in ("probability", "vote", "mean_probability", "majority")
            for label in self.labels
        )
        return (*_ABOUT, *per_label, *_END)

    def rows(self, file: str, classification: Classification) -> list[Row]:
        """Make an image's rows, one per network.

        Parameters
        ----------
        file : str
            The image's name.
        classification : Classification
            What was said of it.

        Returns
        -------
        list of dict
            Values by column.

        Raises
        ------
        InvalidRequest
            Its labels are others: the server changed to another model set meanwhile.
        """
        if tuple(vote.label for vote in classification.labels) != self.labels:
            raise InvalidRequest("the labels changed while the batch ran: the server has another model set now")
        together: Row = {f"mean_probability:{vote.label}": vote.mean_probability for vote in classification.labels}
        together |= {f"majority:{vote.label}": vote.majority for vote in classification.labels}
        if (likeness := classification.likeness) is not None:
            together |= {
                "unlikeness": likeness.unlikeness,
                "likeness_share": likeness.share,
                "unlike_training": likeness.warns,
            }
        return [
            {
                "file": file,
                "model": answer.model.name,
                "version": answer.model.version,
                "model_set": classification.model_set.version,
                **{
                    f"probability:{label}": value
                    for label, value in zip(self.labels, answer.probabilities, strict=True)
                },
                **{f"vote:{label}": value for label, value in zip(self.labels, answer.votes, strict=True)},
                **together,
                "intended_use": classification.intended_use,
            }
            for answer in classification.answers
        ]

    @staticmethod
    def failure(file: str, reason: str, intended_use: str) -> list[Row]:
        """Make the one row of an image without an answer."""
        return [{"file": file, "error": reason, "intended_use": intended_use}]


class ScoreTable:
    """A table that is being written.

    Parameters
    ----------
    path : Path
        The output, ending in ``.csv`` or ``.parquet``.
    columns : Columns
        Its columns.
    resume : bool
        Keep the rows of images that have an answer already, from the journal or the output of an earlier run. Images
        without an answer are tried again.
    overwrite : bool
        Replace an earlier run's output at the end. With `resume`: go on with a run that was to replace it, so that rows
        of its journal alone are kept.

    Raises
    ------
    InvalidRequest
        The suffix is another, or the earlier run's columns are, or there is an earlier run and nothing says what to do
        with it.
    """

    def __init__(self, path: Path, columns: Columns, *, resume: bool = False, overwrite: bool = False) -> None:
        check_output(path, resume=resume, overwrite=overwrite)
        self.path = path
        self._replaces = overwrite and path.exists()
        self.done: set[str] = set()
        """Names of the images that need no scoring."""
        self._columns = columns
        self._journal = _journal(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._journal.with_name(self._journal.name + ".new")
        try:
            with fresh.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, columns.names)
                writer.writeheader()
                for name, rows in self._earlier() if resume else ():
                    if name not in self.done and not any(row["error"] for row in rows):
                        self.done.add(name)
                        writer.writerows(rows)
            fresh.replace(self._journal)
        finally:
            fresh.unlink(missing_ok=True)
        self._empty = not self.done
        # Unbuffered: an image's rows go to the operating system in one piece.
        self._file = self._journal.open("ab", buffering=0)

    def append(self, rows: Iterable[Row]) -> None:
        """Write an image's rows.

        Parameters
        ----------
        rows : iterable of dict
            As :class:`Columns` makes them.
        """
        text = io.StringIO(newline="")
        csv.DictWriter(text, self._columns.names).writerows(
            {key: _cell(value) for key, value in row.items()} for row in rows
        )
        self._file.write(text.getvalue().encode())
        self._empty = False

    def close(self, *, complete: bool = True) -> Path:
        """Turn the journal into the output. An earlier output stays where nothing is there to replace it.

        Parameters
        ----------
        complete : bool
            Whether every image was scored or failed. If not, an output that is overwritten stays as well.

        Returns
        -------
        Path
            Where the rows are now: the output, or the journal of a run that did not come to overwrite it.
        """
        self._file.close()
        if self._empty and self.path.exists():
            self._journal.unlink()
            return self.path
        if self._replaces and not complete:
            return self._journal
        self._become_output()
        return self.path

    def _become_output(self) -> None:
        if self.path.suffix.lower() == ".csv":
            self._journal.replace(self.path)
            return
        fresh = self._journal.with_suffix(".parquet")
        try:
            self._to_parquet(fresh)
            fresh.replace(self.path)
        finally:
            fresh.unlink(missing_ok=True)
        self._journal.unlink()

    def _to_parquet(self, path: Path) -> None:
        import pyarrow
        from pyarrow import csv as arrow_csv
        from pyarrow import parquet

        kinds = {"version": pyarrow.uint32(), "model_set": pyarrow.uint32(), "unlike_training": pyarrow.bool_()}
        kinds |= dict.fromkeys(("unlikeness", "likeness_share"), pyarrow.float32())
        for name in self._columns.names:
            kind, colon, _ = name.partition(":")
            if colon:
                kinds[name] = pyarrow.float32() if kind.endswith("probability") else pyarrow.bool_()
        schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in self._columns.names])
        options = arrow_csv.ConvertOptions(column_types=schema, null_values=[""], strings_can_be_null=True)
        reader = arrow_csv.open_csv(
            self._journal,
            read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
            convert_options=options,
        )
        with reader, parquet.ParquetWriter(path, schema) as writer:
            for batch in reader:
                writer.write_batch(batch)

    def _earlier(self) -> Iterator[tuple[str, list[Row]]]:
        """Yield the images of earlier runs with their rows: the journal's where one was cut off, then the output's."""
        if self._journal.exists():
            yield from self._complete(self._journal, cut_off=True)
        if self.path.exists() and not self._replaces:
            yield from self._complete(self.path, cut_off=False)

    def _complete(self, path: Path, *, cut_off: bool) -> Iterator[tuple[str, list[Row]]]:
        read = _read_parquet if path.suffix.lower() == ".parquet" else _read_csv
        rows = read(path, self._columns.names)
        before: tuple[str, list[Row]] | None = None
        for name, group in groupby(rows, key=lambda row: str(row["file"])):
            if before is not None:
                yield before
            before = (name, list(group))
        # The last image of a journal that was cut off may lack rows, or half of one: it is scored again.
        if before is not None and not cut_off:
            yield before


def check_output(path: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse an output that cannot be written, or that would cost the scores of an earlier run.

    Parameters
    ----------
    path, resume, overwrite
        See :class:`ScoreTable`.

    Raises
    ------
    InvalidRequest
        The text says which options there are.
    """
    if path.suffix.lower() not in FORMATS:
        raise InvalidRequest(f"{path}: --out must end in {' or '.join(FORMATS)}")
    if resume or overwrite:
        return
    choice = "give --resume to keep its answers and score what is missing, or --overwrite to begin again"
    if path.exists():
        raise InvalidRequest(f"{path}: there is a table already; {choice}")
    if _journal(path).exists():
        raise InvalidRequest(f"{path}: a run that was cut off left its answers in {_journal(path)}; {choice}")


def _journal(path: Path) -> Path:
    return path.with_name(f".{path.name}.journal.csv")


def _cell(value: object) -> object:
    # Python's shortest text of a float32's value has 17 digits; 9 bring the float32 back exactly.
    return f"{value:.9g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else value


def _read_csv(path: Path, names: Sequence[str]) -> Iterator[Row]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.DictReader(file)
        _check(path, rows.fieldnames, names)
        for row in rows:
            if len(row) != len(names) or None in row.values():
                return  # the power went here
            yield row


def _read_parquet(path: Path, names: Sequence[str]) -> Iterator[Row]:
    from pyarrow import ArrowInvalid, parquet

    try:
        file = parquet.ParquetFile(path)
    except ArrowInvalid as error:
        raise InvalidRequest(
            f"{path}: not a Parquet file; give another --out, or --overwrite without --resume"
        ) from error
    with file:
        _check(path, file.schema_arrow.names, names)
        for batch in file.iter_batches():
            for row in batch.to_pylist():
                yield {key: "" if value is None else _cell(value) for key, value in row.items()}


def _check(path: Path, there: Sequence[str] | None, wanted: Sequence[str]) -> None:
    if list(there or ()) != list(wanted):
        raise InvalidRequest(
            f"{path}: its columns are not those of the served model set; "
            "give another --out, or --overwrite without --resume"
        )
