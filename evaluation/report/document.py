"""What a report is made of, whatever it is written as."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NOT_AUDITED", "Figure", "Item", "Report", "ScoreTable", "Section", "Table"]

NOT_AUDITED = "shortcut not excluded: not audited"
"""Said where no baseline was measured."""

Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table that says what it shows.

    Parameters
    ----------
    title : str
        Above it.
    header : tuple of str
        Columns.
    rows : tuple of tuple of str
        As many cells as columns.
    note : str
        Below it, in plain words.
    """

    title: str
    header: Row
    rows: tuple[Row, ...]
    note: str = ""

    def __post_init__(self) -> None:
        if any(len(row) != len(self.header) for row in self.rows):
            raise ValueError(f"{self.title}: a row does not have the {len(self.header)} cells of the header")


@dataclass(frozen=True)
class ScoreTable(Table):
    """Scores over films of several sources: they cannot be shown without what needs no medicine to reach them.

    Parameters
    ----------
    shortcuts : tuple of tuple of str
        Rows of the baselines, or the one that says that there are none.
    """

    shortcuts: tuple[Row, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.shortcuts:
            raise ValueError(f"{self.title}: pooled scores must stand beside those of baselines that know no medicine")
        if any(len(row) != len(self.header) for row in self.shortcuts):
            raise ValueError(f"{self.title}: a shortcut's row does not have the {len(self.header)} cells of the header")


@dataclass(frozen=True)
class Figure:
    """A drawing and what it can and cannot show.

    Parameters
    ----------
    title : str
        Above it.
    svg : str
        The drawing.
    alt : str
        The drawing in words, for those who cannot see it.
    """

    title: str
    svg: str
    alt: str


Item = Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading, what to know before looking, tables and figures."""

    title: str
    text: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Report:
    """All of it.

    Parameters
    ----------
    title : str
        What it is of.
    intended_use : str
        Said first and last.
    verdict : str
        In a few words.
    verdicts : tuple of str
        Label by label, in plain words.
    sections : tuple of Section
        The rest.
    """

    title: str
    intended_use: str
    verdict: str
    verdicts: tuple[str, ...]
    sections: tuple[Section, ...]
