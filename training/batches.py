"""Batches that depend on seed and step alone, so that a resumed run sees what it would have seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from .augmentation import Augment, Augmentation

__all__ = ["Batch", "Batches", "PlainBatches"]

Batch = tuple[torch.Tensor, torch.Tensor]
"""Images float32 ``[batch, 1, size, size]`` and targets float32 ``[batch, labels]``, NaN for unknown."""


@dataclass
class Batches:
    """An endless series of augmented training batches, handed out pass by pass.

    Its position is the number of steps taken, so a resumed training sets it from the optimiser's.

    Parameters
    ----------
    images, targets : ndarray
        Of the training split.
    batch : int
        Films per batch; the last films of a pass join the first of the next.
    steps : int
        Batches per pass.
    seed : int
        Of order and augmentation.
    augmentation : Augmentation
        What is changed at random.
    position : int
        The next step, from 0.
    """

    images: NDArray[np.float32]
    targets: NDArray[np.float32]
    batch: int
    steps: int
    seed: int
    augmentation: Augmentation
    position: int = 0
    _augment: Augment = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._augment = Augment(self.augmentation)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        end = (self.position // self.steps + 1) * self.steps
        while self.position < end:
            step = self.position
            self.position += 1
            yield self.at(step)

    def at(self, step: int) -> Batch:
        """Return the batch of one step, counted from the start of the training."""
        films = len(self.images)
        where = range(step * self.batch, (step + 1) * self.batch)
        orders = {e: np.random.default_rng((self.seed, 0, e)).permutation(films) for e in {i // films for i in where}}
        chosen = [int(orders[i // films][i % films]) for i in where]
        images = self._augment(torch.from_numpy(self.images[chosen]), (self.seed, 1, step))
        return images.to(memory_format=torch.channels_last), torch.from_numpy(self.targets[chosen])


@dataclass(frozen=True)
class PlainBatches:
    """Films as they are served: in their order, without augmentation.

    Parameters
    ----------
    images, targets : ndarray
        Of a split.
    batch : int
        Films per batch; the last one may be smaller.
    most : int, optional
        Only so many films, evenly spaced over the split.
    """

    images: NDArray[np.float32]
    targets: NDArray[np.float32]
    batch: int = 32
    most: int | None = None

    def __len__(self) -> int:
        return -(-self._count() // self.batch)

    def __iter__(self) -> Iterator[Batch]:
        chosen = np.linspace(0, len(self.images) - 1, self._count()).round().astype(int)
        for first in range(0, len(chosen), self.batch):
            rows = chosen[first : first + self.batch]
            images = torch.from_numpy(self.images[rows]).to(memory_format=torch.channels_last)
            yield images, torch.from_numpy(self.targets[rows])

    def _count(self) -> int:
        return len(self.images) if self.most is None else min(self.most, len(self.images))
