"""Fit what turns logits into probabilities, on the validation split alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from ..handlers.calibration import Calibration
from .settings import CalibrationMethod

__all__ = ["FEWEST", "Calibrated", "fit_calibration"]

FEWEST = 10
"""Films with a label, and without it, that a fit needs."""

_SCALES = (0.02, 20.0)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Calibrated:
    """What was fitted.

    Parameters
    ----------
    calibration : Calibration, optional
        None: the plain sigmoid.
    notes : tuple of str
        What was not fitted, and why.
    """

    calibration: Calibration | None
    notes: tuple[str, ...] = ()


def fit_calibration(method: CalibrationMethod, logits: Floats, targets: Floats, names: Sequence[str]) -> Calibrated:
    """Fit a calibration.

    Parameters
    ----------
    method : str
        ``platt``: scale and offset per label, with Platt's targets that keep a small split from being believed too
        much (Platt 1999; Lin, Lin and Weng 2007). ``temperature``: one scale for all labels (arXiv:1706.04599).
        ``none``: nothing.
    logits : ndarray of float32, shape [films, labels]
        Of the validation split.
    targets : ndarray of float32, shape [films, labels]
        0, 1, and NaN for unknown, which takes no part.
    names : sequence of str
        Of the labels.

    Returns
    -------
    Calibrated
        A label with fewer than `FEWEST` films on either side keeps the plain sigmoid, and a note says so.
    """
    if method == "none":
        return Calibrated(None)
    if method == "temperature":
        known = ~np.isnan(targets)
        answer = targets[known]
        if min((answer == 1).sum(), (answer == 0).sum()) < FEWEST:
            return Calibrated(None, (f"no temperature: fewer than {FEWEST} validation films on one side",))
        scale = _fit(logits[known], answer, offset=False)[0]
        count = targets.shape[1]
        return Calibrated(Calibration(method="temperature", scale=(scale,) * count, offset=(0.0,) * count))
    scales, offsets, notes = [], [], []
    for z, answer, name in zip(logits.T, targets.T, names, strict=True):
        positives, negatives = int((answer == 1).sum()), int((answer == 0).sum())
        if min(positives, negatives) < FEWEST:
            notes.append(f"{name}: not calibrated, the validation split has {positives} films with it and {negatives}")
            notes[-1] += " without it"
            scales.append(1.0)
            offsets.append(0.0)
            continue
        known = ~np.isnan(answer)
        smooth = np.where(answer[known] == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        scale, offset = _fit(z[known], smooth, offset=True)
        if scale <= _SCALES[0] * 1.01:
            notes.append(f"{name}: the logits do not rank the validation films; the probability is about their share")
        scales.append(scale)
        offsets.append(offset)
    if len(notes) == len(names) and set(scales) == {1.0}:
        return Calibrated(None, tuple(notes))
    return Calibrated(Calibration(method="platt", scale=tuple(scales), offset=tuple(offsets)), tuple(notes))


def _fit(logits: NDArray[Any], answer: NDArray[Any], *, offset: bool) -> tuple[float, float]:
    """Minimise the negative log likelihood over log(scale), which keeps it above 0, and the offset."""
    z, t = logits.astype(np.float64), answer.astype(np.float64)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale = np.exp(parameters[0])
        y = scale * z + parameters[1]
        value = np.logaddexp(0, y) - t * y
        slope = expit(y) - t
        gradient = np.array([(slope * scale * z).mean(), slope.mean() if offset else 0.0])
        return float(value.mean()), gradient

    low, high = np.log(_SCALES)
    bounds = [(low, high), (-50.0, 50.0) if offset else (0.0, 0.0)]
    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(np.exp(found[0])), float(found[1])
