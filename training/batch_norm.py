"""Batch-norm statistics that fit the final weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch

__all__ = ["estimate_batch_norm"]


def estimate_batch_norm(network: torch.nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Replace running statistics by the plain mean over ``batches``, then put the network in evaluation mode.

    The running averages of a few hundred quick steps lag behind the weights, worst where a network's own momentum is
    small: InceptionResNetV2 falls from F1 .93 to .40 without this. See Wu and Johnson, arXiv:2105.07576 ("precise BN").

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place; weights stay.
    batches : iterable of Tensor
        Images as in training, each ``[batch, channels, height, width]``. A batch of one, which has no spread, is passed
        over.
    """
    norms = [m for m in network.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    momenta = [m.momentum for m in norms]
    network.eval()  # dropout stays off: only the norms look at the batch
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
        norm.train()
    with torch.no_grad():
        for batch in batches:
            if len(batch) > 1:
                network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
