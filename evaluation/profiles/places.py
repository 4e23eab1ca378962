"""Where in a network activations can be taken: every tensor of feature maps in its lifted graph, under a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import fx
from torch.fx.passes.shape_prop import ShapeProp, TensorMetadata

from ...handlers import InputSpec

__all__ = ["INPUT", "Place", "function_of", "places_of"]

INPUT = "input"
"""The name of the input itself."""

_MAPS = 4  # dimensions: batch, channels, height, width


@dataclass(frozen=True)
class Place:
    """A tensor of feature maps.

    Parameters
    ----------
    name : str
        Path of the layer that makes it (``layer1.0.act2``); ``input``; of an operator that is no layer, the part of the
        path that its inputs share and what it does (``Mixed_5b.cat``).
    node : str
        Its node in the lifted graph.
    channels, height, width : int
        Its shape for one image.
    """

    name: str
    node: str
    channels: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self.channels, self.height, self.width


def places_of(lifted: fx.GraphModule, spec: InputSpec) -> dict[str, Place]:
    """Find every tensor of feature maps that depends on the image.

    Parameters
    ----------
    lifted : torch.fx.GraphModule
        As `radiolucent.handlers.lifting.lift` makes it. It is run once on a black image.
    spec : InputSpec
        What it expects to see.

    Returns
    -------
    dict of str to Place
        By name, in the order in which they are computed. The input counts one channel: the others are copies of it.
    """
    image = torch.full((1, spec.channels, spec.size, spec.size), spec.black)
    with torch.no_grad():
        ShapeProp(lifted).propagate(image)
    names: dict[fx.Node, str] = {}
    found: dict[str, Place] = {}
    for node in lifted.graph.nodes:
        if node.op == "placeholder":
            names[node] = INPUT
        elif node.op == "call_module":
            names[node] = str(node.target)
        elif node.op == "call_function":
            names[node] = _name(node, names)
        else:
            continue
        meta = node.meta.get("tensor_meta")
        if not isinstance(meta, TensorMetadata) or len(meta.shape) != _MAPS or function_of(node) == "clone":
            continue
        name, use = names[node], 0
        while names[node] in found:
            use += 1
            names[node] = f"{name}_{use}"
        _, channels, height, width = meta.shape
        found[names[node]] = Place(names[node], node.name, 1 if node.op == "placeholder" else channels, height, width)
    return found


def function_of(node: fx.Node) -> str:
    """Return the name of the operator of a node that is no layer; empty for a layer."""
    if node.op != "call_function":
        return ""
    return str(getattr(node.target, "__name__", node.target)).rpartition(".")[2]


def _name(node: fx.Node, names: Mapping[fx.Node, str]) -> str:
    inputs = [names[one] for one in node.all_input_nodes if one in names]
    function = function_of(node)
    if function == "clone":
        return inputs[0]
    owners = [name.split(".")[:-1] if len(inputs) == 1 else name.split(".") for name in inputs if name != INPUT]
    shared = []
    for parts in zip(*owners, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join((*shared, function))
