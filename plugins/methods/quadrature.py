"""Gauss and Legendre's quadrature on [0, 1], in an order whose beginnings cover the whole."""

from __future__ import annotations

import numpy as np
import torch

from ..order import low_discrepancy_order

__all__ = ["quadrature"]


def quadrature(steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return nodes and weights, in low-discrepancy order.

    Parameters
    ----------
    steps : int
        How many nodes.

    Returns
    -------
    torch.Tensor
        Float64, [steps]: nodes in (0, 1).
    torch.Tensor
        Float64, [steps]: their weights, of sum 1.
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)  # type: ignore[no-untyped-call]
    order = low_discrepancy_order(steps)[:, 0]
    return torch.from_numpy((nodes[order] + 1) / 2), torch.from_numpy(weights[order] / 2)
