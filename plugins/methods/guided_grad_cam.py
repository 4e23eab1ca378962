"""Guided Grad-CAM: guided backprop where Grad-CAM points."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch

from ..contract import Attribution, Completeness, Job, Method, Need
from ..observed import ObservedModel
from .feature_maps import UPSAMPLING, LayerParameters, tapped
from .layer_choice import choose_map
from .relu_gradients import GuidedBackprop

__all__ = ["GuidedGradCam"]


class GuidedGradCam(Method[LayerParameters]):
    """Captum's product of guided backprop and Grad-CAM, on the lifted network."""

    name = "guided_grad_cam"
    title = "Guided Grad-CAM"
    description = (
        "Guided backprop times the positive part of Grad-CAM: fine detail where a layer's features speak for the "
        "target. The detail itself shows edges nearly whatever the network learnt, so that it must not rank models. "
        f"Of Grad-CAM: {UPSAMPLING[0].lower()}{UPSAMPLING[1:]}"
    )
    reference = (
        "Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM: Visual Explanations from Deep Networks via "
        "Gradient-based Localization. ICCV 2017. arXiv:1610.02391"
    )
    parameters = LayerParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT, Need.MODULES})
    signed = True
    completeness = Completeness.NONE

    def check_network(self, network: torch.nn.Module) -> None:
        """Refuse what guided backprop refuses, and a network that does not end in convolutional feature maps."""
        GuidedBackprop().check_network(network)
        choose_map(network)

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: LayerParameters, job: Job
    ) -> Iterator[Attribution]:
        """Yield one final map per target."""
        # Not at the top: Captum brings pandas and matplotlib.
        from captum.attr import GuidedGradCam as CaptumsGuidedGradCam

        total = self.cost(params, image.shape[1:], len(targets))
        with tapped(model, image, choose_map(model.network, params.layer)) as tap:
            for position, target in enumerate(targets):
                with warnings.catch_warnings():
                    # Captum says of every call that it sets hooks and removes them.
                    warnings.filterwarnings("ignore", "Setting backward hooks on ReLU", UserWarning)
                    captums = CaptumsGuidedGradCam(model, tap)
                    values = captums.attribute(
                        image.clone().requires_grad_(), target=target, interpolate_mode="bilinear"
                    )
                job.progress(6 * (position + 1), total)
                yield Attribution(target, values[0].detach(), fraction=1.0, final=True)

    def cost(self, params: LayerParameters, shape: Sequence[int], targets: int) -> int:
        """Return the cost of two passes forth and back per target."""
        return 6 * targets
