"""The integral of a gradient along a line, refined where what it misses is most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

__all__ = ["MOST_GRADIENTS", "POINTS_AT_ONCE", "PathIntegral"]

_FIRST = (1.0, 0.0, 0.5, 0.25, 0.75)
"""The end comes first, so that the output of the explained image is known from the first pass on."""
_HALVED_AT_ONCE = 2
"""Parts. It belongs to the rule, so that the size of batches changes a map by rounding alone, as long as that does not
decide which part misses most."""
POINTS_AT_ONCE = 2 * _HALVED_AT_ONCE
"""Points that are asked for at once, after the first."""
_MOST_PANELS = 32
"""Panels whose gradients are kept, so that they can be halved."""
MOST_GRADIENTS = 3 * _MOST_PANELS
"""Gradients that an integral keeps, at most."""
_FEWEST = 9
"""Points before an integral can have converged."""
_BY_CHANCE = 0.3
"""Errors of either sign cancel, so that their sum is small by chance now and then: their magnitudes may sum to this
share of the ups and downs of the output along the line, and no more."""
_NEARLY = 0.95
_ROUNDING = 1e-6
"""Of the outputs: what float32 cannot tell."""


@dataclass(frozen=True, eq=False)
class _Node:
    """A point of the line, its output, the output's slope along the line, and the gradient, float32 [C, H, W]."""

    at: float
    output: float
    slope: float
    gradient: torch.Tensor


class _Panel:
    """A part of the line between two nodes with a third in its middle, integrated by Simpson's rule."""

    def __init__(self, start: _Node, middle: _Node, end: _Node) -> None:
        self.nodes = (start, middle, end)
        width = end.at - start.at
        # The parabola through the three slopes, integrated over each half; the outputs say what that should give.
        self.halves = (
            width / 24 * (5 * start.slope + 8 * middle.slope - end.slope) - (middle.output - start.output),
            width / 24 * (5 * end.slope + 8 * middle.slope - start.slope) - (end.output - middle.output),
        )

    @property
    def middles(self) -> tuple[float, float]:
        """The middles of its halves."""
        start, middle, end = (node.at for node in self.nodes)
        return (start + middle) / 2, (middle + end) / 2

    @property
    def error(self) -> float:
        """What the rule gives too much along this part, in units of the output."""
        return sum(self.halves)

    @property
    def magnitude(self) -> float:
        """The same, without what the halves' errors cancel."""
        return sum(map(abs, self.halves))

    @property
    def variation(self) -> float:
        """How far the output goes up and down along this part."""
        start, middle, end = (node.output for node in self.nodes)
        return abs(middle - start) + abs(end - middle)

    def integral(self) -> torch.Tensor:
        """Return the integral of the gradient: float64, [C, H, W]."""
        start, middle, end = (node.gradient.double() for node in self.nodes)
        return (start + 4 * middle + end) * ((self.nodes[2].at - self.nodes[0].at) / 6)


class PathIntegral:
    """Integrates the gradient of one output from a baseline to an image, at more and more points.

    The integral of the gradient along any part of the line, times the line, is the change of the output between the
    part's ends, and that is known from the passes that give the gradients. So what each part misses is known, not
    estimated, and costs nothing: the parts that miss most are halved. Outputs of networks of ReLUs have kinks along the
    line and change most on a short part of it, where a rule for the whole line has few of its points.

    Points are nested: halving keeps all of them. Gradients are kept of the worst parts alone, at most 96 of them
    however many points there are; the other parts are summed up.

    Parameters
    ----------
    difference : torch.Tensor
        Image minus baseline: float64, [C, H, W].
    max_error : float
        Largest share of the change of the output that the integral may miss.
    """

    def __init__(self, difference: torch.Tensor, max_error: float) -> None:
        self._difference = difference
        self._max_error = max_error
        self._panels: list[_Panel] = []
        self._halving: list[_Panel] = []
        self._nodes: dict[float, _Node] = {}
        self._settled = torch.zeros_like(self._difference)
        self._settled_error = self._settled_magnitude = self._settled_variation = 0.0
        self._ends = (0.0, 0.0)
        self.steps = 0
        """Points at which the gradient was taken."""

    def points(self) -> tuple[float, ...]:
        """Choose where the gradient is needed next: numbers in [0, 1], 0 the baseline, five at first, then four."""
        if not self.steps:
            return _FIRST
        self._panels.sort(key=lambda panel: panel.magnitude)
        self._halving = self._panels[-_HALVED_AT_ONCE:]
        return tuple(at for panel in self._halving for at in panel.middles)

    def take(self, points: Sequence[float], outputs: torch.Tensor, gradients: torch.Tensor) -> None:
        """Take in some of the points that were asked for.

        Parameters
        ----------
        points : sequence of float
            N of them.
        outputs : torch.Tensor
            There: [N].
        gradients : torch.Tensor
            Of them: [N, C, H, W].
        """
        for at, output, gradient in zip(points, outputs.tolist(), gradients, strict=True):
            slope = float((gradient.double() * self._difference).sum())
            self._nodes[at] = _Node(at, output, slope, gradient.clone())
        self.steps += len(points)

    def refine(self) -> None:
        """Put the new points in place, when all that were asked for have come."""
        if not self._panels:
            nodes = [self._nodes[at] for at in sorted(_FIRST)]
            self._panels = [_Panel(*nodes[:3]), _Panel(*nodes[2:])]
            self._ends = (nodes[0].output, nodes[-1].output)
        for panel in self._halving:
            start, middle, end = panel.nodes
            self._panels.remove(panel)
            left, right = (self._nodes[at] for at in panel.middles)
            self._panels += [_Panel(start, left, middle), _Panel(middle, right, end)]
        self._halving, self._nodes = [], {}
        self._panels.sort(key=lambda panel: panel.magnitude)
        while len(self._panels) > _MOST_PANELS:
            panel = self._panels.pop(0)
            self._settled += panel.integral()
            self._settled_error += panel.error
            self._settled_magnitude += panel.magnitude
            self._settled_variation += panel.variation

    @property
    def error(self) -> float:
        """How much more the integral gives than the output changes, in units of the output."""
        return self._settled_error + sum(panel.error for panel in self._panels)

    @property
    def closeness(self) -> float:
        """How far it is on the way to convergence, in [0, 1]; 1 where it has converged.

        A guess for progress alone: as if errors fell with the square of the number of points.
        """
        before, after = self._ends
        allowed = max(self._max_error * abs(after - before), _ROUNDING * max(abs(before), abs(after)))
        magnitude = self._settled_magnitude + sum(panel.magnitude for panel in self._panels)
        variation = self._settled_variation + sum(panel.variation for panel in self._panels)
        found, scatter = abs(self.error), max(allowed, _BY_CHANCE * variation)
        if found <= allowed and magnitude <= scatter and self.steps >= _FEWEST:
            return 1.0
        return min(_NEARLY, (allowed / found) ** 0.5 if found else 1.0, scatter / magnitude if magnitude else 1.0)

    def attribution(self) -> torch.Tensor:
        """Return the integral times the line: float64, [C, H, W]."""
        integral = sum((panel.integral() for panel in self._panels), start=self._settled)
        return integral * self._difference
