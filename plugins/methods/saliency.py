"""Saliency: how much an output changes with each pixel."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import ClassVar

import torch

from ..contract import Attribution, Completeness, Job, Method, Need, Parameters
from ..observed import ObservedModel
from .gradients import IMAGE_GRADIENT, image_gradients

__all__ = ["Saliency", "SaliencyParameters"]


class SaliencyParameters(Parameters):
    """Saliency has no parameters."""


class Saliency(Method[SaliencyParameters]):
    """The magnitude of the gradient."""

    name = "saliency"
    title = "Saliency"
    description = (
        "How strongly the output changes with each pixel: the magnitude of the gradient, in units of the output per "
        "unit of the network's input. It does not say in which direction."
    )
    reference = (
        "Simonyan, Vedaldi, Zisserman: Deep Inside Convolutional Networks: Visualising Image Classification Models and "
        "Saliency Maps. ICLR Workshop 2014. arXiv:1312.6034"
    )
    parameters = SaliencyParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT})
    signed = False
    completeness = Completeness.NONE

    def shared_passes(self, params: SaliencyParameters) -> Hashable | None:
        """Share the gradient at the image."""
        return IMAGE_GRADIENT

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: SaliencyParameters, job: Job
    ) -> Iterator[Attribution]:
        """Yield one final map per target; they share one forward pass."""
        total = self.cost(params, image.shape[1:], len(targets))
        for position, gradient in enumerate(image_gradients(model, image, targets)):
            job.progress(3 + 2 * position, total)
            yield Attribution(targets[position], gradient[0].abs(), fraction=1.0, final=True)
            job.check()

    def cost(self, params: SaliencyParameters, shape: Sequence[int], targets: int) -> int:
        """Return the cost of one forward pass and a backward pass per target."""
        return 1 + 2 * targets
