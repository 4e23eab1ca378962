"""Feature maps that never change, counted from stored neuron activation profiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ...handlers.profile import ProfileRecord
from .result import DeadMaps

__all__ = ["INPUT", "dead_maps"]

INPUT = "input"
"""The layer that is the input itself: no neuron."""


def dead_maps(profiles: Sequence[ProfileRecord], networks: Sequence[str]) -> tuple[DeadMaps, ...]:
    """Count them over the layers of each network.

    Parameters
    ----------
    profiles : sequence of ProfileRecord
        In any order. Of several profiles, that which most networks have is taken, the first by name of equals, so that
        networks are counted on the same films.
    networks : sequence of str
        Those of the audit.

    Returns
    -------
    tuple of DeadMaps
        In the order of the networks; those without a profile are left out.
    """
    own = [record for record in profiles if record.network in networks]
    if not own:
        return ()
    counted = Counter(record.name for record in own)
    chosen = min(counted, key=lambda name: (-counted[name], name))
    by_network = {record.network: record for record in own if record.name == chosen}
    found = []
    for network in networks:
        if (record := by_network.get(network)) is None:
            continue
        layers = [layer for layer in record.layers if layer.name != INPUT]
        found.append(
            DeadMaps(
                network=network,
                profile=chosen,
                films=sum(group.films for group in record.groups),
                maps=sum(layer.channels for layer in layers),
                constant=sum(len(layer.constant) for layer in layers),
                unvarying=sum(len(layer.unvarying) for layer in layers),
            )
        )
    return tuple(found)
