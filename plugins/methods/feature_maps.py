"""The feature maps of a layer while a network runs, and from them to the pixels of the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from pydantic import Field
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from ..contract import Parameters
from ..errors import NotApplicable
from ..observed import ObservedModel
from .layer_choice import choose_map, layer_name, named_maps
from .private_copy import private_copy, swapped

__all__ = ["LEAST", "UPSAMPLING", "LayerParameters", "Tap", "map_gradients", "tapped", "upsampled"]

_TAP = "class_activation_tap"

LEAST = 3
"""Fewest rows and columns of a feature map that can say where."""

UPSAMPLING = (
    "The map has the layer's resolution and is enlarged bilinearly, as if its cells tiled the image (align_corners "
    "off); the fields that they really see may lie up to half a cell aside."
)
"""For descriptions."""


class LayerParameters(Parameters):
    """Of which layer the feature maps are."""

    layer: str | None = Field(
        default=None,
        description="Name of the layer or operator whose feature maps are used, such as layer3.1.act2. Absent: the "
        "last ones before the network pools them; they must have 3 x 3 cells or more.",
    )


class _TooSmallError(Exception):
    def __init__(self, shape: torch.Size) -> None:
        super().__init__(shape)
        self.shape = shape


class Tap(nn.Module):
    """Passes feature maps on and remembers them.

    Attributes
    ----------
    maps : torch.Tensor
        [N, K, h, w], of the last forward pass.
    """

    maps: torch.Tensor

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the maps; where grad mode is on, the outputs can be differentiated with respect to them."""
        if min(maps.shape[-2:]) < LEAST:
            raise _TooSmallError(maps.shape)
        if torch.is_grad_enabled() and not maps.requires_grad:
            maps = maps.detach().requires_grad_()
        self.maps = maps
        return maps


@contextmanager
def tapped(model: ObservedModel, image: torch.Tensor, node: fx.Node) -> Iterator[Tap]:
    """Let a model run with a tap behind a layer; at the end its network is as it was.

    Parameters
    ----------
    model : ObservedModel
        Of a lifted network.
    image : torch.Tensor
        The explained image, [1, C, H, W].
    node : torch.fx.Node
        Of the layer, in the network's graph, as `choose_map` finds it.

    Yields
    ------
    Tap
        Behind the layer.

    Raises
    ------
    NotApplicable
        In a forward pass, if the layer's maps are too small to say where.
    """
    network = cast("fx.GraphModule", model.network)
    tap = Tap()
    try:
        if (handle := _hooked(network, node, tap)) is not None:
            with handle:
                yield tap
        else:
            copied = private_copy(network)
            _insert(copied, choose_map(copied, layer_name(node)), tap)
            with swapped(model, copied):
                yield tap
    except _TooSmallError as error:
        raise NotApplicable(_too_small(network, layer_name(node), error.shape, image)) from None


def _hooked(network: fx.GraphModule, node: fx.Node, tap: Tap) -> RemovableHandle | None:
    """Put a tap behind a node by a hook on a layer: the one that gives the maps, or the only one that takes them.

    None where there is no such layer. A hook costs nothing, where a copy takes as long as several forward passes.
    """
    if (giver := _layer_used_once(network, node)) is not None:
        return giver.register_forward_hook(lambda _layer, _inputs, maps: tap(maps))
    while len(node.users) == 1:
        (node,) = node.users
        if (taker := _layer_used_once(network, node)) is not None:
            return taker.register_forward_pre_hook(lambda _layer, inputs: (tap(inputs[0]), *inputs[1:]))
        if node.target is not torch.clone:
            return None
    return None


def _layer_used_once(network: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    uses = sum(other.op == "call_module" and other.target == node.target for other in network.graph.nodes)
    return network.get_submodule(str(node.target)) if node.op == "call_module" and uses == 1 else None


def _insert(network: fx.GraphModule, node: fx.Node, tap: Tap) -> None:
    network.add_submodule(_TAP, tap)
    with network.graph.inserting_after(node):
        behind = network.graph.call_module(_TAP, (node,))
    node.replace_all_uses_with(behind, delete_user_cb=lambda user: user is not behind)
    network.recompile()


def map_gradients(
    model: ObservedModel, tap: Tap, image: torch.Tensor, targets: Sequence[int]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Differentiate several outputs with respect to the feature maps, sharing one forward pass.

    Yields
    ------
    torch.Tensor
        The maps, float64, [K, h, w].
    torch.Tensor
        Per target, in their order, the gradient of its output: of the same shape.
    """
    with torch.enable_grad():
        outputs = model(image)
    maps = tap.maps
    last = len(targets) - 1
    for position, target in enumerate(targets):
        (gradient,) = torch.autograd.grad(outputs[0, target], maps, retain_graph=position < last)
        yield maps[0].detach().double(), gradient[0].double()


def upsampled(plane: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Enlarge a map [h, w] to the image, and repeat it for each channel: float32, [C, H, W]."""
    size = image.shape[-2:]
    large = functional.interpolate(plane.to(image.device)[None, None], size=size, mode="bilinear", align_corners=False)
    return large[0].float().expand(image.shape[1:]).clone()


def _too_small(network: fx.GraphModule, name: str, shape: torch.Size, image: torch.Tensor) -> str:
    rows, columns = shape[-2:]
    height, width = image.shape[-2:]
    other = _last_large_enough(network, image)
    remedy = f"the layer {other!r}, or " if other else ""
    return (
        f"the feature maps of {name!r} have {rows} x {columns} cells for an input of {height} x {width} pixels, too "
        f"few to show a place: it takes {LEAST} x {LEAST}. Choose {remedy}a network with a larger input"
    )


def _last_large_enough(network: fx.GraphModule, image: torch.Tensor) -> str | None:
    """Find a layer whose maps are of use, and that all lies behind: not one branch of several."""
    copied = private_copy(network)
    with torch.no_grad():
        ShapeProp(copied).propagate(image)
    maps = {node: name for name, node in named_maps(copied).items()}
    order = {node: position for position, node in enumerate(copied.graph.nodes)}
    found, latest_use = None, 0
    for node, position in order.items():
        if node in maps and latest_use <= position and min(node.meta["tensor_meta"].shape[-2:]) >= LEAST:
            found = maps[node]
        latest_use = max([latest_use, *(order[user] for user in node.users)])
    return found
