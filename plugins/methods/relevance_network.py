"""A lifted network in the form that relevance is propagated through: sums and scalings are layers, norms are merged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from ..errors import NotApplicable
from .private_copy import private_copy
from .relevance_layers import Affine, Mean, Scale, stacked
from .signal_path import operator_name

__all__ = ["check_rules", "relevance_network"]

_LINEAR = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_POOLINGS = (
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AdaptiveMaxPool2d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
)
_ACTIVATIONS = (
    nn.ReLU,
    nn.ReLU6,
    nn.Hardtanh,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.LeakyReLU,
    nn.PReLU,
    nn.Hardswish,
    nn.Tanh,
)
"""Those that zennit passes relevance through and that make nothing of nothing."""
_LAYERS = (*_LINEAR, *_POOLINGS, *_ACTIVATIONS, nn.BatchNorm2d)
_MOVES = {
    "cat",
    "chunk",
    "clone",
    "contiguous",
    "flatten",
    "getitem",
    "permute",
    "reshape",
    "select",
    "slice",
    "split",
    "split_with_sizes",
    "squeeze",
    "stack",
    "transpose",
    "unsqueeze",
    "view",
}
"""Operators that only move values: their gradient moves the relevance back."""
_SUMS = {"add", "sub"}
_PRODUCTS = {"mul", "div"}


def check_rules(network: nn.Module) -> None:
    """Refuse a lifted network that has a part without a rule.

    Raises
    ------
    NotApplicable
        If it has; the text names every such part.
    """
    if not isinstance(network, fx.GraphModule):
        raise NotApplicable("the network's layers cannot be seen: it was not lifted")
    signals = _signals(network)
    if without := sorted(set(_without_rule(network, signals))):
        raise NotApplicable(
            f"layer-wise relevance propagation has no rule for what is in this network: {', '.join(without)}"
        )


def relevance_network(network: fx.GraphModule) -> fx.GraphModule:
    """Rewrite a copy of a lifted network; its outputs stay the same up to rounding.

    Batch normalisations are merged into the convolution or linear layer before them, where nothing else sees that;
    others become an `Affine`. Sums become zennit's `Sum` of `stacked` operands, products with a constant a `Scale`,
    means a `Mean`.

    Parameters
    ----------
    network : torch.fx.GraphModule
        The lifted network; it stays as it is, and shares with the copy the weights that do not change.

    Raises
    ------
    NotApplicable
        If it has a part without a rule.
    """
    check_rules(network)
    copied = private_copy(network)
    writer = _Writer(copied)
    signals = _signals(copied)
    for node in list(copied.graph.nodes):
        if node not in signals:
            continue
        if node.op == "call_module" and isinstance(copied.get_submodule(node.target), nn.BatchNorm2d):
            writer.norm(node)
        elif node.op == "call_function" and operator_name(node) in _SUMS:
            writer.sum(node)
        elif node.op == "call_function" and operator_name(node) in _PRODUCTS:
            writer.product(node)
        elif node.op == "call_function" and operator_name(node) == "mean":
            dims, keepdim = [*node.args[1:], None, False][:2] if len(node.args) > 1 else (None, False)
            writer.replace(node, Mean(list(cast("list[int]", dims)), keepdim=bool(keepdim)), node.args[0])
    copied.graph.eliminate_dead_code()
    copied.recompile()
    return copied


class _Writer:
    def __init__(self, network: fx.GraphModule) -> None:
        self._network = network
        self._count = 0

    def norm(self, node: fx.Node) -> None:
        norm = cast("nn.BatchNorm2d", self._network.get_submodule(str(node.target)))
        source = node.all_input_nodes[0]
        before = self._network.get_submodule(str(source.target)) if source.op == "call_module" else None
        if not isinstance(before, _LINEAR) or len(source.users) > 1:
            self._network.set_submodule(str(node.target), Affine(norm))
            return
        if isinstance(before, nn.Linear):
            merged: nn.Module = fuse_linear_bn_eval(before, norm)
        else:
            merged = fuse_conv_bn_eval(cast("Any", before), norm, transpose=isinstance(before, nn.ConvTranspose2d))
        self._network.set_submodule(str(source.target), merged)
        node.replace_all_uses_with(source)
        self._network.graph.erase_node(node)

    def sum(self, node: fx.Node) -> None:
        # Not at the top: every network is checked for rules where it is first served, and zennit imports torchvision.
        from zennit.layer import Sum

        factor = float(cast("float", node.kwargs.get("alpha", 1))) * (-1 if operator_name(node) == "sub" else 1)
        one, other = node.args[:2]
        with self._network.graph.inserting_before(node):
            if isinstance(other, fx.Node) and factor != 1:
                other = self._layer(Scale(torch.tensor(factor)), other)
            operands = tuple(
                operand if isinstance(operand, fx.Node) else self._constant(float(cast("float", operand)) * scale)
                for operand, scale in ((one, 1.0), (other, factor))
            )
            side_by_side = self._network.graph.call_function(stacked, operands)
        self.replace(node, Sum(), side_by_side)

    def product(self, node: fx.Node) -> None:
        one, other = node.args[:2]
        if not isinstance(one, fx.Node) or one.op == "get_attr":
            one, other = other, one
        factor = self._network.get_buffer(str(other.target)) if isinstance(other, fx.Node) else torch.tensor(other)
        self.replace(node, Scale(1 / factor if operator_name(node) == "div" else factor), one)

    def replace(self, node: fx.Node, layer: nn.Module, *arguments: Any) -> None:  # noqa: ANN401 - arguments of a node
        with self._network.graph.inserting_before(node):
            new = self._layer(layer, *arguments)
        node.replace_all_uses_with(new)
        self._network.graph.erase_node(node)

    def _layer(self, layer: nn.Module, *arguments: Any) -> fx.Node:  # noqa: ANN401
        name = f"relevance_{type(layer).__name__.lower()}_{self._count}"
        self._count += 1
        self._network.add_submodule(name, layer.eval())
        return self._network.graph.call_module(name, arguments)

    def _constant(self, value: float) -> fx.Node:
        name = f"relevance_constant_{self._count}"
        self._count += 1
        self._network.register_buffer(name, torch.tensor(value))
        return self._network.graph.get_attr(name)


def _signals(network: fx.GraphModule) -> set[fx.Node]:
    """Find the nodes that depend on the image."""
    found: set[fx.Node] = set()
    for node in network.graph.nodes:
        if node.op == "placeholder" or any(source in found for source in node.all_input_nodes):
            found.add(node)
    return found


def _without_rule(network: fx.GraphModule, signals: set[fx.Node]) -> Iterator[str]:
    for node in network.graph.nodes:
        if node not in signals or node.op in ("placeholder", "output"):
            continue
        if node.op == "call_module":
            layer = network.get_submodule(str(node.target))
            if not isinstance(layer, _LAYERS):
                yield type(layer).__name__
            continue
        name = operator_name(node)
        from_image: list[fx.Node] = []  # with repetition: a signal times itself is a product of two
        fx.map_arg((node.args, node.kwargs), from_image.append)
        from_image = [source for source in from_image if source in signals]
        if name in _PRODUCTS:
            if len(from_image) > 1 or (name == "div" and node.args[0] not in signals) or len(node.args) > 2:
                yield "products of two signals (gates)" if len(from_image) > 1 else name
        elif name == "mean":
            if len(node.args) < 2 or node.args[1] is None:
                yield "mean of everything"
        elif name not in _MOVES and name not in _SUMS:
            yield name
