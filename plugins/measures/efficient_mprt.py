"""Efficient MPRT: whether a map becomes more complex when all of the network's weights are drawn anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from ..contract import Job, Parameters
from ..errors import NotApplicable
from ..methods.seeds import seed_field
from .contract import Family, Measure, MeasuredValue, Subject
from .judgeable import check_finite, check_map
from .randomised import Redrawn, weighted_layers

__all__ = ["EfficientMprt", "EfficientMprtParameters", "complexity"]


class EfficientMprtParameters(Parameters):
    """How often weights are drawn, and how finely complexity is told."""

    draws: int = Field(default=1, ge=1, le=50, description="Networks with weights drawn anew, 1 to 50.")
    bins: int = Field(default=100, ge=2, le=1000, description="Bins of the histogram of a map's values, 2 to 1000.")
    seed: int = seed_field("the weights", "numbers")


class EfficientMprt(Measure[EfficientMprtParameters]):
    """Relative rise of the map's entropy from the trained network to one with random weights."""

    name = "efficient_mprt"
    title = "Efficient MPRT"
    family = Family.RANDOMISATION
    description = (
        "Draws all of the network's weights anew, and compares how complex the map is: the entropy of the histogram of "
        "its values. A network that learnt nothing should have a more complex map; no rise at all is a map that does "
        "not depend on the weights. Reported, not ranked."
    )
    reference = (
        "Hedström, Weber, Lapuschkin, Höhne: Sanity Checks Revisited: An Exploration to Repair the Model Parameter "
        "Randomisation Test. 2023. arXiv:2401.06465"
    )
    variant = (
        "radiolucent; as quantus.EfficientMPRT with n_bins=100: (entropy with random weights - entropy) / entropy, "
        "natural logarithm, histogram between the map's least and largest value. A fixed number of bins, since the "
        "rules that Quantus chooses it by take the number of dimensions for the number of pixels. He's initialisation "
        "where Quantus calls reset_parameters, which lets activations vanish without trained normalisations."
    )
    parameters = EfficientMprtParameters
    values: ClassVar[tuple[MeasuredValue, ...]] = (
        MeasuredValue(
            "complexity_rise",
            "(randomised_complexity - complexity) / complexity: above 0 as it should be, 0 for a map that stays, "
            "negative for one that becomes simpler.",
        ),
        MeasuredValue("complexity", "Entropy of the map's values, nats: 0 to the logarithm of the number of bins."),
        MeasuredValue("randomised_complexity", "The same with random weights, mean over the draws."),
    )

    def measure(self, subject: Subject, params: EfficientMprtParameters, job: Job) -> Mapping[str, float]:
        """Run the method on networks with random weights."""
        check_map(subject.heatmap)
        layers = frozenset(weighted_layers(subject.lifted()))
        before = complexity(subject.heatmap, params.bins)
        total = self.cost(params, subject.image.shape[1:], subject.passes)
        found = []
        for draw in range(params.draws):
            job.check()
            heatmap = subject.again(subject.image, Redrawn(layers, params.seed + draw)).detach()
            check_finite(heatmap)
            found.append(complexity(heatmap, params.bins))
            job.progress((draw + 1) * subject.passes, total)
        after = sum(found) / len(found)
        if before == 0 and after != 0:
            raise NotApplicable("the map has one value everywhere, so its complexity is 0 and has no relative rise")
        rise = 0.0 if after == before else (after - before) / before
        return {"complexity_rise": rise, "complexity": before, "randomised_complexity": after}

    def cost(self, params: EfficientMprtParameters, shape: Sequence[int], passes: int) -> int:
        """Return a run of the method per draw."""
        return params.draws * passes


def complexity(heatmap: torch.Tensor, bins: int) -> float:
    """Return the entropy of the histogram of a map's values, nats."""
    values = heatmap.double().numpy()
    if values.min() == values.max():
        return 0.0
    from scipy.stats import entropy  # not at the top: a fifth of a second of every worker's start

    return float(entropy(np.histogram(values, bins=bins)[0]))
