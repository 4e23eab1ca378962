"""The kit's networks: small, seeded, of stock layers, and such that the right answer is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn

from ...handlers.card import InputSpec

__all__ = ["SIZE", "Case", "apart", "ordinary"]

SIZE = 48
"""Side of the inputs, pixels."""

OWN = (slice(4, 18), slice(4, 18))
"""Rows and columns of the patch that label 0 of :func:`apart` looks at."""
OTHER = (slice(30, 44), slice(30, 44))
"""Those that label 1 looks at. Further labels there are none, nor does anything look at other places."""


@dataclass(frozen=True, eq=False)
class Case:
    """A network with an image.

    Parameters
    ----------
    network : torch.nn.Module
        An ordinary module, [N, C, SIZE, SIZE] to logits [N, L].
    image : torch.Tensor
        Float32 [1, C, SIZE, SIZE], channels alike as in a preprocessed X-ray.
    spec : InputSpec
        How its inputs are normalised.
    labels : int
        Number of its outputs.
    """

    network: nn.Module
    image: torch.Tensor
    spec: InputSpec
    labels: int


@lru_cache
def ordinary(channels: int) -> Case:
    """Return a non-linear network of five labels, as one is after training: convolutions, batch norm, poolings.

    Parameters
    ----------
    channels : int
        1 or 3.
    """
    network = nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(256, 5),
    )
    draw = torch.Generator().manual_seed(20200602)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var") or name == "1.weight":
                tensor.uniform_(0.5, 1.5, generator=draw)
            elif name.endswith(("bias", "running_mean")):
                tensor.normal_(0.0, 0.1, generator=draw)
            elif name.endswith("weight"):
                # He's scale keeps the signal's size from layer to layer; the last one makes logits of a few units.
                tensor.normal_(0.0, (2 / tensor[0].numel()) ** 0.5, generator=draw)
    plane = torch.rand(SIZE // 4, SIZE // 4, generator=draw)
    smooth = nn.functional.interpolate(plane[None, None], size=SIZE, mode="bicubic", align_corners=False)[0, 0]
    return _case(network, smooth.clamp(0, 1), channels, labels=5)


@lru_cache
def apart(channels: int) -> Case:
    """Return a network whose two labels look at disjoint inputs: each at a patch of its own with channels of its own.

    Label 0 adds up vertical edges in the upper left, where the image has vertical stripes; label 1 horizontal ones in
    the lower right, where it has horizontal stripes. Nothing looks at the rest of the image, which is grey.
    """
    line, edge = torch.tensor([[-1.0, 2.0, -1.0]] * 3) / 6, torch.tensor([[-1.0, 0.0, 1.0]] * 3) / 6
    filters = torch.stack([line, edge, line.T, edge.T])
    first = nn.Conv2d(channels, 4, 3, padding=1)
    last = nn.Linear(4 * (SIZE // 2) ** 2, 2)
    cells = torch.zeros(2, 4, SIZE // 2, SIZE // 2)
    # A cell of the pooling sees its two pixels and one more around them: the patches' rims are left out.
    for label, (rows, columns) in enumerate((OWN, OTHER)):
        inner = (_cells(rows), _cells(columns))
        cells[label, 2 * label : 2 * label + 2, inner[0], inner[1]] = 0.1
    with torch.no_grad():
        first.weight.copy_(filters[:, None].expand(4, channels, 3, 3) / channels)
        first.bias.fill_(-0.05)  # type: ignore[union-attr]
        last.weight.copy_(cells.flatten(1))
        last.bias.zero_()
    network = nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), last)
    stripes = (torch.arange(SIZE) % 4 < 2).float()
    plane = torch.full((SIZE, SIZE), 0.5)
    plane[OWN] = stripes[None, OWN[1]].expand(14, 14)
    plane[OTHER] = stripes[OTHER[0], None].expand(14, 14)
    return _case(network, plane, channels, labels=2)


def _cells(pixels: slice) -> slice:
    return slice(pixels.start // 2 + 1, pixels.stop // 2 - 1)


def _case(network: nn.Module, brightness: torch.Tensor, channels: int, labels: int) -> Case:
    spec = InputSpec(size=SIZE, channels=channels, mean=0.5, std=0.25)
    image = ((brightness - spec.mean) / spec.std).expand(1, channels, SIZE, SIZE).contiguous()
    return Case(network.eval(), image, spec, labels)
