"""Where a network looks on a film for a label, so that maps can be laid over each other there.

After the gradient-adjusted profiles of Krug and Stober (arXiv:2002.08125), of which this is the alignment alone:
activations are moved, not weighted.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional

from .places import Place
from .sums import Shift

__all__ = ["WINDOW", "peaks_of", "shift_to_centre"]

WINDOW = 16
"""The magnitude of the gradient is averaged over windows of a 16th of the side before its peak is taken."""

Peak = tuple[float, float]
"""Row and column in shares of the side, in [0, 1)."""


def peaks_of(images: torch.Tensor, logits: torch.Tensor, columns: Mapping[str, int]) -> dict[str, list[Peak]]:
    """Find the peak of each label's gradient on each film of a batch.

    Parameters
    ----------
    images : torch.Tensor, shape [batch, channels, size, size]
        The input, which takes part in differentiation.
    logits : torch.Tensor, shape [batch, labels]
        Computed from it.
    columns : mapping of str to int
        Place of each label among the logits.

    Returns
    -------
    dict of str to list of (float, float)
        By label and film: where the magnitude of the gradient of the label's logit with respect to the input, summed
        over channels and averaged over windows, is largest.
    """
    size = images.shape[-1]
    window = max(1, size // WINDOW)
    found = {}
    for label, column in columns.items():
        (gradient,) = torch.autograd.grad(logits[:, column].sum(), images, retain_graph=True)
        magnitude = functional.avg_pool2d(gradient.abs().sum(1, keepdim=True), window, stride=1).flatten(1)
        side = size - window + 1
        tops = [divmod(int(place), side) for place in magnitude.argmax(1)]
        found[label] = [((row + window / 2) / size, (column + window / 2) / size) for row, column in tops]
    return found


def shift_to_centre(peak: Peak, place: Place) -> Shift:
    """Return how far the maps of a layer are moved so that the pixel in which a peak lies comes to the middle.

    The middle is row ``height // 2`` and column ``width // 2``; a peak is carried over to a
    layer by its share of the side.
    """
    row, column = int(peak[0] * place.height), int(peak[1] * place.width)
    return place.height // 2 - row, place.width // 2 - column
