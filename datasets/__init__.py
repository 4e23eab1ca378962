"""Labelled X-rays: manifests of every kind, read into the same films with the same rules.

Training and evaluation both start here, so that a film is split, labelled and left out alike wherever it is used.
"""

from .film import SPLITS, DataSet, Film, Split

__all__ = ["SPLITS", "DataSet", "Film", "Split"]
