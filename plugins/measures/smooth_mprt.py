"""Smooth MPRT: whether a map notices that the network's weights are drawn anew, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import ClassVar

import torch
from pydantic import Field

from ..contract import Job, Parameters
from ..methods.seeds import seed_field
from .contract import Family, Measure, MeasuredValue, Subject
from .judgeable import check_finite, check_map
from .likeness import likeness
from .randomised import Redrawn, weighted_layers

__all__ = ["LayerOrder", "SmoothMprt", "SmoothMprtParameters"]


class LayerOrder(str, Enum):
    """Which layers are drawn anew first; they stay so."""

    BOTTOM_UP = "bottom_up"
    """From the image to the output."""
    TOP_DOWN = "top_down"
    """From the output to the image."""


class SmoothMprtParameters(Parameters):
    """How many networks, and how many noisy copies of the image each."""

    stages: int = Field(
        default=3, ge=1, le=50, description="Networks: after each as many more layers are drawn anew, all in the last."
    )
    order: LayerOrder = Field(
        default=LayerOrder.BOTTOM_UP,
        description="Which layers are drawn anew first: bottom_up, those next to the image; or top_down, those next to "
        "the output, which leaves the features as they were until the end.",
    )
    samples: int = Field(default=4, ge=1, le=200, description="Noisy copies whose maps are averaged, 1 to 200.")
    noise: float = Field(
        default=0.1, ge=0, le=1, description="Standard deviation of the noise, as a share of the image's range, 0 to 1."
    )
    seed: int = seed_field("the weights and the noise", "numbers")


class SmoothMprt(Measure[SmoothMprtParameters]):
    """Rank correlation of the denoised map with those of networks with random weights."""

    name = "smooth_mprt"
    title = "Smooth MPRT"
    family = Family.RANDOMISATION
    description = (
        "Draws the network's weights anew, in stages, and compares the maps with the one of the trained network, each "
        "averaged over noisy copies of the image. A map that stays does not depend on what was learnt. Reported, not "
        "ranked: a low likeness alone makes no map good."
    )
    reference = (
        "Hedström, Weber, Lapuschkin, Höhne: Sanity Checks Revisited: An Exploration to Repair the Model Parameter "
        "Randomisation Test. 2023. arXiv:2401.06465. After Adebayo et al. 2018, arXiv:1810.03292"
    )
    variant = (
        "radiolucent; as quantus.SmoothMPRT: Spearman's correlation of magnitudes of the mean heatmap over noisy "
        "copies, bottom up by default as it advises. Fewer copies (4, there 50) and stages of layers in place of every "
        "layer. He's initialisation where Quantus calls reset_parameters, which lets activations vanish without "
        "trained normalisations; the same noise for every network."
    )
    parameters = SmoothMprtParameters
    values: ClassVar[tuple[MeasuredValue, ...]] = (
        MeasuredValue(
            "likeness",
            "Rank correlation with the map of the trained network, mean over the stages: -1 to 1; 1 is a map that does "
            "not depend on the weights.",
        ),
        MeasuredValue("last_likeness", "The same where all layers are drawn anew."),
    )

    def measure(self, subject: Subject, params: SmoothMprtParameters, job: Job) -> Mapping[str, float]:
        """Run the method on noisy copies, for the network and for each stage."""
        check_map(subject.heatmap)
        names = weighted_layers(subject.lifted())
        if params.order is LayerOrder.TOP_DOWN:
            names.reverse()
        total = self.cost(params, subject.image.shape[1:], subject.passes)
        done = 0

        def smooth(network: Redrawn | None) -> torch.Tensor:
            nonlocal done
            generator = torch.Generator().manual_seed(params.seed)
            image = subject.image
            spread = params.noise * float(image.max() - image.min())
            mean = torch.zeros(subject.heatmap.shape, dtype=torch.float64)
            for _ in range(params.samples):
                job.check()
                noise = torch.randn(image.shape, generator=generator) * spread
                heatmap = subject.again(image + noise, network).detach()
                check_finite(heatmap)
                mean += heatmap.double() / params.samples
                done += subject.passes
                job.progress(done, total)
            return mean

        trained = smooth(None)
        found = []
        for stage in range(1, params.stages + 1):
            layers = frozenset(names[: max(1, round(stage * len(names) / params.stages))])
            found.append(likeness(trained, smooth(Redrawn(layers, params.seed))))
        return {"likeness": sum(found) / len(found), "last_likeness": found[-1]}

    def cost(self, params: SmoothMprtParameters, shape: Sequence[int], passes: int) -> int:
        """Return a run of the method per noisy copy, for the network and for each stage."""
        return (1 + params.stages) * params.samples * passes
