"""What a network knows of a film just before it decides: the input of its last linear layer."""

from __future__ import annotations

import torch
from torch import fx, nn

from ..handlers.lifting import NotLiftable, lift

__all__ = ["with_features"]

_SAME_VALUES = frozenset({"clone", "contiguous", "detach", "flatten", "reshape", "squeeze", "to", "unsqueeze", "view"})
"""Operators that pass values on as they are."""


def with_features(script: torch.jit.ScriptModule) -> fx.GraphModule:
    """Rebuild a network so that it answers logits and penultimate features in one pass.

    Parameters
    ----------
    script : torch.jit.ScriptModule
        A TorchScript copy.

    Returns
    -------
    torch.fx.GraphModule
        From images ``[batch, channels, size, size]`` to logits ``[batch, labels]`` and features ``[batch, width]``.

    Raises
    ------
    NotLiftable
        If its graph cannot be rebuilt, or its logits do not come out of one linear layer.
    """
    lifted = lift(script)
    output = next(node for node in lifted.graph.nodes if node.op == "output")
    logits = output.args[0]
    linear = _linear_behind(lifted, logits)
    with lifted.graph.inserting_before(output):
        features = lifted.graph.call_function(torch.flatten, (linear.args[0], 1))
    output.args = ((logits, features),)
    lifted.recompile()
    return lifted


def _linear_behind(lifted: fx.GraphModule, node: object) -> fx.Node:
    while isinstance(node, fx.Node):
        if node.op == "call_module" and isinstance(lifted.get_submodule(str(node.target)), nn.Linear):
            return node
        name = str(getattr(node.target, "__name__", node.target)).rpartition(".")[2]
        if node.op != "call_function" or name not in _SAME_VALUES:
            break
        node = node.args[0]
    raise NotLiftable("has no penultimate features: its logits do not come out of one linear layer")
