"""What an audit in a lower precision shows of float32: how alike the maps of both are, on some of its films.

A change of the output says little of a map: a gradient can lose its order where the output hardly moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .records import MapName
from .tables import Measured

__all__ = ["ALIKE", "SPEARMAN", "alike", "least_alike"]

SPEARMAN: Final = "precision.spearman"
ALIKE = 0.95
"""Mean correlation below which a report names a network and method."""


def alike(
    maps: Mapping[MapName, NDArray[np.float32]],
    exact: Mapping[MapName, NDArray[np.float32]],
    missing: Mapping[MapName, str],
) -> tuple[list[tuple[str, str, str, str, float]], list[tuple[str, str, str, str, str]]]:
    """Correlate the ranks of each map's pixels with those of the same map in float32.

    Parameters
    ----------
    maps, exact : mapping of ndarray, shape [S, S]
        In the lower precision, and in float32; as methods give them, with their signs.
    missing : mapping of str
        Why a map in float32 is not there.

    Returns
    -------
    list of tuple, list of tuple
        Network, method, label, ``precision.spearman``, and the correlation in [-1, 1]; then the same with the reason
        for maps of which it cannot be told. A map that is missing in the lower precision is in neither.
    """
    from scipy.stats import spearmanr

    measured: list[tuple[str, str, str, str, float]] = []
    failed: list[tuple[str, str, str, str, str]] = []
    for name, values in maps.items():
        beside = exact.get(name)
        if beside is None:
            failed.append((*name, "precision", f"there is no map in float32: {missing[name]}"))
        elif problem := _problem(values) or _problem(beside):
            failed.append((*name, "precision", problem))
        else:
            measured.append((*name, SPEARMAN, float(spearmanr(values, beside, axis=None).statistic)))
    return measured, failed


def least_alike(rows: Sequence[Measured]) -> str:
    """Say in a sentence how alike maps are to those in float32, and name what is not; empty without any."""
    own = [row for row in rows if row.quantity == SPEARMAN]
    if not own:
        return ""
    pairs: dict[tuple[str, str], list[float]] = {}
    for row in own:
        pairs.setdefault((row.network, row.method), []).append(row.value)
    means = sorted((float(np.mean(values)), pair) for pair, values in pairs.items())
    films = len({row.file for row in own})
    unlike = [f"{network} with {method} ({mean:.2f})" for mean, (network, method) in means if mean < ALIKE]
    named = f"Below {ALIKE:g} are {', '.join(unlike)}: their maps are not those of float32." if unlike else ""
    return (
        f"Of {films} of these films the maps were computed in float32 too: ranks of their pixels correlate by "
        f"{means[0][0]:.3f} to {means[-1][0]:.3f}, in the mean of a network and method. {named}"
    ).strip()


def _problem(values: NDArray[np.float32]) -> str:
    if not np.isfinite(values).all():
        return "the map has values that are no numbers"
    return "the map is the same everywhere" if values.min() == values.max() else ""
