"""How well evidence points at what is known to be the disease, beside what knowing nothing would score."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from ...plugins.measures import Better
from .evidence import Evidence, why_unusable
from .grid import SIDE, BoolPlane, FloatPlane
from .tables import Failed, Measured, Quantity
from .truths import Truths

__all__ = ["LOCALISATION_QUANTITIES", "Localised", "expected_iou", "localise", "measure_localisation"]

WHAT = "localisation"
_WINDOW = 12.0  # standard deviations on either side; what lies beyond is less than rounding


@dataclass(frozen=True)
class Localised:
    """How well one map points at one mask.

    Parameters
    ----------
    pointing : float
        Whether the strongest cell lies inside (the pointing game): 1 or 0; where several tie, the share of them that
        lies inside. In expectation `area` for a random map.
    mass_inside : float
        Share of the evidence that lies inside, in [0, 1]. In expectation `area`.
    auprc : float
        Area under the precision-recall curve (average precision) of cells as detectors of the mask, in [0, 1]. In
        expectation `area`.
    iou : float
        Intersection over union of the mask and the cells above Otsu's threshold of the map, in [0, 1]. In expectation
        `iou_expected`.
    area : float
        Share of the film that the mask covers, in (0, 1].
    iou_expected : float
        What as many cells as are above the threshold, drawn at random, score.
    """

    pointing: float
    mass_inside: float
    auprc: float
    iou: float
    area: float
    iou_expected: float


def localise(values: FloatPlane, mask: BoolPlane) -> Localised:
    """Measure how well evidence points at a mask.

    Parameters
    ----------
    values : ndarray of float32, shape [rows, columns]
        Evidence, at least 0, and somewhere more; the film alone, without padding.
    mask : ndarray of bool, shape [rows, columns]
        Where the disease is.

    Returns
    -------
    Localised
        The numbers.

    Raises
    ------
    ValueError
        If there is nothing to point at, or no evidence.
    """
    from sklearn.metrics import average_precision_score

    problem = why_unusable(values)
    if problem or not mask.any():
        raise ValueError(problem or "the mask is empty")
    scaled = values.astype(np.float64) / float(values.max())  # a gradient's 1e-30 would leave Otsu no bins
    strongest, region = mask[scaled == 1], _above_otsu(scaled)
    return Localised(
        pointing=float(strongest.mean()),
        mass_inside=float(scaled[mask].sum() / scaled.sum()),
        auprc=float(average_precision_score(mask.ravel(), scaled.ravel())),
        iou=float((region & mask).sum() / (region | mask).sum()),
        area=float(mask.mean()),
        iou_expected=expected_iou(mask.size, int(mask.sum()), int(region.sum())),
    )


def measure_localisation(
    file: str, evidence: Iterable[Evidence], truths: Truths
) -> tuple[list[Measured], list[Failed]]:
    """Measure the maps of a film for whose label its disease is marked.

    Parameters
    ----------
    file : str
        The film.
    evidence : iterable of Evidence
        Its maps on the common grid, and the average mask among them; those of other labels are passed over.
    truths : Truths
        What is known of it.

    Returns
    -------
    list of Measured, list of Failed
        Six numbers for each map, or why there are none.
    """
    measured, failed = [], []
    masks = truths.disease.get(file, {})
    for one in evidence:
        mask = masks.get(one.label)
        if mask is None:
            continue
        whose = (file, one.network, one.method, one.label)
        problem = why_unusable(one.values)
        if problem:
            failed.append(Failed(*whose, WHAT, problem))
            continue
        numbers = asdict(localise(one.values, mask))
        measured += [Measured(*whose, f"{WHAT}.{name}", value) for name, value in numbers.items()]
    return measured, failed


def expected_iou(cells: int, marked: int, drawn: int) -> float:
    """Return the expected intersection over union of marked cells and as many drawn at random (hypergeometric).

    Parameters
    ----------
    cells, marked, drawn : int
        All cells, those of the mask, and how many are drawn without replacement.
    """
    from scipy.special import betaln

    mean = drawn * marked / cells
    variance = mean * (1 - marked / cells) * (cells - drawn) / max(1, cells - 1)
    spread = _WINDOW * variance**0.5 + 1
    least, most = max(0, marked + drawn - cells), min(marked, drawn)
    both = np.arange(max(least, int(mean - spread)), min(most, int(mean + spread) + 1) + 1)
    # Its logarithm, up to a constant: scipy.stats' own takes a tenth of a second for films of 50,000 cells.
    logs = -betaln(both + 1, marked - both + 1) - betaln(drawn - both + 1, cells - marked - drawn + both + 1)
    chance = np.exp(logs - logs.max())
    return float((chance * (both / (marked + drawn - both))).sum() / chance.sum())


def _above_otsu(scaled: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> BoolPlane:
    """Return the cells above Otsu's threshold; all of them where the map is the same everywhere."""
    from skimage.filters import threshold_otsu

    if scaled.min() == scaled.max():
        return np.ones(scaled.shape, dtype=bool)
    return np.asarray(scaled > threshold_otsu(scaled, nbins=256))


_GRID = f"evidence for the label (negative values count as 0), on the film fitted into {SIDE} x {SIDE}, no padding"


def _quantity(name: str, title: str, description: str, better: Better, reference: str = "", code: str = "") -> Quantity:
    return Quantity(
        name=f"{WHAT}.{name}",
        title=title,
        description=description,
        family="localisation",
        better=better,
        reference=reference,
        variant=f"{code}; {_GRID}" if code else _GRID,
        parameters={"grid_side": SIDE},
    )


LOCALISATION_QUANTITIES: tuple[Quantity, ...] = (
    _quantity(
        "pointing",
        "Strongest point inside",
        "1 where the strongest point of the map lies in a box of the disease, else 0; of several equally strong ones "
        "the share that does. Over films: a share, in [0, 1]. A random map scores the share of the film that the boxes "
        "cover.",
        Better.HIGHER,
        "Zhang et al., arXiv:1608.00507",
        "without the tolerance of 15 pixels around the object",
    ),
    _quantity(
        "mass_inside",
        "Evidence inside",
        "Share of the evidence that lies in the boxes of the disease, in [0, 1]. A random map scores "
        "the share of the film that the boxes cover.",
        Better.HIGHER,
    ),
    _quantity(
        "auprc",
        "Precision-recall area",
        "Area under the precision-recall curve of the map's points as detectors of the boxes, in [0, 1]. A random map "
        "scores the share of the film that the boxes cover.",
        Better.HIGHER,
        "Arun et al., doi:10.1148/ryai.2021200267",
        "scikit-learn average_precision_score",
    ),
    _quantity(
        "iou",
        "Overlap at Otsu's threshold",
        "Intersection over union of the boxes and the points above Otsu's threshold of the map, in [0, 1]. As many "
        "points drawn at random score what stands under “by chance”.",
        Better.HIGHER,
        "Otsu, IEEE Trans. SMC 9(1):62 (1979)",
        "scikit-image threshold_otsu, 256 bins",
    ),
    _quantity(
        "area",
        "Area of the boxes",
        "Share of the film that the boxes of the disease cover, in [0, 1]: what a map that knows nothing scores in "
        "pointing, evidence inside and precision-recall area.",
        Better.NEITHER,
    ),
    _quantity(
        "iou_expected",
        "Overlap by chance",
        "Expected intersection over union of the boxes and as many points, drawn at random, as this map has above its "
        "threshold, in [0, 1].",
        Better.NEITHER,
        code="hypergeometric, exact",
    ),
)
"""What the numbers of `measure_localisation` mean."""
