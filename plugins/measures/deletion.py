"""Deletion: how fast the output falls when the evidence is taken away, the most important first."""

from __future__ import annotations

from .replacement import ReplacementMeasure

__all__ = ["Deletion"]


class Deletion(ReplacementMeasure):
    """The area under the deletion curve, against random orders of the same network, image and target."""

    name = "deletion"
    title = "Deletion"
    description = (
        "Whether the output falls faster when places are removed in the order of the map, the evidence for the label "
        "first, than in a random order: above_random = (random mean of the output - its mean along the map) / scale."
    )
    reference = (
        "Petsiuk, Das, Saenko: RISE: Randomized Input Sampling for Explanation of Black-box Models. BMVC 2018. "
        "arXiv:1806.07421. Normalised after Schulz, Sixt, Tombari, Landgraf: Restricting the Flow: Information "
        "Bottlenecks for Attribution. ICLR 2020. arXiv:2001.00396"
    )
    variant = (
        "radiolucent; neither Captum 0.9 nor Quantus 0.6 compares with random orders. Squares rather than pixels, by "
        "their mean, signs kept, ties in a random order; the explained output itself, not a softmax; scaled by the "
        "range of the output between image, random orders and baseline, which is above 0 also where both ends happen "
        "to be equal."
    )
