"""Grad-CAM: feature maps weighted by the mean gradient of an output with respect to each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from pydantic import Field

from ..contract import Attribution, Channels, Completeness, Job, Method, Need
from ..observed import ObservedModel
from .feature_maps import UPSAMPLING, LayerParameters, tapped, upsampled
from .layer_choice import choose_map

__all__ = ["GradCam", "GradCamParameters"]


class GradCamParameters(LayerParameters):
    """Of which layer, and whether what speaks against the target is shown."""

    relu: bool = Field(
        default=True,
        description="Whether negative values, which speak against the target, are set to 0, as in the paper.",
    )


class GradCam(Method[GradCamParameters]):
    """Captum's Grad-CAM of a layer of the lifted network, enlarged to the image."""

    name = "grad_cam"
    title = "Grad-CAM"
    description = (
        "Where a layer's features speak for the target: its feature maps, weighted by the mean gradient of the output "
        f"with respect to each, summed, in units of the output. {UPSAMPLING}"
    )
    reference = (
        "Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM: Visual Explanations from Deep Networks via "
        "Gradient-based Localization. ICCV 2017. arXiv:1610.02391"
    )
    parameters = GradCamParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT, Need.MODULES})
    signed = True
    completeness = Completeness.NONE
    channels = Channels.REPEATED

    def check_network(self, network: torch.nn.Module) -> None:
        """Refuse a network that does not end in convolutional feature maps."""
        choose_map(network)

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: GradCamParameters, job: Job
    ) -> Iterator[Attribution]:
        """Yield one final map per target."""
        from captum.attr import LayerGradCam  # not at the top: Captum brings pandas and matplotlib

        total = self.cost(params, image.shape[1:], len(targets))
        with tapped(model, image, choose_map(model.network, params.layer)) as tap:
            captums = LayerGradCam(model, tap)
            for position, target in enumerate(targets):
                plane = captums.attribute(image.clone().requires_grad_(), target=target, relu_attributions=params.relu)
                job.progress(3 * (position + 1), total)
                yield Attribution(target, upsampled(plane[0, 0].detach(), image), fraction=1.0, final=True)

    def cost(self, params: GradCamParameters, shape: Sequence[int], targets: int) -> int:
        """Return the cost of a pass forth and back per target."""
        return 3 * targets
