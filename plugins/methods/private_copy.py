"""A copy of a network to change: it shares the weights, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..observed import ObservedModel

__all__ = ["discarded", "private_copy", "swapped"]


def private_copy(network: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """Copy a lifted network's graph and layers; the tensors of its weights are shared, not copied.

    Layers and hooks of the copy can be changed, and its weights replaced, without the original seeing it. Nothing may
    be written into the weights.
    """
    tensors = [*network.parameters(), *network.buffers()]
    copied: torch.fx.GraphModule = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})
    return copied


@contextmanager
def discarded(network: torch.fx.GraphModule) -> Iterator[torch.fx.GraphModule]:
    """Let go of a copy's weights at the end; it cannot be used any more then.

    A graph module refers to itself, so only Python's full collection frees it, which comes rarely in a process with
    many objects: until then every copy would keep the weights that it does not share.
    """
    try:
        yield network
    finally:
        for layer in network.modules():
            layer._parameters.clear()
            layer._buffers.clear()


@contextmanager
def swapped(model: ObservedModel, network: torch.nn.Module) -> Iterator[None]:
    """Let a model use another network, counted and cancelled like its own, and give it its own back at the end."""
    own = model.network
    model.network = network
    try:
        yield
    finally:
        model.network = own
