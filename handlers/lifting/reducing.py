"""The same network in bfloat16, which processors with units for it compute in less time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn

from .channels_last import channels_last
from .first_convolution import replace_first

__all__ = ["reduce_precision"]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_CONVERTED = (*_CONVOLUTIONS, nn.Linear, nn.PReLU)
"""Layers that take weights of their input's type alone. Normalisations keep theirs in float32."""


def reduce_precision(network: fx.GraphModule) -> fx.GraphModule:
    """Rebuild a lifted network so that it computes in bfloat16, from float32 images to float32 outputs.

    bfloat16 has float32's range and 8 significant bits instead of 24; sums are accumulated in float32. Weights of
    convolutions and linear layers are converted once, here, rather than in every pass; those of normalisations stay.
    Activations lie channels-last, and for that the weights of convolutions.

    Both ends compute in float32: the first convolution with what has no convolution after it, and the last linear layer
    with the poolings before it. Pixels of 8 bits, and a first pooling that cannot tell its inputs apart, would move a
    gradient more than all the rest does (ResNet18: Spearman's correlation .91 instead of .999); outputs of 8 bits would
    hide small changes. The price is that the first convolution takes a good part of the time that is left.
    Where several layers read the image, there is no first one, and they see pixels of 8 bits.

    Parameters
    ----------
    network : torch.fx.GraphModule
        What `lift` made, or `fold` of that. Neither it nor its weights are changed.

    Returns
    -------
    torch.fx.GraphModule
        In evaluation mode, with gradients. What is neither converted nor laid out anew is shared with `network`. One
        that is all ends is the network as it was.
    """
    tensors = [*network.parameters(), *network.buffers()]
    reduced: fx.GraphModule = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})
    stem, head = list(_stem(reduced)), list(_head(reduced))
    if set(stem) & set(head):
        return reduced
    exact = {str(node.target) for node in (*stem, *head) if node.op == "call_module"}
    for name, layer in list(reduced.named_modules()):
        if isinstance(layer, _CONVERTED) and name not in exact:
            _convert(layer)
        elif isinstance(layer, nn.Conv2d):
            layer.weight = nn.Parameter(channels_last(layer.weight), requires_grad=False)
            replace_first(reduced, name)
    kept = {str(one.target) for node in (*stem, *head) for one in node.all_input_nodes if one.op == "get_attr"}
    for name, constant in list(reduced.named_buffers(recurse=False)):
        # A number without dimensions takes the type of what it meets.
        if constant.is_floating_point() and constant.ndim and name not in kept:
            setattr(reduced, name, constant.to(torch.bfloat16))
    _cast(reduced.graph, stem[-1], {"dtype": torch.bfloat16, "memory_format": torch.channels_last})
    _cast(reduced.graph, _dependent(head[-1])[0], {"dtype": torch.float32}, only=head[-1])
    reduced.graph.lint()
    reduced.recompile()
    return reduced


def _stem(network: fx.GraphModule) -> Iterator[fx.Node]:
    """Yield what computes in float32 from the image on: planes, and one after the other."""
    node = next(node for node in network.graph.nodes if node.op == "placeholder")
    convolved = False
    while True:
        yield node
        after = next(iter(node.users), None)
        if after is None or len(node.users) != 1 or _dependent(after) != [node]:
            return
        layer = _layer(network, after)
        if (layer is None and after.target not in _AT_PLACES) or isinstance(layer, nn.Linear):
            return
        if isinstance(layer, _CONVOLUTIONS):
            if convolved:
                return
            convolved = True
        node = after


_AT_PLACES = {torch.clone, *(getattr(torch.ops.aten, name) for name in ("add", "sub", "mul", "div"))}
"""Functions that keep planes what they are."""


def _head(network: fx.GraphModule) -> Iterator[fx.Node]:
    """Yield what computes in float32, from the output back."""
    node = next(node for node in network.graph.nodes if node.op == "output")
    linear = False
    while True:
        yield node
        before = _dependent(node)[0]
        if before.op == "placeholder" or len(before.users) != 1 or len(_dependent(before)) != 1:
            return
        layer = _layer(network, before)
        if isinstance(layer, _CONVOLUTIONS) or (isinstance(layer, nn.Linear) and linear):
            return
        linear |= isinstance(layer, nn.Linear)
        node = before


def _layer(network: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return network.get_submodule(str(node.target)) if node.op == "call_module" else None


def _dependent(node: fx.Node) -> list[fx.Node]:
    """Return the inputs of a node that are not constants."""
    return [one for one in node.all_input_nodes if one.op != "get_attr"]


def _convert(layer: nn.Module) -> None:
    for name, value in layer.named_parameters(recurse=False):
        converted = value.detach().to(torch.bfloat16)
        if converted.dim() == 4:
            converted = channels_last(converted)
        setattr(layer, name, nn.Parameter(converted, requires_grad=False))


def _cast(graph: fx.Graph, node: fx.Node, to: dict[str, Any], only: fx.Node | None = None) -> None:
    """Let those that read a node, or only one of them, read it as another type."""
    with graph.inserting_after(node):
        cast = graph.call_function(torch.ops.aten._to_copy, (node,), to)
    node.replace_all_uses_with(cast, delete_user_cb=lambda user: user is not cast and only in (None, user))
