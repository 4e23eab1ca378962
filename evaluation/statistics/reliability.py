"""Whether probabilities mean what they say: reliability curve and expected calibration error with equal-mass bins.

scikit-learn's curve tells neither how many films a bin holds nor takes weights, and torchmetrics' error has bins of
equal width, most of which are empty on few films: hence these few lines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .binary import Floats, ratio

__all__ = ["BINS", "bins_of", "calibration_error", "curve"]

BINS = 10
"""How many bins: 22 films in each on 219 films."""


def bins_of(probabilities: Floats, bins: int = BINS) -> NDArray[np.bool_]:
    """Put films into bins of as equal a number of films as ties allow; equal probabilities share a bin.

    Parameters
    ----------
    probabilities : ndarray of float64, shape [films]
        Of being positive.
    bins : int
        How many bins there are at most.

    Returns
    -------
    ndarray of bool, shape [films, bins]
        Which film is in which bin; bins without a film are left out. Bins are made once, on all films, and stay the
        same in every resample.
    """
    _, inverse, sizes = np.unique(probabilities, return_inverse=True, return_counts=True)
    middle = (np.cumsum(sizes) - sizes / 2)[inverse] / max(1, len(probabilities))
    number = np.minimum((middle * bins).astype(int), bins - 1)
    return np.asarray(number[:, None] == np.unique(number)[None, :])


def calibration_error(weights: Floats, truth: NDArray[np.bool_], probabilities: Floats, bins: int = BINS) -> Floats:
    """Return the expected calibration error: mean over films of |share of positives - mean probability| in the bin.

    Equal-mass bins, Naeini et al. 2015 with the binning of Nixon et al. 2019 (arXiv:1904.01685). It is never negative,
    so on few films it is above 0 even for a perfectly calibrated predictor.

    Parameters
    ----------
    weights : ndarray of float64, shape [K, films]
        Weightings.
    truth : ndarray of bool, shape [films]
        What is true.
    probabilities : ndarray of float64, shape [films]
        Of being positive.
    bins : int
        How many bins there are at most.

    Returns
    -------
    ndarray of float64, shape [K]
        In [0, 1].
    """
    gaps = (probabilities - truth)[:, None] * bins_of(probabilities, bins)
    return ratio(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))


def curve(truth: NDArray[np.bool_], probabilities: Floats, bins: int = BINS) -> list[tuple[float, float, int]]:
    """Return the reliability curve: by bin the mean probability, the share of positives and the number of films."""
    rows = bins_of(probabilities, bins).T
    return [(float(probabilities[row].mean()), float(truth[row].mean()), int(row.sum())) for row in rows]
