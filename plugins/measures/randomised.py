"""A network with some of its weights drawn anew."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from torch import fx, nn

from ..errors import NotApplicable
from ..methods.private_copy import discarded, private_copy

__all__ = ["Redrawn", "randomised", "weighted_layers"]


@dataclass(frozen=True)
class Redrawn:
    """The network that `randomised` makes, before it is made.

    Parameters
    ----------
    layers : frozenset of str
        Of `weighted_layers`: those whose weights are drawn anew.
    seed : int
        Decides the weights.
    """

    layers: frozenset[str]
    seed: int

    def made_of(self, lifted: fx.GraphModule) -> AbstractContextManager[fx.GraphModule]:
        """Make it; it is of no use after the block."""
        return randomised(lifted, self.layers, self.seed)


def weighted_layers(network: fx.GraphModule) -> list[str]:
    """Return the names of the layers that have weights or statistics, in the order in which the image meets them.

    Raises
    ------
    NotApplicable
        If there are none to draw anew.
    """
    layers = dict(network.named_modules())
    names = [
        str(node.target)
        for node in network.graph.nodes
        if node.op == "call_module" and _learnt(layers[str(node.target)])
    ]
    if not any(_drawn(layers[name]) for name in names):
        raise NotApplicable("the network has no layers of weights that could be drawn anew")
    return list(dict.fromkeys(names))


@contextmanager
def randomised(network: fx.GraphModule, names: Collection[str], seed: int) -> Iterator[fx.GraphModule]:
    """Copy a network, some layers of it as before training; the copy is of no use after the block.

    Weights of convolutions and linear layers are normal with the variance 2 / fan-in (He et al. 2015,
    arXiv:1502.01852) and their biases zero; normalisations neither scale nor shift, and have mean 0 and variance 1 for
    statistics. With these weights the size of activations and gradients stays what it was from layer to layer without
    any statistics. A layer's weights depend on the seed and on its place among all layers, not on which others are
    drawn. Tensors that the network uses without a layer stay.

    Parameters
    ----------
    network : torch.fx.GraphModule
        A lifted network. Nothing in it is changed.
    names : collection of str
        Of `weighted_layers`.
    seed : int
        Decides the weights.

    Yields
    ------
    torch.fx.GraphModule
        In evaluation mode; the weights of all other layers are those of `network`.
    """
    chosen = set(names)
    with discarded(private_copy(network)) as copied:
        layers = dict(copied.named_modules())
        generator = torch.Generator().manual_seed(seed)
        for name in weighted_layers(copied):
            draw = int(torch.randint(2**62, (), generator=generator))
            if name in chosen:
                _reset(layers[name], draw)
        yield copied


def _drawn(layer: nn.Module) -> bool:
    weight = getattr(layer, "weight", None)
    return isinstance(weight, torch.Tensor) and weight.ndim >= 2


def _learnt(layer: nn.Module) -> bool:
    """Whether a layer has anything of its own that training made; statistics are."""
    return any(True for _ in layer.parameters(recurse=False)) or any(True for _ in layer.buffers(recurse=False))


def _reset(layer: nn.Module, seed: int) -> None:
    # The copy shares its tensors: they are replaced, never written to.
    weight, bias = layer._parameters.get("weight"), layer._parameters.get("bias")
    if weight is not None and weight.ndim >= 2:
        drawn = torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
        layer._parameters["weight"] = _frozen(drawn * (2 / weight[0].numel()) ** 0.5, weight)
    elif weight is not None:
        start = 0.25 if isinstance(layer, nn.PReLU) else 1.0
        layer._parameters["weight"] = _frozen(torch.full(weight.shape, start), weight)
    if bias is not None:
        layer._parameters["bias"] = _frozen(torch.zeros(bias.shape), bias)
    for name, value in (("running_mean", 0.0), ("running_var", 1.0)):
        statistics = layer._buffers.get(name)
        if statistics is not None:
            layer._buffers[name] = torch.full_like(statistics, value)


def _frozen(values: torch.Tensor, like: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(values.to(like.device, like.dtype), requires_grad=False)
