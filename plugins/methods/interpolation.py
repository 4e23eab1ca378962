"""Values between scattered cells of a grid."""

from __future__ import annotations

import numpy as np
import torch
from threadpoolctl import threadpool_limits

__all__ = ["interpolated"]


def interpolated(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Complete planes of which some cells are known, by smooth cubic patches over the triangles between those.

    Parameters
    ----------
    values : torch.Tensor
        Float64, [T, R, C].
    known : torch.Tensor
        Bool, [R, C]; the four corners are.

    Returns
    -------
    torch.Tensor
        Float64, [T, R, C]: the known values as they are, and the others between them.
    """
    if min(known.shape) == 1:
        return _along_a_line(values.flatten(1), known.flatten()).reshape(values.shape)
    from scipy.interpolate import CloughTocher2DInterpolator  # not at the top: a quarter of a second of every start

    cells, missing = known.nonzero().numpy(), (~known).nonzero().numpy()
    # Slopes are found to a tolerance that is absolute; no unit of the outputs must decide how well.
    largest = values.abs().amax(dim=(1, 2))[:, None]
    scale = torch.where(largest > 0, largest, 1.0)
    # A matrix of two by two for each triangle: on a busy machine the matrix library's threads wait for each other.
    with threadpool_limits(1, user_api="blas"):
        surface = CloughTocher2DInterpolator(cells.astype(np.float64), (values[:, known] / scale).T.numpy())
        between = surface(missing.astype(np.float64))
    completed = values.clone()
    completed[:, ~known] = torch.from_numpy(between).T * scale
    return completed


def _along_a_line(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Complete [T, N] linearly: there are no triangles."""
    places, cells = np.arange(len(known)), known.nonzero()[:, 0].numpy()
    return torch.from_numpy(np.stack([np.interp(places, cells, row) for row in values[:, known].numpy()]))
