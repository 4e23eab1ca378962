"""Concatenations that go on from one another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import fx

__all__ = ["nest_joins"]

_CHANNELS = (1,)
"""What a concatenation of channels has for arguments beside its parts."""


def nest_joins(network: fx.GraphModule) -> None:
    """Let each concatenation that begins with all parts of an earlier one take that one instead of them.

    A dense block concatenates all its layers so far before every layer: hundreds of parts, where two each would do.
    The values are the same to the last bit. One of a single part is that part.

    Parameters
    ----------
    network : torch.fx.GraphModule
        Changed in place; not recompiled.
    """
    joined: dict[tuple[fx.Node, ...], fx.Node] = {}
    for node in network.graph.nodes:
        if node.target is not torch.ops.aten.cat or node.args[1:] != _CHANNELS or node.kwargs:
            continue
        parts = node.args[0]
        if not isinstance(parts, Sequence):
            continue  # a list that an operator gave
        whole = tuple(part for part in parts if isinstance(part, fx.Node))
        if len(whole) < len(parts):
            continue
        length = next((n for n in range(len(whole) - 1, 1, -1) if whole[:n] in joined), 0)
        if length:
            node.update_arg(0, [joined[whole[:length]], *whole[length:]])
        joined.setdefault(whole, node)
    for node in joined.values():
        parts = node.args[0]  # not those from before: what they were may be gone
        if isinstance(parts, Sequence) and len(parts) == 1:
            node.replace_all_uses_with(parts[0])
            network.graph.erase_node(node)
