"""What is known of films beside their labels: where the disease is, and where the lungs are.

Boxes are of mixed kinds: findings and anatomy. Only those count that mean disease, on films that have the label that
they are evidence for, and never on films labelled No Finding. Whatever cannot be used is a row of its own; the rest
completes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...datasets import Film, ManifestError
from ...datasets.readers.values import read_csv
from .boxes import Box, read_boxes
from .disease import DISEASE_BOXES, disease_of_boxes, disease_of_mask
from .errors import TruthError
from .frame import Frame, read_frame, read_mask
from .grid import SIDE, BoolPlane, FilmGrid
from .lung_masks import LUNG_BOXES, Lungs, lungs_of_boxes, lungs_of_mask
from .tables import Failed

__all__ = ["Truths", "read_truths"]


@dataclass(frozen=True, eq=False)
class Truths:
    """What is known, on each film's part of the common grid.

    Parameters
    ----------
    grids : mapping of str to FilmGrid
        By film: of those of which anything is known.
    disease : mapping of str to mapping of str to ndarray of bool, shape [rows, columns]
        By film, then by label.
    lungs : mapping of str to tuple of Lungs
        By film: one for each kind, such as a mask and boxes.
    boxes : mapping of str to mapping of str to tuple of Box
        By film, then by label: those of which the disease was drawn, in pixels of the film.
    failed : tuple of Failed
        What there is and cannot be used.
    notes : tuple of str
        What was left out by rule, and what the manifest does not have, in sentences.
    """

    grids: Mapping[str, FilmGrid]
    disease: Mapping[str, Mapping[str, BoolPlane]]
    lungs: Mapping[str, tuple[Lungs, ...]]
    boxes: Mapping[str, Mapping[str, tuple[Box, ...]]] = field(default_factory=dict)
    failed: tuple[Failed, ...] = ()
    notes: tuple[str, ...] = ()


def read_truths(
    manifest: Path,
    films: Sequence[Film],
    *,
    boxes: Mapping[str, str] = DISEASE_BOXES,
    lesions: Mapping[int, str] | None = None,
    side: int = SIDE,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Truths:
    """Read what a manifest knows of films: columns ``bbox``, ``mask_lung``, ``mask_lesion`` and ``mask_note``.

    Parameters
    ----------
    manifest : Path
        The file, or the folder that holds ``manifest.csv``. Boxes are in pixels of the image of the columns ``width``
        and ``height`` (the film's own where there are none), masks have that size; a film that is larger by
        ``1 / scale`` is the original of that image and fits too.
    films : sequence of Film
        Those to read.
    boxes : mapping of str to str
        Labels of boxes that mean disease, and which label of the films each is evidence for.
    lesions : mapping of int to str, optional
        To take the disease from ``mask_lesion`` instead of boxes: values of the mask, and the label each is evidence
        for. One audit has one kind of truth.
    side : int
        Of the common grid.
    progress : callable
        Told films done and films in all. What it raises stops the work.

    Returns
    -------
    Truths
        Empty, with notes, for a manifest that tells nothing of the kind.
    """
    reader = _Reader(boxes, lesions, side)
    rows = reader.rows(manifest)
    for done, film in enumerate(films, 1):
        if film.file in rows:
            reader.read(film, rows[film.file], manifest if manifest.is_dir() else manifest.parent)
        progress(done, len(films))
    return reader.truths()


@dataclass
class _Reader:
    meaning: Mapping[str, str]
    lesions: Mapping[int, str] | None
    side: int
    grids: dict[str, FilmGrid] = field(default_factory=dict)
    disease: dict[str, dict[str, BoolPlane]] = field(default_factory=dict)
    lungs: dict[str, tuple[Lungs, ...]] = field(default_factory=dict)
    boxes: dict[str, dict[str, tuple[Box, ...]]] = field(default_factory=dict)
    failed: list[Failed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unused: Counter[str] = field(default_factory=Counter)

    def rows(self, manifest: Path) -> dict[str, dict[str, str]]:
        """Return the cells of each film, none where the manifest tells nothing."""
        file = manifest / "manifest.csv" if manifest.is_dir() else manifest
        if manifest.is_dir() and not file.is_file():
            self.notes.append("The data are a folder without a manifest: neither boxes nor masks are known.")
            return {}
        try:
            rows = {cells["file"]: cells for _, cells in read_csv(file) if cells.get("file")}
        except ManifestError as error:
            self.notes.append(f"Neither boxes nor masks are known: {error}")
            return {}
        there = set(next(iter(rows.values()), {}))
        marks = "bbox" if self.lesions is None else "mask_lesion"
        if marks not in there:
            self.notes.append(f"The manifest has no column {marks}: where the disease lies is not known.")
        if not there & {"mask_lung", "bbox"}:
            self.notes.append("The manifest has no column mask_lung or bbox: where the lungs are is not known.")
        return rows

    def read(self, film: Film, cells: Mapping[str, str], folder: Path) -> None:
        """Read all of a film; each thing that cannot be used is a row, and does not stop the others."""
        if not any(cells.get(name) for name in ("bbox", "mask_lung", "mask_lesion")):
            return
        found: tuple[Box, ...] = ()
        try:
            found = read_boxes(cells.get("bbox", ""))
        except TruthError as error:
            self._fail(film, "localisation", error)
            self._fail(film, "lungs", error)
        try:
            frame = read_frame(film, cells, self.side)
        except TruthError as error:
            if any(box.label in self.meaning for box in found) or (self.lesions and cells.get("mask_lesion")):
                self._fail(film, "localisation", error)
            if cells.get("mask_lung") or any(box.label in LUNG_BOXES for box in found):
                self._fail(film, "lungs", error)
            return
        disease = self._disease(film, cells, found, frame, folder)
        lungs = self._lungs(film, cells, found, frame, folder)
        if disease:
            self.disease[film.file] = disease
            if self.lesions is None:
                self.boxes[film.file] = {
                    label: tuple(frame.on_film(box) for box in found if self.meaning.get(box.label) == label)
                    for label in disease
                }
        if lungs:
            self.lungs[film.file] = lungs
        if disease or lungs:
            self.grids[film.file] = frame.grid

    def _disease(
        self, film: Film, cells: Mapping[str, str], found: tuple[Box, ...], frame: Frame, folder: Path
    ) -> dict[str, BoolPlane]:
        try:
            if self.lesions is None:
                return disease_of_boxes(film, found, self.meaning, frame, self.unused)
            if cells.get("mask_lesion"):
                mask = read_mask(folder / cells["mask_lesion"], frame)
                return disease_of_mask(film, mask, self.lesions, frame, self.unused)
        except TruthError as error:
            self._fail(film, "localisation", error)
        return {}

    def _lungs(
        self, film: Film, cells: Mapping[str, str], found: tuple[Box, ...], frame: Frame, folder: Path
    ) -> tuple[Lungs, ...]:
        lungs = []
        if cells.get("mask_lung"):
            try:
                mask = read_mask(folder / cells["mask_lung"], frame)
                lungs.append(lungs_of_mask(mask, cells.get("mask_note", ""), frame.grid))
            except TruthError as error:
                self._fail(film, "lungs", error)
        try:
            around = lungs_of_boxes(found, frame.grid, frame.height, frame.width)
        except TruthError as error:
            self._fail(film, "lungs", error)
        else:
            lungs += [] if around is None else [around]
        return tuple(lungs)

    def _fail(self, film: Film, what: str, error: TruthError) -> None:
        self.failed.append(Failed(film.file, "", "", "", what, str(error)))

    def truths(self) -> Truths:
        """Return all that was found."""
        left_out = [f"{reason[0].upper()}{reason[1:]} (films: {n})." for reason, n in sorted(self.unused.items())]
        return Truths(self.grids, self.disease, self.lungs, self.boxes, tuple(self.failed), (*self.notes, *left_out))
