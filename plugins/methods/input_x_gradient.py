"""Input x gradient: each pixel's share of the output's linear part."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import ClassVar

import torch

from ..contract import Attribution, Completeness, Job, Method, Need, Parameters
from ..observed import ObservedModel
from .gradients import IMAGE_GRADIENT, image_gradients

__all__ = ["InputXGradient", "InputXGradientParameters"]


class InputXGradientParameters(Parameters):
    """Input x gradient has no parameters."""


class InputXGradient(Method[InputXGradientParameters]):
    """The gradient times the input, as the network sees it."""

    name = "input_x_gradient"
    title = "Input x gradient"
    description = (
        "The gradient times the pixel's value after normalisation, in units of the output: what each pixel contributes "
        "where the network is taken as linear. A pixel whose normalised value is 0 gets nothing, whatever it means: "
        "black ones, or grey ones where the network's input is centred."
    )
    reference = (
        "Shrikumar, Greenside, Shcherbina, Kundaje: Not Just a Black Box: Learning Important Features Through "
        "Propagating Activation Differences. 2016. arXiv:1605.01713"
    )
    parameters = InputXGradientParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT})
    signed = True
    completeness = Completeness.NONE

    def shared_passes(self, params: InputXGradientParameters) -> Hashable | None:
        """Share the gradient at the image."""
        return IMAGE_GRADIENT

    def explain(
        self,
        model: ObservedModel,
        image: torch.Tensor,
        targets: Sequence[int],
        params: InputXGradientParameters,
        job: Job,
    ) -> Iterator[Attribution]:
        """Yield one final map per target; they share one forward pass."""
        total = self.cost(params, image.shape[1:], len(targets))
        for position, gradient in enumerate(image_gradients(model, image, targets)):
            job.progress(3 + 2 * position, total)
            yield Attribution(targets[position], (image * gradient)[0], fraction=1.0, final=True)
            job.check()

    def cost(self, params: InputXGradientParameters, shape: Sequence[int], targets: int) -> int:
        """Return the cost of one forward pass and a backward pass per target."""
        return 1 + 2 * targets
