"""What a predictor scores that cannot see: ridge regression on a 16 x 16 thumbnail.

Printed beside every score. On confounded data it comes close to the networks; on phantoms it must not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from .cache import FilmCache
from .examples import Split
from .scores import choose_thresholds

__all__ = ["THUMBNAIL", "thumbnail_ridge"]

THUMBNAIL = 16
"""Side, pixels."""


def thumbnail_ridge(cache: FilmCache, split: Split = "test") -> NDArray[np.bool_]:
    """Predict labels from thumbnails, with thresholds chosen on the validation split, as the networks' are.

    Parameters
    ----------
    cache : FilmCache
        With the size `THUMBNAIL`.
    split : str
        Films to predict.

    Returns
    -------
    ndarray of bool, shape [films, labels]
        Predicted labels.
    """
    ridge = RidgeCV(alphas=np.logspace(-1, 4, 11)).fit(_flat(cache, "train"), cache.targets("train"))
    thresholds = choose_thresholds(_predict(ridge, cache, "val"), cache.targets("val") > 0.5)
    return np.asarray(_predict(ridge, cache, split) >= np.asarray(thresholds))


def _flat(cache: FilmCache, split: Split) -> NDArray[np.float32]:
    images = cache.images(split, THUMBNAIL)
    return np.asarray(images).reshape(len(images), -1)


def _predict(ridge: RidgeCV, cache: FilmCache, split: Split) -> NDArray[np.float32]:
    predicted = ridge.predict(_flat(cache, split)).reshape(cache.targets(split).shape)
    return np.asarray(predicted, dtype=np.float32)
