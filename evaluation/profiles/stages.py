"""Which layers are profiled where none are named: those where resolution or the number of channels changes.

Networks with branches change the number of channels in every one of them: DenseNet161 some 160 times. What is looked
at is therefore the trunk: the tensors that everything on its way from the image to the logits passes through. In a
residual or inception block that is its end alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import fx, nn

from ...handlers.lifting import ACTIVATIONS
from .places import Place, function_of

__all__ = ["stages"]

_NORMALISATIONS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)
_POOLINGS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
_PASS_ON = frozenset({"add", "cat", "clone", "contiguous", "div", "mul", "sub"})
"""Operators that lead from a change to the activation that follows it, where they keep the shape."""
_KEEP = frozenset({"cat", "clone", "contiguous"})
"""Operators whose result is activated where what they are given is; poolings are too."""


def stages(lifted: fx.GraphModule, places: Mapping[str, Place]) -> tuple[Place, ...]:
    """Choose the input, and the layers of the trunk where the shape changes, after the activation that follows.

    A change is taken

    - where it happens, if what changes the shape is fed by activations through poolings and concatenations alone;
    - else after the first activation that follows without a convolution or a pooling between;
    - else, where the shape changes again before any activation, not at all; and the last change as it is.

    Global pooling is no change: maps of one pixel are not looked at.

    Parameters
    ----------
    lifted : torch.fx.GraphModule
        A lifted network.
    places : mapping of str to Place
        Its tensors of feature maps.

    Returns
    -------
    tuple of Place
        In the order in which they are computed, the input first.
    """
    by_node = {place.node: place for place in places.values()}
    trunk = [node for node in _trunk(lifted.graph) if node.name in by_node and not _is_global(lifted, node, by_node)]
    chosen = [by_node[trunk[0].name]] if trunk else []
    shape = tuple(trunk[0].meta["tensor_meta"].shape[1:]) if trunk else ()
    changes = []
    for node in trunk[1:]:
        if (found := by_node[node.name].shape) != shape:
            changes.append(node)
            shape = found
    for number, node in enumerate(changes):
        taken = node if _activated(lifted, node) else _activation_after(lifted, node, by_node)
        if taken is None and number == len(changes) - 1:
            taken = node
        if taken is not None and by_node[taken.name] not in chosen:
            chosen.append(by_node[taken.name])
    return tuple(chosen)


def _trunk(graph: fx.Graph) -> list[fx.Node]:
    """Return the nodes that every way from the image to the logits passes through."""
    nodes = [node for node in graph.nodes if node.op != "get_attr"]
    at = {node: number for number, node in enumerate(nodes)}
    found, reach = [], 0
    for number, node in enumerate(nodes):
        if reach <= number:  # nothing computed before is used after it
            found.append(node)
        reach = max(reach, *(at[user] for user in node.users), number) if node.users else reach
    return found


def _is_global(lifted: fx.GraphModule, node: fx.Node, by_node: Mapping[str, Place]) -> bool:
    place = by_node[node.name]
    pooled = _is(lifted, node, _POOLINGS) or function_of(node) in ("mean", "amax")
    return pooled and place.height == place.width == 1


def _is(lifted: fx.GraphModule, node: fx.Node, kinds: tuple[type[nn.Module], ...]) -> bool:
    return node.op == "call_module" and isinstance(lifted.get_submodule(str(node.target)), kinds)


def _activated(lifted: fx.GraphModule, node: fx.Node) -> bool:
    """Whether nothing but poolings and concatenations lies between a node and the activations that feed it."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if _is(lifted, one, ACTIVATIONS):
            continue
        if not (_is(lifted, one, _POOLINGS) or function_of(one) in _KEEP):
            return False
        waiting += one.all_input_nodes
    return True


def _activation_after(lifted: fx.GraphModule, node: fx.Node, by_node: Mapping[str, Place]) -> fx.Node | None:
    reached = {node}
    following = node.next
    while following.op != "output":
        if not reached.isdisjoint(following.all_input_nodes) and _shape(following) == by_node[node.name].shape:
            if _is(lifted, following, ACTIVATIONS):
                return following
            if _is(lifted, following, _NORMALISATIONS) or function_of(following) in _PASS_ON:
                reached.add(following)
        following = following.next
    return None


def _shape(node: fx.Node) -> tuple[int, ...]:
    meta = node.meta.get("tensor_meta")
    return tuple(getattr(meta, "shape", (0,)))[1:]
