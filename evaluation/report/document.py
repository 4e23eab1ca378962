"""What a report is made of, whatever it is written as."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["NOT_AUDITED", "Cell", "Figure", "GridFigure", "Item", "Report", "ScoreTable", "Section", "Table"]

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
    folded : bool
        Whether a page shows it only when it is asked for, and Markdown leaves it out: a detail of another table.
    prose : bool
        Whether its cells hold sentences, which may be broken.
    """

    title: str
    header: Row
    rows: tuple[Row, ...]
    note: str = ""
    folded: bool = field(default=False, kw_only=True)
    prose: bool = field(default=False, kw_only=True)

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
    note : str
        Below it, in plain words.
    """

    title: str
    svg: str
    alt: str
    note: str = ""


@dataclass(frozen=True)
class Cell:
    """A place of a grid: a map that lies over the film, or why there is none.

    Parameters
    ----------
    alt : str
        In words.
    overlay : str
        The map as a data URI, transparent where it says nothing; empty: there is none.
    x, y, width, height : float
        The rectangle that the overlay covers, in pixels of the film; may reach beyond it.
    """

    alt: str
    overlay: str = ""
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0


@dataclass(frozen=True)
class GridFigure:
    """One film again and again, under another map each time: networks are rows, methods columns.

    Parameters
    ----------
    title : str
        Above it.
    name : str
        Unique in the report; letters, digits and hyphens.
    film : str
        The film as a data URI.
    alt : str
        The film in words.
    width, height : float
        Of the film in pixels, which are the coordinates of the cells.
    columns : tuple of str
        Methods.
    rows : tuple of tuple
        A network, what it says, and its cells: as many as columns.
    note : str
        Below it, in plain words.
    boxes : tuple of tuple of float
        Left, upper edge, width and height of what was marked on the film, in its pixels: outlines over every cell.
    """

    title: str
    name: str
    film: str
    alt: str
    width: float
    height: float
    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]
    note: str = ""
    boxes: tuple[tuple[float, float, float, float], ...] = ()

    def __post_init__(self) -> None:
        if any(len(cells) != len(self.columns) for *_, cells in self.rows):
            raise ValueError(f"{self.title}: a row does not have the {len(self.columns)} cells of the header")


Item = Table | Figure | GridFigure


@dataclass(frozen=True)
class Section:
    """A heading, what to know before looking, tables and figures.

    Parameters
    ----------
    title : str
        The heading.
    text : tuple of str
        Paragraphs.
    items : tuple of Item
        A page shows figures first, then grids, then tables.
    ramps : tuple of tuple of str
        What the colours of its grids mean: the ends of each ramp in words, and its picture as a data URI.
    """

    title: str
    text: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    ramps: tuple[tuple[str, str, str], ...] = ()


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
