"""Which layer of a network has the feature maps that a class activation map is made of."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterator, Mapping
from enum import Enum
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import fx, nn

from ..errors import NotApplicable
from .signal_path import operator_name

__all__ = ["MEANS", "choose_map", "layer_name", "named_maps", "nodes_behind"]

MEANS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)
"""Poolings that add up what they take."""
_POOLINGS = (*MEANS, nn.MaxPool2d, nn.AdaptiveMaxPool2d)
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
_REDUCTIONS = {"mean", "sum", "amax", "max"}
_RESHAPES = {"flatten", "view", "reshape", "squeeze", "unsqueeze", "select", "unbind", "unfold", "_reshape_alias"}
_MIXES = {
    "baddbmm",
    "bmm",
    "einsum",
    "matmul",
    "permute",
    "roll",
    "scaled_dot_product_attention",
    "transpose",
    "_native_multi_head_attention",
    "_transformer_encoder_layer_fwd",
}
"""What happens to tokens and not to the features of a pooled map."""
_CHANNELS_FIRST = (0, 1, 2, 3)


class _Kind(Enum):
    """What a value of the graph is. Later ones win where an operator joins several."""

    OTHER = 0
    IMAGE = 1
    POOLED = 2
    MAP = 3


_Value = tuple[_Kind, tuple[int, ...]]
"""The kind, and which axis of [N, C, H, W] each of its axes is."""

_CHOSEN: WeakKeyDictionary[fx.GraphModule, dict[Hashable, str]] = WeakKeyDictionary()
"""Names of the nodes that were chosen: to look at every layer takes milliseconds, more than the map itself."""


def choose_map(
    network: nn.Module, layer: str | None = None, *, poolings: tuple[type[nn.Module], ...] = _POOLINGS
) -> fx.Node:
    """Find the node of a lifted network whose value is a layer's feature maps [N, K, h, w].

    Parameters
    ----------
    network : torch.nn.Module
        The lifted network, a `torch.fx.GraphModule`, whose graph does not change any more.
    layer : str, optional
        Name of a layer or an operator. By default the last feature maps before the network pools them into one number
        each: behind the last activation, before the pooling, whether that is global, to a fixed size or in steps.
    poolings : tuple of type, optional
        Layers that are such a pooling, by default any; behind other poolings the maps go on.

    Returns
    -------
    torch.fx.Node
        In the network's graph.

    Raises
    ------
    NotApplicable
        If the network has no such maps (as a vision transformer), or no layer of this name; the text lists near ones.
    """
    if not isinstance(network, fx.GraphModule):
        raise NotApplicable("the network's layers cannot be seen: it was not lifted")
    known = _CHOSEN.setdefault(network, {})
    if (name := known.get((layer, poolings))) is not None:
        found: fx.Node = next(node for node in network.graph.nodes if node.name == name)
        return found
    chosen = _choose(network, layer, poolings)
    known[layer, poolings] = chosen.name
    return chosen


def _choose(network: fx.GraphModule, layer: str | None, poolings: tuple[type[nn.Module], ...]) -> fx.Node:
    values = _values(network)
    if layer is not None:
        return _named(network, values, layer)
    maps = [node for node, value in values.items() if value == (_Kind.MAP, _CHANNELS_FIRST)]
    if not maps:
        raise NotApplicable("this network has no convolutional feature maps")
    last = maps[-1]
    if mixed := sorted({operator_name(node) for node in nodes_behind(last) if _mixes(node, values)}):
        raise NotApplicable(
            f"this network's last convolutional feature maps are those of {layer_name(last)!r}, and behind them come "
            f"tokens rather than a pooling ({', '.join(mixed)}), as in a vision transformer; a class activation map "
            "needs convolutional maps at the end"
        )
    while _is_one_of(poolings, network, last) or last.target is torch.clone:
        last = last.all_input_nodes[0]
    return last


def named_maps(network: fx.GraphModule) -> Mapping[str, fx.Node]:
    """Return the nodes with convolutional feature maps by their names, from the image to the output."""
    return _maps(_values(network))


def layer_name(node: fx.Node) -> str:
    """Return a layer's name in the network, or an operator's in the graph."""
    return str(node.target) if node.op == "call_module" else node.name


def _maps(values: Mapping[fx.Node, _Value]) -> Mapping[str, fx.Node]:
    return {
        layer_name(node): node
        for node, value in values.items()
        if value == (_Kind.MAP, _CHANNELS_FIRST) and node.target is not torch.clone
    }


def _named(network: fx.GraphModule, values: Mapping[fx.Node, _Value], layer: str) -> fx.Node:
    maps = _maps(values)
    if layer in maps:
        return maps[layer]
    inside = [name for name in maps if name.startswith(f"{layer}.")]
    if inside:
        raise NotApplicable(
            f"{layer!r} is a block; these are its last layers: {', '.join(repr(name) for name in inside[-3:])}"
        )
    near = difflib.get_close_matches(layer, maps, n=5, cutoff=0.4) or list(maps)[-5:]
    known = any(layer_name(node) == layer for node in network.graph.nodes)
    reason = f"the layer {layer!r} has no convolutional feature maps" if known else f"there is no layer {layer!r}"
    raise NotApplicable(f"{reason}; near it by name: {', '.join(repr(name) for name in near)}")


def _values(network: fx.GraphModule) -> dict[fx.Node, _Value]:
    """Say of every node that depends on the image what it is, in the order of the graph."""
    values: dict[fx.Node, _Value] = {}
    layers = dict(network.named_modules(remove_duplicate=False))
    for node in network.graph.nodes:
        inputs = [values[source] for source in node.all_input_nodes if source in values]
        if node.op == "placeholder":
            values[node] = (_Kind.IMAGE, _CHANNELS_FIRST)
        elif node.op == "call_module":
            values[node] = _of_layer(layers[str(node.target)], inputs[0])
        elif node.op == "call_function" and inputs:
            values[node] = _of_operator(node, max(inputs, key=lambda value: value[0].value))
    return values


def _of_layer(layer: nn.Module, given: _Value) -> _Value:
    kind, axes = given
    if isinstance(layer, _CONVOLUTIONS):
        return (_Kind.POOLED if kind is _Kind.POOLED else _Kind.MAP), _CHANNELS_FIRST
    if isinstance(layer, (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)) and kind is _Kind.MAP:
        return (_Kind.POOLED if layer.output_size in (1, (1, 1)) else kind), axes
    if isinstance(layer, nn.Linear) and axes == _CHANNELS_FIRST and kind is not _Kind.POOLED:
        return _Kind.OTHER, ()
    return given


def _of_operator(node: fx.Node, given: _Value) -> _Value:
    kind, axes = given
    name = operator_name(node)
    if kind is _Kind.OTHER:
        return given
    if name == "permute":
        return kind, tuple(axes[dim] for dim in _argument(node, "dims", 1))
    if name == "transpose":
        one, other = (_argument(node, dim, position) for position, dim in enumerate(("dim0", "dim1"), start=1))
        swap = list(axes)
        swap[one], swap[other] = swap[other], swap[one]
        return kind, tuple(swap)
    if name in _RESHAPES:
        return _Kind.OTHER, ()
    if name in _REDUCTIONS:
        dims = _argument(node, "dim", 1)
        lost = {axes[dim] for dim in ([dims] if isinstance(dims, int) else dims or range(len(axes)))}
        keeps = bool(_argument(node, "keepdim", 2))
        if not keeps or not lost:
            return _Kind.OTHER, ()
        return (_Kind.POOLED if {2, 3} <= lost else kind), axes
    return given


def _argument(node: fx.Node, name: str, position: int) -> Any:  # noqa: ANN401 - any value of a graph
    return node.kwargs.get(name, node.args[position] if len(node.args) > position else None)


def _is_one_of(kinds: tuple[type[nn.Module], ...], network: fx.GraphModule, node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(network.get_submodule(str(node.target)), kinds)


def nodes_behind(node: fx.Node) -> Iterator[fx.Node]:
    """Yield all nodes of a graph that depend on one, the output among them, each once."""
    seen: dict[fx.Node, None] = {}
    waiting = [node]
    while waiting:
        for user in waiting.pop().users:
            if user not in seen:
                seen[user] = None
                waiting.append(user)
    yield from seen


def _mixes(node: fx.Node, values: Mapping[fx.Node, _Value]) -> bool:
    return node.op == "call_function" and operator_name(node) in _MIXES and values[node][0] is _Kind.OTHER
