"""Boxes of a manifest: what the column ``bbox`` says."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from .errors import TruthError

__all__ = ["Box", "check_box", "read_boxes"]

_ROUNDING = 1.0
"""Pixels by which a box may pass the edge of its film: coordinates were rounded when films were made smaller."""


@dataclass(frozen=True)
class Box:
    """A rectangle on a film, and what is in it.

    Parameters
    ----------
    label : str
        As whoever drew it calls it: a finding, or anatomy.
    x, y : float
        Left and upper edge, in pixels of the film.
    width, height : float
        In the same pixels.
    """

    label: str
    x: float
    y: float
    width: float
    height: float


def read_boxes(cell: str) -> tuple[Box, ...]:
    """Read a cell of the column ``bbox``: a JSON list of objects with ``label``, ``x``, ``y``, ``w`` and ``h``.

    Parameters
    ----------
    cell : str
        May be empty.

    Returns
    -------
    tuple of Box
        In their order.

    Raises
    ------
    TruthError
        If it is no such list.
    """
    if not cell.strip():
        return ()
    try:
        entries = json.loads(cell)
    except (json.JSONDecodeError, RecursionError) as error:
        raise TruthError(f"the boxes are no JSON: {error}") from error
    if not isinstance(entries, list):
        raise TruthError("the boxes are no JSON list")
    return tuple(_box(number, entry) for number, entry in enumerate(entries, 1))


def check_box(box: Box, height: float, width: float) -> None:
    """Refuse a box without area or outside its film.

    Parameters
    ----------
    box : Box
        The box.
    height, width : float
        Of the film, in the box's pixels.

    Raises
    ------
    TruthError
        Says which box, and what is wrong.
    """
    edges = (box.x, box.y, box.x + box.width, box.y + box.height)
    if not all(math.isfinite(edge) for edge in edges):
        raise TruthError(f"the box {box.label!r} has a coordinate that is no number")
    if box.width <= 0 or box.height <= 0:
        raise TruthError(f"the box {box.label!r} has no area: {box.width:g} x {box.height:g} pixels")
    left, top, right, bottom = edges
    if min(left, top) < -_ROUNDING or right > width + _ROUNDING or bottom > height + _ROUNDING:
        raise TruthError(
            f"the box {box.label!r} lies outside the film: from ({left:g}, {top:g}) to ({right:g}, {bottom:g}), "
            f"and the film has {width:g} x {height:g} pixels"
        )


def _box(number: int, entry: object) -> Box:
    try:
        if not isinstance(entry, dict):
            raise TypeError("it is no object")
        x, y, width, height = (float(entry[name]) for name in ("x", "y", "w", "h"))
        return Box(str(entry["label"]), x, y, width, height)
    except KeyError as error:
        raise TruthError(f"box {number} has no {error}") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise TruthError(f"box {number} cannot be read: {error}") from error
