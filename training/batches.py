"""Batches that depend on seed and step alone, so that a resumed run sees what it would have seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Augmentation", "Batches"]


class Augmentation(BaseModel):
    """Cheap random changes that leave the labels true."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: bool = False
    """Mirror left and right, every second time. Not for patients: the heart has a side."""
    shift: float = Field(default=0.04, ge=0, le=0.5)
    """Largest shift as a fraction of the side; black comes in."""
    gain: float = Field(default=0.1, ge=0, lt=1)
    """Largest relative change of brightness."""
    erase: int = Field(default=0, ge=0, le=16)
    """Largest number of uniform squares put over the film, each 5 to 17 % of its side (arXiv:1708.04896). A network
    that has never seen a square takes one for a finding, and its occlusion maps show squares instead of lesions."""


_ERASED = (0.05, 0.17)


@dataclass
class Batches:
    """An iterable of ``steps`` batches of images ``[batch, 1, size, size]`` and targets ``[batch, labels]``.

    It has a state, which Lightning saves and restores with a checkpoint.

    Parameters
    ----------
    images, targets : ndarray
        Of the training split.
    batch : int
        Films per batch; the last films of a pass join the first of the next.
    steps : int
        Batches in all.
    seed : int
        Of order and augmentation.
    augmentation : Augmentation
        What is changed at random.
    """

    images: NDArray[np.float32]
    targets: NDArray[np.float32]
    batch: int
    steps: int
    seed: int
    augmentation: Augmentation
    position: int = 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while self.position < self.steps:
            step = self.position
            self.position += 1
            yield self.at(step)

    def at(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the batch of one step."""
        films = len(self.images)
        where = range(step * self.batch, (step + 1) * self.batch)
        orders = {e: np.random.default_rng((self.seed, 0, e)).permutation(films) for e in {i // films for i in where}}
        chosen = [int(orders[i // films][i % films]) for i in where]
        rng = np.random.default_rng((self.seed, 1, step))
        images = np.stack([self._change(self.images[i], rng) for i in chosen])
        tensor = torch.from_numpy(images).to(memory_format=torch.channels_last)
        return tensor, torch.from_numpy(self.targets[chosen])

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs to go on."""
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a checkpoint was saved."""
        self.position = int(state["position"])

    def _change(self, image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        size = image.shape[-1]
        reach = int(self.augmentation.shift * size)
        down, right = (int(v) for v in rng.integers(-reach, reach + 1, size=2))
        gain = rng.uniform(1 - self.augmentation.gain, 1 + self.augmentation.gain)
        mirrored = self.augmentation.flip and rng.random() < 0.5
        out = np.zeros_like(image)
        to_rows, from_rows = _overlap(down, size)
        to_columns, from_columns = _overlap(right, size)
        out[:, to_rows, to_columns] = image[:, from_rows, from_columns]
        np.clip(out * np.float32(gain), 0, 1, out=out)
        for _ in range(rng.integers(0, self.augmentation.erase + 1)):
            side = int(rng.uniform(*_ERASED) * size)
            row, column = (int(v) for v in rng.integers(0, size - side, size=2))
            # Black half of the time: that is what most explanations hide things behind.
            shade = rng.choice((0.0, rng.uniform(0, 1)))
            out[:, row : row + side, column : column + side] = shade
        return out[:, :, ::-1] if mirrored else out


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    return slice(max(0, shift), size + min(0, shift)), slice(max(0, -shift), size - max(0, shift))
