"""A network and a job that write down what a method does with them."""

from __future__ import annotations

from collections.abc import Hashable, MutableMapping
from numbers import Integral
from typing import Any

import torch

from ...handlers.card import InputSpec
from ..errors import Cancelled
from ..observed import ObservedModel

__all__ = ["Enough", "WatchedJob", "Witness"]

_PATIENCE = 3
"""Questions after the cancellation that a method gets an answer to, so that a deaf one ends soon."""


class Enough(BaseException):
    """Ends a method that goes on although it was cancelled; no `except Exception` stops this."""


class WatchedJob:
    """Writes down the progress, and is cancelled when the witness says so.

    Attributes
    ----------
    reports : list of (int, int)
        Work done and the whole, as reported.
    cancelled : bool
        Set to have the next check raise.
    asked_after : int
        Checks since.
    """

    wants_partial = True

    def __init__(self) -> None:
        self.reports: list[tuple[int, int]] = []
        self.cancelled = False
        self.asked_after = 0

    def check(self) -> None:
        """Raise if the job was cancelled."""
        if self.cancelled:
            self.asked_after += 1
            raise Enough if self.asked_after > _PATIENCE else Cancelled

    def progress(self, done: int, total: int) -> None:
        """Write down, whole numbers as int; what is none stays as it is, for the check that names it."""
        self.reports.append((_whole(done), _whole(total)))


def _whole(number: int) -> int:
    return int(number) if isinstance(number, Integral) else number


class Witness(ObservedModel):
    """The model as a method sees it; remembers every output, and can have the job cancelled at a forward pass.

    Parameters
    ----------
    network : torch.nn.Module
        What is explained.
    job : WatchedJob
        The job.
    spec : InputSpec
        How inputs are normalised.
    image : torch.Tensor
        The explained image.
    cancel_at : int, optional
        The call, counted from 1, at which the job is cancelled.
    known : mutable mapping, optional
        What earlier runs left.

    Attributes
    ----------
    calls : int
        How often it was called, with whatever number of samples.
    seen : list of torch.Tensor
        The outputs [N, L] of each call.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        job: WatchedJob,
        *,
        spec: InputSpec,
        image: torch.Tensor,
        cancel_at: int | None = None,
        known: MutableMapping[Hashable, Any] | None = None,
    ) -> None:
        super().__init__(network, job, spec=spec, image=image, known=known)
        self.calls = 0
        self.seen: list[torch.Tensor] = []
        self._watched = job
        self._cancel_at = cancel_at

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the outputs, and remember them."""
        self.calls += 1
        if self.calls == self._cancel_at:
            self._watched.cancelled = True
        outputs = super().forward(batch)
        self.seen.append(outputs.detach().clone())
        return outputs
