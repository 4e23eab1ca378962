"""What every reader of manifests returns, before anything is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Row", "Table"]


@dataclass(frozen=True)
class Row:
    """One row of a manifest, or one file of a folder, as it was found.

    Parameters
    ----------
    file : str
        As the manifest names it.
    path : Path
        The image.
    line : int
        In the manifest, from 1; 0 where there is no such thing.
    stated : mapping of str to bool
        Labels that are said to be present or absent.
    unknown : frozenset of str
        Labels that are said to be unknown.
    patient, group : str
        Films that share one of them belong together. Empty: not told.
    split : str
        Empty: not told.
    source, view, sex, licence
        See `radiolucent.datasets.Film`.
    age, width, height, commercial_use
        See `radiolucent.datasets.Film`.
    problems : tuple of str
        What was seen to be wrong while reading, without the line.
    """

    file: str
    path: Path
    line: int
    stated: Mapping[str, bool]
    unknown: frozenset[str] = frozenset()
    patient: str = ""
    group: str = ""
    split: str = ""
    source: str = ""
    view: str = ""
    sex: str = ""
    age: float | None = None
    width: int | None = None
    height: int | None = None
    licence: str = ""
    commercial_use: bool | None = None
    problems: tuple[str, ...] = ()

    @property
    def at(self) -> str:
        """Where it is, for messages."""
        return f"line {self.line}" if self.line else self.file

    @property
    def there(self) -> bool:
        """Whether its file exists; a name that no file can have names none."""
        try:
            return self.path.is_file()
        except OSError:
            return False

    @property
    def present(self) -> frozenset[str]:
        """Labels that are said to be present."""
        return frozenset(name for name, value in self.stated.items() if value)


@dataclass(frozen=True)
class Table:
    """All rows of a manifest.

    Parameters
    ----------
    path : Path
        The manifest, or the folder.
    rows : tuple of Row
        In its order.
    name : str
        How a model card calls the data.
    labels : tuple of str, optional
        Labels that a data set of this kind is read for, unless others are asked for; None: those that occur.
    own_words : bool
        Whether the labels are the reader's, so that asking for some of them selects; else they are the manifest's,
        and one that was not asked for is a mistake.
    left_out : mapping of str to int
        Rows that were left out, by reason.
    warnings : tuple of str
        What a user should know of a data set of this kind.
    checksum : str
        SHA-256 of the manifest; empty where the files are all there is.
    """

    path: Path
    rows: tuple[Row, ...]
    name: str
    labels: tuple[str, ...] | None = None
    own_words: bool = False
    left_out: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    checksum: str = ""
