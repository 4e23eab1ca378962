"""A network's outputs for images that differ from one image in a window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from .patches import Patch, Plane, cut, whole
from .plan import Plan, Step, plan_of
from .rules import call, rule_of
from .spans import Box, Span

__all__ = ["IncrementalForward", "Window"]

Window = tuple[slice, slice]
"""Rows and columns of the image, with a start and a stop."""


class IncrementalForward:
    """Computes what a replaced window changes, and nothing else.

    The activations of the unchanged image stay in memory while this lives. Every batch of windows is followed through
    the network as the boxes that it can have changed: the values in them are exactly those that the whole network
    would give, but for rounding. Where a box covers most of its plane, where an operator looks at the whole plane, and
    where one is not known here, whole activations go on from there.

    Parameters
    ----------
    network : torch.fx.GraphModule
        A lifted network in evaluation mode, [N, C, H, W] to [N, L].
    image : torch.Tensor
        [1, C, H, W].

    Attributes
    ----------
    outputs : torch.Tensor
        [1, L]: those of the image itself.
    """

    def __init__(self, network: fx.GraphModule, image: torch.Tensor) -> None:
        self._network = network
        self._modules = dict(network.named_modules())
        with torch.no_grad():
            self._values, self._steps = self._run(image)
        self._image = next(node for node in network.graph.nodes if node.op == "placeholder")
        self._last = _answer(network.graph)
        self.outputs: torch.Tensor = self._values[self._last]
        wanted = {self._image}
        for step in self._steps:
            if step.rule is None or step.rule.needs_planes:
                wanted.update(step.inputs)
        changing = {self._image, *(step.node for step in self._steps)}
        self._constants = {node: value for node, value in self._values.items() if node not in changing}
        self._planes = {node: Plane(self._values[node]) for node in wanted if _is_plane(self._values[node])}
        del self._values

    def __call__(
        self, replacement: torch.Tensor, windows: Sequence[Window], check: Callable[[], None] = lambda: None
    ) -> torch.Tensor:
        """Return the outputs [N, L] of the image with each of N windows replaced, in their order.

        Parameters
        ----------
        replacement : torch.Tensor
            [1, C, H, W]: what the windows show.
        windows : sequence of tuple of slice
            Rows and columns, inside the image.
        check : callable
            Called before every layer; raises to stop.
        """
        image = self._planes[self._image]
        begins = np.array([[one.start for one in window] for window in windows], dtype=np.int64)
        ends = np.array([[one.stop for one in window] for window in windows], dtype=np.int64)
        box = Box(*(Span.covering(begins[:, axis], ends[:, axis], image.size[axis]) for axis in (0, 1)))
        values = cut(image.values[0], box.rows, box.columns)
        for sample, (rows, columns), top, left in zip(
            values, windows, box.rows.starts.tolist(), box.columns.starts.tolist(), strict=True
        ):
            inside = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
            sample[:, *inside] = replacement[0, :, rows, columns]
        plan = plan_of(self._image, box, image.size, image.values.shape[1], self._steps)
        with torch.no_grad():
            return self._follow(Patch(values, box), plan, check)

    def _follow(self, patch: Patch, plan: Plan, check: Callable[[], None]) -> torch.Tensor:
        image = self._planes[self._image]
        found: dict[fx.Node, Any] = {
            self._image: patch if plan.boxes[self._image] is not None else whole(image, patch)
        }
        for step in self._steps:
            check()
            box = plan.boxes[step.node]
            given = [found[one] for one in step.inputs]
            if box is not None and step.rule is not None:
                planes = [self._planes[one] for one in step.inputs] if step.rule.needs_planes else []
                found[step.node] = Patch(step.rule.apply(planes, given, box), box)
            else:
                inputs = {one: self._whole(one, value) for one, value in zip(step.inputs, given, strict=True)}
                found[step.node] = call(step.node, self._module(step.node), {**self._constants, **inputs})
            for one in step.done:
                del found[one]
        outputs: torch.Tensor = found[self._last]
        return outputs

    def _whole(self, node: fx.Node, value: Any) -> Any:
        return whole(self._planes[node], value) if isinstance(value, Patch) else value

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self._modules[str(node.target)] if node.op == "call_module" else None

    def _run(self, image: torch.Tensor) -> tuple[dict[fx.Node, Any], list[Step]]:
        """Compute every node for the image, and find out how each works on patches."""
        values: dict[fx.Node, Any] = {}
        steps: list[Step] = []
        changing: set[fx.Node] = set()
        done = _last_uses(self._network.graph)
        for node in self._network.graph.nodes:
            if node.op == "placeholder":
                values[node] = image
                changing.add(node)
            elif node.op == "get_attr":
                values[node] = _attribute(self._network, str(node.target))
            elif node.op != "output":
                module = self._module(node)
                values[node] = call(node, module, values)
                inputs = tuple(one for one in node.all_input_nodes if one in changing)
                if inputs:
                    changing.add(node)
                    value = values[node]
                    rule = rule_of(node, module, inputs, values)
                    size = (value.shape[2], value.shape[3]) if _is_plane(value) else None
                    elements = value.numel() if isinstance(value, torch.Tensor) else 0
                    unused = tuple(one for one in done.get(node, ()) if one in changing)
                    steps.append(Step(node, inputs, rule, size, elements, unused))
        return values, steps


def _is_plane(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() == 4


def _answer(graph: fx.Graph) -> fx.Node:
    output = next(node for node in graph.nodes if node.op == "output")
    answer = output.args[0]
    assert isinstance(answer, fx.Node)  # noqa: S101 - a lifted network answers with one tensor
    return answer


def _last_uses(graph: fx.Graph) -> dict[fx.Node, list[fx.Node]]:
    """Return for nodes what nobody needs after them."""
    order = {node: position for position, node in enumerate(graph.nodes)}
    uses: dict[fx.Node, list[fx.Node]] = {}
    for node in graph.nodes:
        if node.users:
            uses.setdefault(max(node.users, key=order.__getitem__), []).append(node)
    return uses


def _attribute(network: nn.Module, path: str) -> Any:
    value: Any = network
    for name in path.split("."):
        value = getattr(value, name)
    return value
