"""What a predictor scores that cannot see: ridge regression on a 16 x 16 thumbnail.

Printed beside every score. On confounded data it comes close to the networks; on phantoms it must not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from ..datasets import Split
from .cache import FilmCache
from .thresholds import choose_thresholds

__all__ = ["THUMBNAIL", "thumbnail_ridge"]

THUMBNAIL = 16
"""Side, pixels."""


def thumbnail_ridge(cache: FilmCache, split: Split = "test") -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Predict labels from thumbnails, with thresholds chosen on the validation split, as the networks' are.

    Parameters
    ----------
    cache : FilmCache
        With the size `THUMBNAIL`.
    split : str
        Films to predict.

    Returns
    -------
    predicted : ndarray of bool, shape [films, labels]
        Predicted labels.
    ranking : ndarray of float32, shape [films, labels]
        What they come of.
    """
    held_out = {name: np.zeros(cache.targets(name).shape, dtype=np.float32) for name in ("val", split)}
    films = {name: _flat(cache, name) for name in held_out}
    train, targets = _flat(cache, "train"), cache.targets("train")
    for column, answer in enumerate(targets.T):
        known = ~np.isnan(answer)
        if not known.any():
            continue
        ridge = RidgeCV(alphas=np.logspace(-1, 4, 11)).fit(train[known], answer[known])
        for name, pixels in films.items():
            if len(pixels):
                held_out[name][:, column] = ridge.predict(pixels)
    chosen = choose_thresholds(held_out["val"], cache.targets("val"))
    limits = np.asarray([threshold.value for threshold in chosen], dtype=np.float32)
    return held_out[split] >= limits, held_out[split]


def _flat(cache: FilmCache, split: Split) -> NDArray[np.float32]:
    images = cache.images(split, THUMBNAIL)
    return np.asarray(images).reshape(len(images), -1)
