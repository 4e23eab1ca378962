"""A card as a page: sections of plain sentences and tables, for whatever form it is shown in."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Page", "Section", "Table"]


@dataclass(frozen=True)
class Table:
    """Rows of cells under a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A heading with sentences, points and tables under it."""

    heading: str
    sentences: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Page:
    """A card to be read.

    Parameters
    ----------
    title : str
        Of what it is.
    intended_use : str
        Comes before everything else, and again at the end.
    sections : tuple of Section
        In reading order; the verdict first.
    """

    title: str
    intended_use: str
    sections: tuple[Section, ...]
