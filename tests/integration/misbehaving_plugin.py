"""A package of methods that misbehave, each in a way of its own: what a worker must survive, or be replaced for."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from radiolucent.handlers import XRay
from radiolucent.plugins import (
    Attribution,
    Completeness,
    Job,
    Method,
    Need,
    ObservedModel,
    Parameters,
    Segmenter,
    hookimpl,
)

RADIOLUCENT_API_VERSION = 1


class Marker(Parameters):
    folder: str = Field(default="", description="Folder for a mark of each call.")


class Misbehaving(Method[Marker]):
    """Gives a partial map of each target, misbehaves, and would give the final one then."""

    title = description = reference = "Test"
    parameters = Marker
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD})
    signed = True
    completeness = Completeness.NONE

    def cost(self, params: Marker, shape: Sequence[int], targets: int) -> int:
        return 1

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: Marker, job: Job
    ) -> Iterator[Attribution]:
        if params.folder:
            (Path(params.folder) / f"{time.time_ns()}-{os.getpid()}").touch()
        for target in targets:
            yield Attribution(target, image[0], 0.5, False)
            self.misbehave(model, image)
            yield Attribution(target, image[0], 1.0, True)

    def misbehave(self, model: ObservedModel, image: torch.Tensor) -> None:
        raise NotImplementedError


class Deaf(Misbehaving):
    """Catches what would stop it, and goes on."""

    name = "deaf"

    def misbehave(self, model: ObservedModel, image: torch.Tensor) -> None:
        while True:
            with suppress(BaseException):
                model(image)


class Hanging(Misbehaving):
    """Waits, and holds the interpreter."""

    name = "hanging"

    def misbehave(self, model: ObservedModel, image: torch.Tensor) -> None:
        ctypes.PyDLL(None).sleep(600)


class Stalled(Misbehaving):
    """Waits for something that never comes; the process answers otherwise."""

    name = "stalled"

    def misbehave(self, model: ObservedModel, image: torch.Tensor) -> None:
        time.sleep(600)


class Fatal(Misbehaving):
    """Ends like a process that the kernel kills for want of memory."""

    name = "fatal"

    def misbehave(self, model: ObservedModel, image: torch.Tensor) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Segfault(Misbehaving):
    """Reads where nothing is."""

    name = "segfault"

    def misbehave(self, model: ObservedModel, image: torch.Tensor) -> None:
        ctypes.string_at(0)


class Hungry(Misbehaving):
    """Takes memory until there is none: in one piece, or in many that are written to."""

    take: Callable[[], Any]

    def misbehave(self, model: ObservedModel, image: torch.Tensor) -> None:
        taken = []
        while True:
            taken.append(self.take())
            model(image)


class HungryTorch(Hungry):
    name = "hungry_torch"

    def take(self) -> torch.Tensor:
        return torch.ones(2**27)


class HungryNumpy(Hungry):
    name = "hungry_numpy"

    def take(self) -> Any:  # noqa: ANN401
        return np.ones(2**24)


class Leaking(Misbehaving):
    """Keeps half a gigabyte for ever with every call."""

    name = "leaking"
    kept: ClassVar[list[torch.Tensor]] = []

    def misbehave(self, model: ObservedModel, image: torch.Tensor) -> None:
        self.kept.append(torch.ones(2**27))


class Halves(Segmenter):
    """Behaves: the left half is lung."""

    name = "halves"
    title = description = reference = "Test"

    def segment(self, image: XRay) -> Any:  # noqa: ANN401
        mask = np.zeros(image.pixels.shape, np.uint8)
        mask[:, : image.width // 2] = 255
        return mask


class Frozen(Halves):
    """Holds the interpreter for ever."""

    name = "frozen"

    def segment(self, image: XRay) -> Any:  # noqa: ANN401
        ctypes.PyDLL(None).sleep(600)


@hookimpl
def radiolucent_register_segmenters(register: Callable[[Segmenter], None]) -> None:
    for segmenter in (Halves, Frozen):
        register(segmenter())


@hookimpl
def radiolucent_register_methods(register: Callable[[Method[Any]], None]) -> None:
    for method in (Deaf, Hanging, Stalled, Fatal, Segfault, HungryTorch, HungryNumpy, Leaking):
        register(method())
