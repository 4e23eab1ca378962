"""Insertion: how fast the output comes back when the evidence is shown, the most important first."""

from __future__ import annotations

from .replacement import ReplacementMeasure

__all__ = ["Insertion"]


class Insertion(ReplacementMeasure):
    """The area under the insertion curve, against random orders of the same network, image and target."""

    name = "insertion"
    title = "Insertion"
    description = (
        "Whether the output rises faster when places are shown in the order of the map, the evidence for the label "
        "first, than in a random order: above_random = (its mean along the map - random mean of the output) / scale."
    )
    reference = (
        "Petsiuk, Das, Saenko: RISE: Randomized Input Sampling for Explanation of Black-box Models. BMVC 2018. "
        "arXiv:1806.07421. Normalised after Schulz, Sixt, Tombari, Landgraf: Restricting the Flow: Information "
        "Bottlenecks for Attribution. ICLR 2020. arXiv:2001.00396"
    )
    variant = (
        "radiolucent; as deletion, with the same squares, baseline and scale. It removes the least evidence first and "
        "reads the curve backwards, which makes the same images, so its random orders are deletion's."
    )
    least_first = True
