"""A network that answers, beside its logits, the activations of chosen layers."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from torch import fx

from ...handlers.lifting import check_fidelity, lift
from ..networks import Network
from .errors import LayersUnknown
from .places import Place, places_of
from .stages import stages

__all__ = ["AUTO", "tapped"]

AUTO = "auto"
"""Stands for the layers that `stages` finds."""


def tapped(network: Network, layers: Sequence[str]) -> tuple[fx.GraphModule, tuple[Place, ...]]:
    """Rebuild a network so that one pass answers logits and activations.

    Parameters
    ----------
    network : Network
        Which.
    layers : sequence of str
        Names of layers; ``auto`` among them stands for those that `stages` finds. Names that this network does not have
        are left out, as long as it has one.

    Returns
    -------
    tuple
        The module, from images to logits and a tuple of activations; and what these are, in the order in which they are
        computed.

    Raises
    ------
    NotLiftable
        If its graph cannot be rebuilt so that it computes the same.
    LayersUnknown
        If it has none of the layers. The text lists those that `stages` finds and those of similar names.
    """
    lifted = lift(network.script)
    check_fidelity(lifted, network.script, network.spec)
    places = places_of(lifted, network.spec)
    chosen = {place.name: place for place in stages(lifted, places)} if AUTO in layers else {}
    chosen |= {name: places[name] for name in layers if name in places}
    if not chosen:
        raise LayersUnknown(_unknown(layers, lifted, places))
    taken = tuple(place for place in places.values() if place.name in chosen)
    nodes = {node.name: node for node in lifted.graph.nodes}
    output = next(node for node in lifted.graph.nodes if node.op == "output")
    output.args = ((output.args[0], tuple(nodes[place.node] for place in taken)),)
    lifted.recompile()
    return lifted, taken


def _unknown(layers: Sequence[str], lifted: fx.GraphModule, places: dict[str, Place]) -> str:
    if not places:
        return "has no feature maps with height and width"
    similar = dict.fromkeys(one for name in layers for one in get_close_matches(name, places, n=5))
    text = f"has no layer {', '.join(layers)}; `auto` finds {', '.join(one.name for one in stages(lifted, places))}"
    text += f"; similar names: {', '.join(similar)}" if similar else ""
    return f"{text}; {len(places)} in all (--list-layers)"
