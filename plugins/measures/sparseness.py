"""Sparseness: on how few pixels a map puts its weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch

from ..contract import Job, Parameters
from .contract import Better, Family, Measure, MeasuredValue, Subject
from .judgeable import check_map

__all__ = ["Sparseness", "SparsenessParameters", "gini"]


class SparsenessParameters(Parameters):
    """Sparseness has no parameters."""


class Sparseness(Measure[SparsenessParameters]):
    """The Gini index of the heatmap's magnitudes."""

    name = "sparseness"
    title = "Sparseness"
    family = Family.COMPLEXITY
    description = (
        "How unequally the map's magnitude is shared among the pixels. A sparse map is simple to read; it need not be "
        "right."
    )
    reference = (
        "Chalasani, Chen, Chowdhury, Wu, Jha: Concise Explanations of Neural Networks using Adversarial Training. "
        "ICML 2020. arXiv:1810.06583"
    )
    variant = "radiolucent; quantus.Sparseness on the heatmap's magnitudes, without the 1e-7 that it adds to each."
    parameters = SparsenessParameters
    values: ClassVar[tuple[MeasuredValue, ...]] = (
        MeasuredValue(
            "gini",
            "Gini index of the magnitudes: 0 (all pixels alike) to 1 - 1 / pixels (one has all). Maps of a layer's few "
            "cells are smooth, and cannot be as sparse as those of pixels.",
            Better.HIGHER,
        ),
    )

    def measure(self, subject: Subject, params: SparsenessParameters, job: Job) -> Mapping[str, float]:
        """Look at the map alone."""
        check_map(subject.heatmap)
        return {"gini": gini(subject.heatmap)}

    def cost(self, params: SparsenessParameters, shape: Sequence[int], passes: int) -> int:
        """Return nothing: no image goes through the network."""
        return 0


def gini(heatmap: torch.Tensor) -> float:
    """Return the Gini index of a map's magnitudes; not all are zero."""
    magnitudes = heatmap.double().abs().flatten().sort().values
    count = len(magnitudes)
    ranks = torch.arange(1, count + 1, dtype=torch.float64)
    return float(((2 * ranks - count - 1) * magnitudes).sum() / (count * magnitudes.sum()))
