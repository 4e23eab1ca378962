"""Which part of every activation a batch of windows changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import fx

from .rules import Rule
from .spans import Box

__all__ = ["Plan", "Step", "plan_of"]

_DENSE_SHARE = 0.8
"""Share of the plane from which on a box is not worth its care: to bring patches together costs time too."""


@dataclass(frozen=True, eq=False)
class Step:
    """One operator that depends on the image.

    Parameters
    ----------
    node : fx.Node
        The operator.
    inputs : tuple of fx.Node
        What it takes of those that depend on the image, each once.
    rule : Rule or None
        How it works on patches; None where it needs whole activations.
    size : tuple of int or None
        Height and width of its output, where that is an activation.
    elements : int
        Numbers in its output for one sample.
    done : tuple of fx.Node
        What nobody needs after it.
    """

    node: fx.Node
    inputs: tuple[fx.Node, ...]
    rule: Rule | None
    size: tuple[int, int] | None
    elements: int
    done: tuple[fx.Node, ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """The boxes of a batch.

    Parameters
    ----------
    boxes : mapping of fx.Node to Box or None
        The part that may change; None for what is computed as a whole.
    elements : int
        The most numbers that are held at once, of one sample.
    """

    boxes: Mapping[fx.Node, Box | None]
    elements: int


def plan_of(image: fx.Node, box: Box | None, size: tuple[int, int], channels: int, steps: Sequence[Step]) -> Plan:
    """Follow a box of the image through the network.

    Parameters
    ----------
    image : fx.Node
        The graph's input.
    box : Box or None
        What changes of it; None for all of it.
    size, channels
        Its height and width, and its channels.
    steps : sequence of Step
        The operators, in order.

    Returns
    -------
    Plan
        What to compute.
    """
    boxes: dict[fx.Node, Box | None] = {image: _worth_it(box, size)}
    live = {image: channels * _area(boxes[image], size)}
    most = live[image]
    for step in steps:
        given = [boxes[one] for one in step.inputs]
        known = [one for one in given if one is not None]
        # What is whole stays whole: beyond a box that covers the plane there is nothing to save.
        local = step.rule is not None and len(known) == len(given)
        found = step.rule.box(known) if local and step.rule is not None else None
        boxes[step.node] = _worth_it(found, step.size) if step.size is not None else None
        if step.size is None:
            live[step.node] = step.elements
        else:
            live[step.node] = step.elements * _area(boxes[step.node], step.size) // (step.size[0] * step.size[1])
        # As much again as the inputs: they may have to be put into what surrounds them.
        most = max(most, sum(live.values()) + sum(live[one] for one in step.inputs))
        for one in step.done:
            del live[one]
    return Plan(boxes, most)


def _worth_it(box: Box | None, size: tuple[int, int]) -> Box | None:
    return None if box is None or box.area >= _DENSE_SHARE * size[0] * size[1] else box


def _area(box: Box | None, size: tuple[int, int]) -> int:
    return size[0] * size[1] if box is None else box.area
