"""The same network in bfloat16, which processors with units for it compute in half the time or less."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import fx, nn

__all__ = ["reduce_precision"]

_CONVERTED = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Linear,
    nn.PReLU,
)
"""Layers that take weights of their input's type alone. Normalisations keep theirs in float32."""


def reduce_precision(network: fx.GraphModule) -> fx.GraphModule:
    """Rebuild a lifted network so that it computes in bfloat16, from float32 images to float32 outputs.

    bfloat16 has float32's range and 8 significant bits instead of 24; sums are accumulated in float32. Weights of
    convolutions and linear layers are converted once, here, rather than in every pass; those of normalisations stay.
    The last linear layer, and the poolings before it, compute in float32: else outputs would be rounded to 8 bits too,
    and small changes of one could not be told. Activations lie channels-last.

    Parameters
    ----------
    network : torch.fx.GraphModule
        What `lift` made, or `fold` of that. Neither it nor its weights are changed.

    Returns
    -------
    torch.fx.GraphModule
        In evaluation mode, with gradients. What is not converted is shared with `network`.
    """
    tensors = [*network.parameters(), *network.buffers()]
    reduced: fx.GraphModule = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})
    image = next(node for node in reduced.graph.nodes if node.op == "placeholder")
    head = list(_head(reduced))
    exact = {str(node.target) for node in head if node.op == "call_module"}
    for name, layer in reduced.named_modules():
        if isinstance(layer, _CONVERTED) and name not in exact:
            _convert(layer)
    for name, constant in list(reduced.named_buffers(recurse=False)):
        # A number without dimensions takes the type of what it meets.
        if constant.is_floating_point() and constant.ndim:
            setattr(reduced, name, constant.to(torch.bfloat16))
    _cast(reduced.graph, image, {"dtype": torch.bfloat16, "memory_format": torch.channels_last})
    first = head[-1]
    _cast(reduced.graph, first.all_input_nodes[0], {"dtype": torch.float32}, only=first)
    reduced.graph.lint()
    reduced.recompile()
    return reduced


def _head(network: fx.GraphModule) -> Iterator[fx.Node]:
    """Yield what computes in float32, from the output back: the last linear layer, and what has no weights before it."""
    node = next(node for node in network.graph.nodes if node.op == "output")
    linear = False
    while True:
        yield node
        before = node.all_input_nodes[0]
        if before.op not in ("call_module", "call_function", "call_method") or len(before.all_input_nodes) != 1:
            return
        layer = network.get_submodule(str(before.target)) if before.op == "call_module" else None
        if layer is not None and any(True for _ in layer.parameters()):
            if linear or not isinstance(layer, nn.Linear):
                return
            linear = True
        if len(before.users) != 1:
            return
        node = before


def _convert(layer: nn.Module) -> None:
    for name, value in layer.named_parameters(recurse=False):
        converted = value.detach().to(torch.bfloat16)
        if converted.dim() == 4:
            converted = converted.contiguous(memory_format=torch.channels_last)
        setattr(layer, name, nn.Parameter(converted, requires_grad=False))


def _cast(graph: fx.Graph, node: fx.Node, to: dict[str, object], only: fx.Node | None = None) -> None:
    """Let those that read a node, or only one of them, read it as another type."""
    with graph.inserting_after(node):
        cast = graph.call_function(torch.ops.aten._to_copy, (node,), to)
    node.replace_all_uses_with(cast, delete_user_cb=lambda user: user is not cast and only in (None, user))
