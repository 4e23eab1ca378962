"""From an attribution to one plane."""

from __future__ import annotations

import torch

from .contract import Channels

__all__ = ["heatmap"]


def heatmap(values: torch.Tensor, *, signed: bool, channels: Channels = Channels.SHARES) -> torch.Tensor:
    """Reduce an attribution to a heatmap.

    Parameters
    ----------
    values : torch.Tensor
        [C, H, W].
    signed : bool
        Whether its values have a sign.
    channels : Channels
        What its channels are to each other.

    Returns
    -------
    torch.Tensor
        [H, W]: the sum over channels of a signed map, so that its total stays what it was; the largest magnitude of
        an unsigned one, as is usual for saliency; the first channel where all say the same.
    """
    if channels is Channels.REPEATED:
        return values[0]
    return values.sum(dim=0) if signed else values.abs().amax(dim=0)
