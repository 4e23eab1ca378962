"""Integrated gradients: the output's change along the way from a baseline to the image, shared among the pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from pydantic import Field

from ..contract import Attribution, Completeness, Job, Method, Need, Parameters
from ..observed import ObservedModel
from ..order import stages
from .baselines import BASELINES, Baseline
from .gradients import gradients, outputs_and_gradients
from .path_integral import MOST_GRADIENTS, POINTS_AT_ONCE, PathIntegral
from .quadrature import quadrature
from .seeds import seed_field

__all__ = ["IntegratedGradients", "IntegratedGradientsParameters"]

_KEPT_BYTES = 2**29
"""Of gradients that all labels keep together, so that they can refine their integrals; in a large image a label alone
may keep more, about as much as its passes take."""


class IntegratedGradientsParameters(Parameters):
    """How exactly, and from where, the gradient is integrated."""

    max_error: float = Field(
        default=0.01,
        ge=1e-4,
        le=1.0,
        description="Largest share of the change of the output that the map may miss, 0.0001 to 1; it takes as many "
        "points on the way as that needs.",
    )
    max_steps: int = Field(
        default=200,
        ge=5,
        le=2000,
        description="Most points, 5 to 2000. Where they do not suffice, the map comes as it is then, its fact "
        "`converged` is 0, and its convergence delta says what it misses.",
    )
    steps: int | None = Field(
        default=None,
        ge=2,
        le=2000,
        description="Nodes of one Gauss-Legendre quadrature instead, 2 to 2000, whatever it misses.",
    )
    internal_batch_size: int = Field(
        default=4,
        ge=1,
        le=256,
        description="Images that go through the network at once, 1 to 256; bounds the memory of passes.",
    )
    baseline: Baseline = Field(
        default=Baseline.BLACK,
        description=f"The image without information: {BASELINES}.",
    )
    seed: int = seed_field("the baseline uniform_noise")


class IntegratedGradients(Method[IntegratedGradientsParameters]):
    """The integral of the gradient on the straight line from the baseline to the image, times their difference.

    Each label has the points of its own that it needs; where labels need the same, they share forward passes. A label
    is done, and costs nothing any more, as soon as its integral has converged. Labels whose gradients would take too
    much memory together come one after another.

    With a given number of steps, the nodes of the quadrature are visited in a low-discrepancy order, not from the
    baseline to the image: the nodes seen so far cover the whole way, and their weighted mean estimates the integral.
    """

    name = "integrated_gradients"
    title = "Integrated gradients"
    description = (
        "Each pixel's share of the change of the output from the baseline to the X-ray, in units of the output. The "
        "shares sum to that change, up to the convergence delta. Its facts say how many points it took (`steps`) and, "
        "where they were not given, whether they sufficed (`converged`: 1, or 0)."
    )
    reference = "Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks. ICML 2017. arXiv:1703.01365"
    parameters = IntegratedGradientsParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT})
    survives_folding = True
    signed = True
    completeness = Completeness.EXACT

    def explain(
        self,
        model: ObservedModel,
        image: torch.Tensor,
        targets: Sequence[int],
        params: IntegratedGradientsParameters,
        job: Job,
    ) -> Iterator[Attribution]:
        """Yield maps of a growing number of points, all the way from baseline to image; a last one for each target."""
        baseline = params.baseline.like(image, model.spec, statistics=model.statistics, seed=params.seed)
        rule = self._by_convergence if params.steps is None else self._by_steps
        return rule(model, baseline, image, targets, params, job)

    def _by_convergence(
        self,
        model: ObservedModel,
        baseline: torch.Tensor,
        image: torch.Tensor,
        targets: Sequence[int],
        params: IntegratedGradientsParameters,
        job: Job,
    ) -> Iterator[Attribution]:
        total = self.cost(params, image.shape[1:], len(targets))
        difference = (image - baseline)[0].double()
        integrals: dict[int, PathIntegral] = {}
        reached = dict.fromkeys(targets, 0.0)
        due = dict.fromkeys(targets, 0)
        done = 0
        at_once = max(1, _KEPT_BYTES // (MOST_GRADIENTS * image[0].nbytes))
        job.progress(done, total)
        while unfinished := [target for target in targets if reached[target] < 1][:at_once]:
            for target in unfinished:
                if target not in integrals:
                    integrals[target] = PathIntegral(difference, params.max_error)
            for points, together in _by_points(integrals, unfinished):
                for begin in range(0, len(points), params.internal_batch_size):
                    part = points[begin : begin + params.internal_batch_size]
                    # Exactly the baseline at 0 and the image at 1.
                    batch = torch.lerp(baseline, image, torch.tensor(part)[:, None, None, None])
                    outputs, found = outputs_and_gradients(model, batch, together)
                    for target, gradient in zip(together, found, strict=True):
                        integrals[target].take(part, outputs[:, target], gradient)
                        job.check()
            for target in unfinished:
                integrals[target].refine()
                reached[target] = max(reached[target], _reached(integrals[target], params.max_steps))
            # How many points it takes is known at the end alone; how much is missing tells how far it is.
            now = int(sum(reached.values()) / len(targets) * total)
            if now > done:
                done = now
                job.progress(done, total)
            for target in unfinished:
                final = reached[target] == 1
                if final or (job.wants_partial and integrals[target].steps >= due[target]):
                    due[target] = integrals[target].steps * 3 // 2
                    yield _attribution(target, integrals[target], reached[target])
                    if final:
                        del integrals[target]  # the last name of it: the next label needs its memory

    def _by_steps(
        self,
        model: ObservedModel,
        baseline: torch.Tensor,
        image: torch.Tensor,
        targets: Sequence[int],
        params: IntegratedGradientsParameters,
        job: Job,
    ) -> Iterator[Attribution]:
        total = self.cost(params, image.shape[1:], len(targets))
        difference = image - baseline
        steps = params.steps or 0
        nodes, weights = quadrature(steps)
        with torch.no_grad():
            at_image, at_baseline = model(torch.cat([image, baseline])).double()
        done = 2
        job.progress(done, total)

        sums = torch.zeros(len(targets), *image.shape[1:], dtype=torch.float64)
        for part, due in stages(steps, params.internal_batch_size, partial=job.wants_partial):
            points = baseline + nodes[part, None, None, None].float() * difference
            for position, gradient in enumerate(gradients(model, points, targets)):
                sums[position] += (gradient.double() * weights[part, None, None, None]).sum(dim=0)
                done += len(points) * (2 if position else 3)
                job.progress(done, total)
                job.check()
            if due:
                # No delta: this is a weighted mean of gradients, not a quadrature.
                estimates = sums / weights[: part.stop].sum() * difference
                for target, values in zip(targets, estimates.float(), strict=True):
                    yield Attribution(target, values, done / total, final=False)
        for position, target in enumerate(targets):
            values = sums[position] * difference[0]
            delta = values.sum() - (at_image[target] - at_baseline[target])
            yield Attribution(target, values.float(), fraction=1.0, final=True, convergence_delta=float(delta))

    def adaptive(self, params: IntegratedGradientsParameters) -> bool:
        """Return whether the number of points is up to what they give."""
        return params.steps is None

    def cost(self, params: IntegratedGradientsParameters, shape: Sequence[int], targets: int) -> int:
        """Return the cost of a forward pass per point and a backward pass per point and target.

        Without a given number of steps it is an expectation, fitted to the means of 23 maps of five networks.
        """
        if params.steps is not None:
            return 2 + params.steps * (1 + 2 * targets)
        return min(params.max_steps, round(21 + 0.25 / params.max_error)) * (1 + 2 * targets)


def _reached(integral: PathIntegral, max_steps: int) -> float:
    """Return how far an integral is; 1 where it has converged, or may take no more points."""
    closeness = integral.closeness
    if closeness == 1 or integral.steps + POINTS_AT_ONCE > max_steps:
        return 1.0
    return max(closeness, integral.steps / max_steps)


def _attribution(target: int, integral: PathIntegral, reached: float) -> Attribution:
    final = reached == 1
    facts = {"steps": integral.steps} | ({"converged": integral.closeness == 1} if final else {})
    return Attribution(
        target,
        integral.attribution().float(),
        fraction=reached,
        final=final,
        convergence_delta=integral.error,
        facts={name: float(value) for name, value in facts.items()},
    )


def _by_points(
    integrals: Mapping[int, PathIntegral], targets: Sequence[int]
) -> Iterable[tuple[tuple[float, ...], list[int]]]:
    """Return where gradients are needed next, and of which targets there."""
    together: dict[tuple[float, ...], list[int]] = {}
    for target in targets:
        together.setdefault(integrals[target].points(), []).append(target)
    return together.items()
