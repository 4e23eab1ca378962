"""Integrated gradients: the output's change along the way from a baseline to the image, shared among the pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from pydantic import Field

from ..contract import Attribution, Completeness, Job, Method, Need, Parameters
from ..observed import ObservedModel
from ..order import stages
from .baselines import BASELINES, Baseline
from .gradients import gradients
from .quadrature import quadrature
from .seeds import seed_field

__all__ = ["IntegratedGradients", "IntegratedGradientsParameters"]


class IntegratedGradientsParameters(Parameters):
    """How finely, and from where, the gradient is integrated."""

    steps: int = Field(default=50, ge=2, le=2000, description="Nodes of the Gauss-Legendre quadrature, 2 to 2000.")
    internal_batch_size: int = Field(
        default=4, ge=1, le=256, description="Images that go through the network at once, 1 to 256; bounds the memory."
    )
    baseline: Baseline = Field(
        default=Baseline.BLACK,
        description=f"The image without information: {BASELINES}.",
    )
    seed: int = seed_field("the baseline uniform_noise")


class IntegratedGradients(Method[IntegratedGradientsParameters]):
    """The integral of the gradient on the straight line from the baseline to the image, times their difference.

    The nodes of the quadrature are visited in a low-discrepancy order, not from the baseline to the image: the nodes
    seen so far cover the whole way, and their weighted mean estimates the integral.
    """

    name = "integrated_gradients"
    title = "Integrated gradients"
    description = (
        "Each pixel's share of the change of the output from the baseline to the X-ray, in units of the output. The "
        "shares sum to that change, up to the convergence delta."
    )
    reference = "Sundararajan, Taly, Yan: Axiomatic Attribution for Deep Networks. ICML 2017. arXiv:1703.01365"
    parameters = IntegratedGradientsParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT})
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
        """Yield partial maps with a growing part of the nodes, then the quadrature; targets share forward passes."""
        total = self.cost(params, image.shape[1:], len(targets))
        baseline = params.baseline.like(image, model.spec, statistics=model.statistics, seed=params.seed)
        difference = image - baseline
        nodes, weights = quadrature(params.steps)
        with torch.no_grad():
            at_image, at_baseline = model(torch.cat([image, baseline])).double()
        done = 2
        job.progress(done, total)

        sums = torch.zeros(len(targets), *image.shape[1:], dtype=torch.float64)
        for part, due in stages(params.steps, params.internal_batch_size):
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

    def cost(self, params: IntegratedGradientsParameters, shape: Sequence[int], targets: int) -> int:
        """Return the cost of a forward pass per node and a backward pass per node and target, and of both ends."""
        return 2 + params.steps * (1 + 2 * targets)
