"""XRAI: regions ranked by their integrated gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from saliency.core.xrai import XRAI, XRAIParameters

from ..contract import Attribution, Channels, Completeness, Job, Method, Need, Parameters
from ..observed import ObservedModel
from ..order import stages
from .gradients import gradients
from .quadrature import quadrature
from .regions import regions

__all__ = ["Xrai", "XraiParameters"]


class XraiParameters(Parameters):
    """How finely the gradient is integrated, and how the X-ray is cut into regions."""

    steps: int = Field(
        default=50, ge=2, le=2000, description="Nodes of the Gauss-Legendre quadrature per baseline, 2 to 2000."
    )
    scales: tuple[Annotated[float, Field(gt=0, le=100_000)], ...] = Field(
        default=(50, 100, 150, 250, 500, 1200),
        min_length=1,
        max_length=12,
        description="Scales of Felzenszwalb's segmentation, 1 to 12 of them, each above 0: the larger, the larger the "
        "regions. Those of all scales compete.",
    )
    smallest: int = Field(
        default=150, ge=1, le=10_000, description="Fewest pixels of a region, 1 to 10000, in an X-ray of 224 x 224."
    )
    dilation: int = Field(
        default=5,
        ge=0,
        le=50,
        description="Pixels of the network's input by which regions are grown to hold their own edge, 0 to 50.",
    )
    internal_batch_size: int = Field(
        default=4, ge=1, le=256, description="Images that go through the network at once, 1 to 256; bounds the memory."
    )


class Xrai(Method[XraiParameters]):
    """Regions of the image, put in order of their integrated gradients from black and from white.

    The ranking is that of the authors' library, `saliency`; the gradients are ours, for all targets in the same forward
    passes. A partial map ranks by the gradients so far.
    """

    name = "xrai"
    title = "XRAI"
    description = (
        "A ranking of regions by how densely integrated gradients (from black and from white) speak for the output. "
        "Values are ranks and no amounts: places of at least 0.9 are the best regions that fit into a tenth of the "
        "X-ray, 0 is the region ranked last. There is a best region even where nothing speaks for the output."
    )
    reference = (
        "Kapishnikov, Bolukbasi, Viégas, Terry: XRAI: Better Attributions Through Regions. ICCV 2019. arXiv:1906.02825"
    )
    parameters = XraiParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT})
    survives_folding = True
    signed = False
    completeness = Completeness.NONE
    channels = Channels.REPEATED

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: XraiParameters, job: Job
    ) -> Iterator[Attribution]:
        """Yield rankings by a growing part of the integral, then by the whole; targets share forward passes."""
        total = self.cost(params, image.shape[1:], len(targets))
        brightness = (image[0].double().mean(dim=0) * model.spec.std + model.spec.mean).clamp(0, 1).numpy()
        masks = regions(brightness, params.scales, params.smallest, params.dilation)
        ends = torch.tensor([(end - model.spec.mean) / model.spec.std for end in (0.0, 1.0)])[:, None, None, None]
        nodes, weights = quadrature(params.steps)
        # Black and white by turns, so that both have their part in every partial map.
        nodes, weights = nodes.repeat_interleave(2)[:, None, None, None].float(), weights.repeat_interleave(2) / 2
        starts = ends.repeat(params.steps, 1, 1, 1)

        sums = torch.zeros(len(targets), *image.shape[-2:], dtype=torch.float64)
        done = ranked = 0
        for part, due in stages(len(nodes), params.internal_batch_size, partial=job.wants_partial):
            differences = image - starts[part]
            points = starts[part] + nodes[part] * differences
            shares = weights[part, None, None, None] * differences.double()
            for position, gradient in enumerate(gradients(model, points, targets)):
                sums[position] += (gradient.double() * shares).sum(dim=(0, 1))
                done += len(points) * (2 if position else 3)
                job.progress(done, total)
                job.check()
            # Ranking takes longer than a pass through a small network: only where the work has doubled.
            if part.stop == len(nodes) or (due and part.stop >= 2 * ranked):
                ranked = part.stop
                for target, attribution in zip(targets, sums.numpy(), strict=True):
                    plane = torch.from_numpy(_ranking(attribution, masks)).float()
                    yield Attribution(target, plane.expand(image.shape[1:]).clone(), done / total, final=not due)
                    job.check()

    def cost(self, params: XraiParameters, shape: Sequence[int], targets: int) -> int:
        """Return the cost of a forward pass per node and baseline, and a backward pass for each of them and target."""
        return 2 * params.steps * (1 + 2 * targets)


def _ranking(attribution: NDArray[np.float64], masks: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """Give each pixel the share of the image that ranks behind its region: float64, [H, W]."""
    settings = XRAIParameters(return_xrai_segments=True)
    settings.experimental_params["min_pixel_diff"] = min(50, attribution.size // 200)
    ranks = (
        XRAI()
        .GetMaskWithDetails(attribution, None, base_attribution=attribution, segments=masks, extra_parameters=settings)
        .segments
    )
    areas = np.bincount(ranks.ravel())
    behind: NDArray[np.float64] = 1 - np.cumsum(areas)[ranks] / ranks.size
    return behind.clip(0, 1)
