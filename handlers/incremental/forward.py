"""A network's outputs for images that differ from one image in a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import fx, nn

from ..lifting.errors import NotLiftable
from .patches import Patch, Plane, cut, whole
from .plan import Plan, Step, plan_of
from .rules import Value, call, rule_of
from .spans import Box, Span

__all__ = ["IncrementalForward", "Window"]

Window = tuple[slice, slice]
"""Rows and columns of the image, with a start and a stop."""

_LEVELS = 16
"""Distances from a border that are told apart."""

_MOST_AT_ONCE = 32
"""Windows in a batch, so that progress shows. The more there are, the less of the time goes into reading weights."""


class IncrementalForward:
    """Computes what a replaced window changes, and nothing else.

    The activations of the unchanged image that layers look at around a box stay in memory while this lives, with and
    without what pads them: what two to five whole images take at once (ResNet18, InceptionV3, DenseNet161). Every batch
    of windows is followed through the network as the boxes that it can have changed: the values in them are those that
    the whole network would give, but for rounding. Where a box covers most of its plane, where an operator looks at the
    whole plane, and where one is not known here, whole activations go on from there.

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

    Raises
    ------
    NotLiftable
        If the network, which `lift` did not make then, writes into an activation that is needed as it was.
    """

    def __init__(self, network: fx.GraphModule, image: torch.Tensor) -> None:
        self._network = network
        self._modules = dict(network.named_modules())
        with torch.no_grad():
            self._values, self._steps, overwritten = self._run(image)
        self._image = next(node for node in network.graph.nodes if node.op == "placeholder")
        self._last = _answer(network.graph)
        self.outputs: torch.Tensor = self._values[self._last]
        wanted = {self._image, self._last}
        for step in self._steps:
            if step.rule is None or step.rule.needs_planes:
                wanted.update(step.inputs)
        if any(node is self._last or _is_plane(self._values[node]) for node in overwritten & wanted):
            raise NotLiftable("writes into activations that are needed as they were")
        changing = {self._image, *(step.node for step in self._steps)}
        self._constants = {node: value for node, value in self._values.items() if node not in changing}
        self._planes = {node: Plane(self._values[node]) for node in wanted if _is_plane(self._values[node])}
        del self._values
        self._dense_elements = self._plan(None).elements

    def batches(
        self,
        replacement: torch.Tensor,
        windows: Sequence[Window],
        whole_images: int = 4,
        check: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Yield the outputs of the image with each of many windows replaced, a batch of them at a time.

        Windows that lie alike come together, since their boxes have nearly the same shape.

        Parameters
        ----------
        replacement : torch.Tensor
            [1, C, H, W]: what the windows show.
        windows : sequence of tuple of slice
            Rows and columns, inside the image.
        whole_images : int
            Bounds the memory: a batch holds no more numbers at once than a pass of so many whole images does.
        check : callable
            Called before every layer; raises to stop.

        Yields
        ------
        list of int
            Which windows.
        torch.Tensor
            Their outputs, [n, L].
        """
        size = self._planes[self._image].size
        waiting = sorted(range(len(windows)), key=lambda one: _likeness(windows[one], size))
        while waiting:
            chosen = waiting[:_MOST_AT_ONCE]
            while True:
                box = _box([windows[one] for one in chosen], size)
                plan = self._plan(box)
                if len(chosen) * plan.elements <= whole_images * self._dense_elements or len(chosen) == 1:
                    break
                chosen = chosen[: len(chosen) // 2]
            del waiting[: len(chosen)]
            with torch.no_grad():
                patch = self._replaced(replacement, [windows[one] for one in chosen], box)
                outputs = self._follow(patch, plan, check)
            yield chosen, outputs

    def _plan(self, box: Box | None) -> Plan:
        image = self._planes[self._image]
        return plan_of(self._image, box, image.size, image.values.shape[1], self._steps)

    def _replaced(self, replacement: torch.Tensor, windows: Sequence[Window], box: Box) -> Patch:
        values = cut(self._planes[self._image].values[0], box.rows, box.columns)
        starts = zip(box.rows.starts.tolist(), box.columns.starts.tolist(), strict=True)
        for sample, (rows, columns), (top, left) in zip(values, windows, starts, strict=True):
            part = sample[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
            part.copy_(replacement[0, :, rows, columns])
        return Patch(values, box)

    def _follow(self, patch: Patch, plan: Plan, check: Callable[[], None]) -> torch.Tensor:
        image = self._planes[self._image]
        found: dict[fx.Node, Value] = {
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
        outputs: torch.Tensor = self._whole(self._last, found[self._last])
        return outputs

    def _whole(self, node: fx.Node, value: Value) -> Value:
        return whole(self._planes[node], value) if isinstance(value, Patch) else value

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self._modules[str(node.target)] if node.op == "call_module" else None

    def _run(self, image: torch.Tensor) -> tuple[dict[fx.Node, Value], list[Step], set[fx.Node]]:
        """Compute every node for the image; find out how each works on patches, and which were written into later."""
        values: dict[fx.Node, Value] = {}
        writes: dict[fx.Node, int] = {}
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
            writes[node] = _writes(values.get(node))
        return values, steps, {node for node, before in writes.items() if _writes(values.get(node)) != before}


def _box(windows: Sequence[Window], size: tuple[int, int]) -> Box:
    begins = np.array([[one.start for one in window] for window in windows], dtype=np.int64)
    ends = np.array([[one.stop for one in window] for window in windows], dtype=np.int64)
    rows, columns = (Span.covering(begins[:, axis], ends[:, axis], size[axis]) for axis in (0, 1))
    return Box(rows, columns)


def _likeness(window: Window, size: Sequence[int]) -> int:
    """Return a number that is near for windows of which both axes lie alike, seen from the nearer border.

    It is the place on Morton's curve over the two distances.
    """
    near = [
        min(part.start, length - part.stop) * 2 * _LEVELS // length for part, length in zip(window, size, strict=True)
    ]
    bits = range(_LEVELS.bit_length())
    return sum((near[axis] >> bit & 1) << (2 * bit + axis) for bit in bits for axis in (0, 1))


def _is_plane(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() == 4


def _writes(value: object) -> int:
    """Return how often a tensor was written into; torch does not count where it is to infer alone."""
    return value._version if isinstance(value, torch.Tensor) and not value.is_inference() else 0


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


def _attribute(network: nn.Module, path: str) -> Value:
    value: Value = network
    for name in path.split("."):
        value = getattr(value, name)
    return value
