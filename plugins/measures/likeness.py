"""How alike two maps are."""

from __future__ import annotations

import torch

__all__ = ["likeness"]


def likeness(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return Spearman's rank correlation of two maps' magnitudes, in [-1, 1].

    Maps whose magnitudes are the same have 1, constant ones included; else a constant map is like no other, 0.
    """
    first, second = one.abs().flatten().double(), other.abs().flatten().double()
    if torch.equal(first, second):
        return 1.0
    if first.min() == first.max() or second.min() == second.max():
        return 0.0
    from scipy.stats import spearmanr  # not at the top: a fifth of a second of every worker's start

    return float(spearmanr(first.numpy(), second.numpy()).statistic)
