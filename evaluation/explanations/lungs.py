"""How much of the evidence lies outside the lungs, for each kind of mask and each source on its own."""

from __future__ import annotations

from collections.abc import Iterable

from ...plugins.measures import Better
from .evidence import Evidence, why_unusable
from .grid import SIDE, FloatPlane
from .lung_masks import BOXES, Lungs
from .tables import Failed, Measured, Quantity
from .truths import Truths

__all__ = ["LUNG_QUANTITIES", "measure_lungs", "outside_share"]

WHAT = "lungs"


def outside_share(values: FloatPlane, lungs: Lungs) -> tuple[float, float]:
    """Return which share of the evidence, and which share of the area, lies outside the lungs.

    Parameters
    ----------
    values : ndarray of float32, shape [rows, columns]
        Evidence, at least 0, on the film's common grid.
    lungs : Lungs
        Both shares are of the area where it is valid; evidence elsewhere is neither inside nor outside.

    Returns
    -------
    tuple of float
        Both in [0, 1]. The second is what evidence spread evenly would have.

    Raises
    ------
    ValueError
        If there is no evidence where the lungs are known.
    """
    known = values[lungs.valid].astype(float)
    problem = why_unusable(values) or ("" if known.any() else "no evidence lies where the lungs are known")
    if problem:
        raise ValueError(problem)
    outside = ~lungs.inside[lungs.valid]
    return float(known[outside].sum() / known.sum()), float(outside.mean())


def measure_lungs(file: str, evidence: Iterable[Evidence], truths: Truths) -> tuple[list[Measured], list[Failed]]:
    """Measure the maps of a film whose lungs are known.

    Parameters
    ----------
    file : str
        The film.
    evidence : iterable of Evidence
        Its maps on the common grid, of any label.
    truths : Truths
        What is known of it.

    Returns
    -------
    list of Measured, list of Failed
        `LUNG_QUANTITIES` of each map; masks and boxes have names of their own. `scopes` tells what may be pooled.
    """
    measured, failed = [], []
    lungs_of_film = truths.lungs.get(file, ())
    for one in evidence:
        whose = (file, one.network, one.method, one.label)
        problems = []
        for lungs in lungs_of_film:
            name = f"{WHAT}.outside" + ("_boxes" if lungs.kind == BOXES else "")
            try:
                share, area = outside_share(one.values, lungs)
            except ValueError as error:
                problems.append(str(error))
            else:
                measured += [Measured(*whose, name, share), Measured(*whose, f"{name}_area", area)]
        failed += [Failed(*whose, WHAT, problem) for problem in dict.fromkeys(problems)]
    return measured, failed


_APART = (
    "Only within one kind of mask and one source: kinds call different areas lung, and sources differ in what else "
    "is on the film."
)
_RULE = (
    f"evidence for the label (negative values count as 0), on the film fitted into {SIDE} x {SIDE}, padding left out, "
    "where the mask is valid"
)


def _quantity(name: str, title: str, description: str) -> Quantity:
    return Quantity(
        name=f"{WHAT}.{name}",
        title=title,
        description=f"{description} {_APART}",
        family="lungs",
        better=Better.NEITHER,  # ranks would pool what must not be
        reference="arXiv:2006.02570 looks at it by eye",
        variant=_RULE,
        parameters={"grid_side": SIDE},
    )


LUNG_QUANTITIES: tuple[Quantity, ...] = (
    _quantity(
        "outside",
        "Evidence outside the lungs",
        "Share of the evidence that lies outside the lung mask, within the area where the mask is valid, in [0, 1]. "
        "Evidence spread evenly has the share of the area outside.",
    ),
    _quantity(
        "outside_area",
        "Area outside the lungs",
        "Share of the valid area that is outside the lung mask, in [0, 1]: what evidence spread evenly has.",
    ),
    _quantity(
        "outside_boxes",
        "Evidence outside the boxes around the lungs",
        "Share of the evidence that lies outside the two rectangles around the lungs, in [0, 1]. They are larger than "
        "the lungs, so this is less than outside a mask. Evidence spread evenly has the share of the "
        "film outside.",
    ),
    _quantity(
        "outside_boxes_area",
        "Area outside the boxes around the lungs",
        "Share of the film outside the two rectangles around the lungs, in [0, 1]: what evidence spread evenly has.",
    ),
)
"""What the numbers of `measure_lungs` mean."""
