"""Approximate occlusion on a film, as the parts about its time and about its error run it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from radiolucent.plugins import Attribution
from radiolucent.plugins.methods.effects import Effects
from radiolucent.plugins.methods.windows import Windows

from .subjects import Subject, Uninterrupted, built_in, observe

__all__ = ["METHOD", "Case", "whole"]

METHOD = "approximate_occlusion"


@dataclass(eq=False)
class Case:
    """A network, a film, and how it is occluded: black windows, all labels, default parameters.

    Parameters
    ----------
    subject : Subject
        The network.
    film : Path
        The film.
    side, window, stride : int
        Of the network's input, of the window, and between windows, pixels.
    """

    subject: Subject
    film: Path
    side: int
    window: int
    stride: int
    image: torch.Tensor = field(init=False)
    windows: Windows = field(init=False)

    def __post_init__(self) -> None:
        self.image = self.subject.image(self.film, self.side)
        self.windows = Windows(self.side, self.side, self.window, self.stride)
        self._asked: dict[str, Any] = {"window": self.window, "stride": self.stride}

    def approximate(self) -> tuple[list[Attribution], float]:
        """Run the method; return all its maps, and seconds."""
        method, params = built_in().method(METHOD), built_in().parameters(METHOD, self._asked)
        start = time.perf_counter()
        model = observe(self.subject, self.image, METHOD, self._asked)
        maps = list(method.explain(model, self.image, self.subject.labels, params, Uninterrupted()))
        return maps, time.perf_counter() - start

    def effects(self, cells: NDArray[np.int64]) -> tuple[Effects, float]:
        """Hide the windows of these cells alone, [N, 2]; return what that did, and seconds."""
        black = torch.full_like(self.image, self.subject.spec().black)
        batch = built_in().parameters(METHOD, self._asked).batch_size
        start = time.perf_counter()
        model = observe(self.subject, self.image, METHOD, self._asked)
        found = Effects(model, self.image, black, self.windows, self.subject.labels, batch)
        for _ in found.compute(cells):
            pass
        return found, time.perf_counter() - start

    def warm(self) -> None:
        """Hide one window: the first pass of a process is slow, and a network is lifted once."""
        self.effects(np.zeros((1, 2), dtype=np.int64))


def whole(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the cells [N, 2] of a grid that has these rows and columns."""
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
