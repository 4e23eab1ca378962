"""Score-CAM: feature maps weighted by the output for the image seen through each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch.nn import functional

from ..contract import Attribution, Channels, Completeness, Job, Method, Need
from ..errors import NotApplicable
from ..observed import ObservedModel
from ..order import stages
from .baselines import BASELINES, Baseline
from .feature_maps import UPSAMPLING, LayerParameters, tapped, upsampled
from .layer_choice import choose_map
from .seeds import seed_field

__all__ = ["ScoreCam", "ScoreCamParameters"]


class ScoreCamParameters(LayerParameters):
    """Of which layer, and what the image fades into."""

    channels: int = Field(
        default=4096,
        ge=1,
        le=65536,
        description="Most feature maps that are tried, 1 to 65536, those of the largest values first; the others have "
        "no weight. The default is more than the usual networks have.",
    )
    internal_batch_size: int = Field(
        default=4, ge=1, le=256, description="Images that go through the network at once, 1 to 256; bounds the memory."
    )
    baseline: Baseline = Field(
        default=Baseline.BLACK, description=f"What the image fades into where a feature map is low: {BASELINES}."
    )
    seed: int = seed_field("the baseline uniform_noise")


class ScoreCam(Method[ScoreCamParameters]):
    """The positive part of a mean of feature maps, weighted by the softmax of the outputs for the masked images.

    The feature maps with the largest values come first. A partial map is the weighted mean of those tried so far.
    """

    name = "score_cam"
    title = "Score-CAM"
    description = (
        "The mean of a layer's feature maps, in their units. Each counts by the output for the image seen through it "
        "alone: the softmax of these outputs over the maps. No gradient is used; feature maps without contrast are "
        f"left out. {UPSAMPLING}"
    )
    reference = (
        "Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu: Score-CAM: Score-Weighted Visual Explanations for "
        "Convolutional Neural Networks. CVPR Workshops 2020. arXiv:1910.01279"
    )
    parameters = ScoreCamParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.MODULES})
    signed = False
    completeness = Completeness.NONE
    channels = Channels.REPEATED

    def check_network(self, network: torch.nn.Module) -> None:
        """Refuse a network that does not end in convolutional feature maps."""
        choose_map(network)

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: ScoreCamParameters, job: Job
    ) -> Iterator[Attribution]:
        """Yield partial maps with a growing part of the feature maps, then all; targets share every forward pass."""
        total = self.cost(params, image.shape[1:], len(targets))
        with torch.no_grad(), tapped(model, image, choose_map(model.network, params.layer)) as tap:
            model(image)
            maps = tap.maps[0].clone()
        job.progress(1, total)
        maps = _by_largest_value(maps)[: params.channels]
        baseline = params.baseline.like(image, model.spec, statistics=model.statistics, seed=params.seed)
        chosen = list(targets)

        outputs = torch.empty(0, len(targets), dtype=torch.float64)
        for part, due in stages(len(maps), params.internal_batch_size, partial=job.wants_partial):
            with torch.no_grad():
                masked = torch.lerp(baseline, image, _masks(maps[part], image))
                outputs = torch.cat([outputs, model(masked)[:, chosen].double()])
            # The work was stated before the number of feature maps was known.
            share = part.stop / len(maps)
            job.progress(1 + int(share * (total - 1)), total)
            if due:
                yield from _attributions(maps, outputs, image, targets, share)
        job.progress(total, total)
        yield from _attributions(maps, outputs, image, targets, 1.0)

    def cost(self, params: ScoreCamParameters, shape: Sequence[int], targets: int) -> int:
        """Return the largest number of feature maps and one for the image itself; targets cost nothing.

        How many feature maps there are, the network alone knows.
        """
        return 1 + params.channels


def _by_largest_value(maps: torch.Tensor) -> torch.Tensor:
    """Sort feature maps [K, h, w], and leave out those whose values are all the same."""
    highest, lowest = maps.amax(dim=(1, 2)), maps.amin(dim=(1, 2))
    kept = maps[highest > lowest]
    if not len(kept):
        raise NotApplicable("every feature map of the layer is the same everywhere for this image; take another layer")
    order = highest[highest > lowest].argsort(descending=True, stable=True)
    return kept[order]


def _masks(maps: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Enlarge feature maps to the image, and stretch each from 0 to 1: [K, 1, H, W]."""
    large = functional.interpolate(maps[:, None], size=image.shape[-2:], mode="bilinear", align_corners=False)
    lowest, highest = large.amin(dim=(2, 3), keepdim=True), large.amax(dim=(2, 3), keepdim=True)
    # Enlarging to fewer pixels than cells may miss the one cell that differs.
    return (large - lowest) / (highest - lowest).clamp(min=torch.finfo(large.dtype).tiny)


def _attributions(
    maps: torch.Tensor, outputs: torch.Tensor, image: torch.Tensor, targets: Sequence[int], fraction: float
) -> Iterator[Attribution]:
    weights = outputs.softmax(dim=0)
    for position, target in enumerate(targets):
        plane = (weights[:, position, None, None] * maps[: len(weights)].double()).sum(dim=0).relu()
        yield Attribution(target, upsampled(plane, image), fraction, final=fraction == 1)
