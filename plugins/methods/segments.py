"""Segments: the pieces of an image that a method hides or shows as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from pydantic import Field

from ...handlers.card import InputSpec
from ..contract import Attribution, Parameters
from ..errors import NotApplicable
from .baselines import BASELINES, Baseline
from .seeds import seed_field
from .superpixels import Segmentation, superpixels

__all__ = ["SegmentParameters", "Segments"]


class SegmentParameters(Parameters):
    """How the image is cut, and what hides a segment."""

    segmentation: Segmentation = Field(
        default=Segmentation.SLIC,
        description="How the X-ray is cut into segments, in brightness as shown: slic, superpixels of about equal "
        "size; felzenszwalb, regions that end at edges, which on a smooth X-ray leaves one over most of it; or grid.",
    )
    segments: int = Field(
        default=50, ge=2, le=1000, description="Most segments, 2 to 1000; at most the number of pixels. May be fewer."
    )
    baseline: Baseline = Field(default=Baseline.BLACK, description=f"What a hidden segment shows: {BASELINES}.")
    batch_size: int = Field(
        default=4, ge=1, le=256, description="Images that go through the network at once, 1 to 256; bounds the memory."
    )

    seed: int = seed_field("the baseline uniform_noise")

    def cut(self, image: torch.Tensor, spec: InputSpec) -> Segments:
        """Cut an image into segments; the same image is always cut alike.

        Parameters
        ----------
        image : torch.Tensor
            [1, C, H, W] in the network's input space.
        spec : InputSpec
            What the network expects to see: the normalisation.

        Returns
        -------
        Segments
            At least 1, at most `segments` of them.

        Raises
        ------
        NotApplicable
            If there are fewer pixels than segments.
        """
        self.check_shape(image.shape[1:])
        # The channels are copies of one grey plane. What a preprocessing put outside the range is not seen either.
        brightness = (image[0].double().mean(dim=0) * spec.std + spec.mean).clamp(0, 1).cpu().numpy()
        return Segments(torch.from_numpy(superpixels(brightness, self.segmentation, self.segments)))

    def check_shape(self, shape: Sequence[int]) -> None:
        """Refuse more segments than an input [C, H, W] has pixels.

        Raises
        ------
        NotApplicable
            If there are fewer pixels than segments.
        """
        height, width = int(shape[-2]), int(shape[-1])
        if self.segments > height * width:
            raise NotApplicable(f"{self.segments} segments are more than the network's {height} x {width} pixels")


@dataclass(frozen=True)
class Segments:
    """An image cut into pieces.

    Parameters
    ----------
    labels : torch.Tensor
        Int64, [H, W]: the segment of each pixel, from 0, none left out.
    """

    labels: torch.Tensor

    @property
    def count(self) -> int:
        """Number of segments."""
        return int(self.labels.max()) + 1

    @property
    def areas(self) -> torch.Tensor:
        """Pixels of each segment: float64, [count]."""
        return torch.bincount(self.labels.flatten()).double()

    @property
    def centres(self) -> torch.Tensor:
        """Mean row and column of each segment, pixels: float64, [count, 2]."""
        places = torch.cartesian_prod(*(torch.arange(side, dtype=torch.float64) for side in self.labels.shape))
        sums = torch.zeros(self.count, 2, dtype=torch.float64).index_add_(0, self.labels.flatten(), places)
        return sums / self.areas[:, None]

    def show(self, image: torch.Tensor, baseline: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Show some segments of an image, and the baseline in place of the others.

        Parameters
        ----------
        image, baseline : torch.Tensor
            [1, C, H, W].
        present : torch.Tensor
            Bool, [N, count]: the segments that are shown.

        Returns
        -------
        torch.Tensor
            [N, C, H, W].
        """
        return torch.where(self.paint(present)[:, None], image, baseline)

    def attributions(
        self, image: torch.Tensor, targets: Sequence[int], values: torch.Tensor, fraction: float, *, final: bool
    ) -> Iterator[Attribution]:
        """Give every pixel, in every channel, the verdict on its segment.

        Parameters
        ----------
        image : torch.Tensor
            The explained image, [1, C, H, W].
        targets : sequence of int
            The explained outputs.
        values : torch.Tensor
            Float64, [T, count]: the verdicts.
        fraction, final
            As in `Attribution`.
        """
        for target, plane in zip(targets, self.paint(values).float(), strict=True):
            yield Attribution(target, plane.expand(image.shape[1:]).clone(), fraction, final)

    def paint(self, values: torch.Tensor) -> torch.Tensor:
        """Give each pixel its segment's value: [N, count] to [N, H, W]."""
        return values[:, self.labels]
