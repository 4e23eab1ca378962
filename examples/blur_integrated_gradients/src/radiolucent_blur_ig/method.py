"""Blur integrated gradients: the output's change while a blurred image becomes sharp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from pydantic import Field
from radiolucent.plugins import (
    Attribution,
    Completeness,
    Job,
    Method,
    Need,
    ObservedModel,
    Parameters,
    low_discrepancy_order,
    stages,
)


class BlurParameters(Parameters):
    """How strong the blur is, and how finely it is taken away."""

    sigma: float = Field(
        default=0.15,
        gt=0,
        le=1,
        description="Strongest blur: standard deviation of the Gaussian as a fraction of the shorter side, up to 1.",
    )
    steps: int = Field(default=50, ge=2, le=2000, description="Stages between blurred and sharp, 2 to 2000.")
    internal_batch_size: int = Field(
        default=4, ge=1, le=256, description="Images that go through the network at once, 1 to 256; bounds the memory."
    )


class BlurIntegratedGradients(Method[BlurParameters]):
    """The gradient, integrated along the way from the blurred image to the sharp one."""

    name = "blur_integrated_gradients"
    title = "Blur integrated gradients"
    description = (
        "Each pixel's share of the change of the output while the blurred X-ray becomes sharp, in units of the output: "
        "what edges, texture and small findings contribute."
    )
    reference = "Xu, Venugopalan, Sundararajan: Attribution in Scale and Space. CVPR 2020. arXiv:2004.03383"
    parameters = BlurParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT})
    signed = True
    completeness = Completeness.EXACT

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: BlurParameters, job: Job
    ) -> Iterator[Attribution]:
        """Yield partial maps with a growing part of the stages, then the sum of all."""
        total = self.cost(params, image.shape[1:], len(targets))
        strongest = params.sigma * min(image.shape[-2:])
        blurred = blur(image, strongest)
        with torch.no_grad():
            change = torch.diff(model(torch.cat([blurred, image])).double(), dim=0)[0]
        done = 2
        job.progress(done, total)

        # Visited in an order that covers the whole way early: a part of the stages then estimates the sum of all.
        order = low_discrepancy_order(params.steps)[:, 0].tolist()
        sums = torch.zeros(len(targets), *image.shape[1:], dtype=torch.float64)
        for part, due in stages(params.steps, params.internal_batch_size, partial=job.wants_partial):
            points, ways = [], []
            for step in order[part]:
                ends = [blur(image, strongest * (1 - (step + share) / params.steps)) for share in (0, 0.5, 1)]
                points.append(ends[1])
                ways.append(ends[2].double() - ends[0].double())
            with torch.enable_grad():
                batch = torch.cat(points).requires_grad_()
                outputs = model(batch)[:, list(targets)].sum(dim=0)
            for position in range(len(targets)):
                more = position < len(targets) - 1
                (gradient,) = torch.autograd.grad(outputs[position], batch, retain_graph=more)
                sums[position] += (gradient.double() * torch.cat(ways)).sum(dim=0)
            done += len(points) * (1 + 2 * len(targets))
            job.progress(done, total)
            if due:
                for target, values in zip(targets, sums * (params.steps / part.stop), strict=True):
                    yield Attribution(target, values.float(), done / total, final=False)
        for target, values in zip(targets, sums, strict=True):
            delta = float(values.sum() - change[target])
            yield Attribution(target, values.float(), fraction=1.0, final=True, convergence_delta=delta)

    def cost(self, params: BlurParameters, shape: Sequence[int], targets: int) -> int:
        """Return the cost of a forward pass per stage, a backward pass per stage and target, and of both ends."""
        return 2 + params.steps * (1 + 2 * targets)


def blur(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur an image [1, C, H, W] with a Gaussian of so many pixels; at the border, with what there is of it."""
    if sigma <= 0:
        return image
    height, width = image.shape[-2:]
    return (_weights(height, sigma) @ image.double() @ _weights(width, sigma).T).float()


def _weights(side: int, sigma: float) -> torch.Tensor:
    places = torch.arange(side, dtype=torch.float64)
    weights = torch.exp(-((places[:, None] - places) ** 2) / (2 * sigma**2))
    return weights / weights.sum(dim=1, keepdim=True)
