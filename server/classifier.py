"""What the networks say of one X-ray: look at the file, ask Triton, put names and thresholds to the numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ..handlers.card import ModelCard
from ..handlers.decode import decode, inspect
from ..handlers.guard import Likeness
from ..handlers.image import ImageHeader, XRay
from ..handlers.preprocess import preprocess
from ..handlers.vote import served_probabilities
from ..handlers.wording import NOT_EVALUATED
from .catalog import ModelCatalog
from .errors import InvalidRequest
from .triton.answers import EnsembleAnswer, NetworkAnswer
from .triton.errors import TritonUnavailable

__all__ = ["Classification", "Classifier", "LabelVote", "ModelAnswer", "Triton"]

T = TypeVar("T")
_DECODERS = 2


@dataclass(frozen=True)
class ModelAnswer:
    """What one network says; one number per label, in the order of the labels. Probabilities are calibrated ones."""

    model: str
    version: int
    probabilities: tuple[float, ...]
    logits: tuple[float, ...]
    votes: tuple[bool, ...]


@dataclass(frozen=True)
class LabelVote:
    """What the networks say of one label together; `majority` includes what other labels imply."""

    label: str
    votes: int
    majority: bool
    mean_probability: float


@dataclass(frozen=True)
class Classification:
    """The ensemble's answer for one X-ray (height and width in pixels): its set, its verdict, the guard's word."""

    answers: tuple[ModelAnswer, ...]
    labels: tuple[LabelVote, ...]
    set_version: int
    set_created: datetime
    height: int
    width: int
    set_verdict: str = NOT_EVALUATED
    likeness: Likeness | None = None


class Triton(Protocol):
    """The part of `TritonClient` that answers; it raises `TritonError`."""

    async def infer_ensemble(self, image: bytes, timeout: float) -> EnsembleAnswer:
        """Let the ensemble judge one encoded image within `timeout` seconds."""

    async def infer_network(
        self, name: str, images: npt.NDArray[np.float32], timeout: float, version: int | None = None
    ) -> NetworkAnswer:
        """Run one network on prepared images [B, C, S, S] within `timeout` seconds."""


class Classifier:
    """Classifies X-rays. Everything that takes a processor happens in threads, or in Triton.

    Parameters
    ----------
    triton
        Who answers.
    catalog
        Cards of the versions that answer.
    max_upload_bytes, max_pixels
        Larger files and images are refused.
    """

    def __init__(self, triton: Triton, catalog: ModelCatalog, *, max_upload_bytes: int, max_pixels: int) -> None:
        self._triton = triton
        self._catalog = catalog
        self._max_upload_bytes = max_upload_bytes
        self._max_pixels = max_pixels
        # Their own: a queue of files to be checked must not wait behind other work in threads.
        self._threads = ThreadPoolExecutor(_DECODERS, thread_name_prefix="decode")

    async def inspect(self, image: bytes) -> ImageHeader:
        """Refuse what can be refused without decoding pixels: the fast check. Damage inside them Triton finds.

        Raises
        ------
        InvalidRequest, ImageError
            If the file cannot be used.
        """
        self._check_size(image)
        return await self.in_thread(lambda: inspect(image, max_pixels=self._max_pixels))

    async def decode(self, image: bytes) -> XRay:
        """Refuse every file that cannot be used: the thorough check.

        Raises
        ------
        InvalidRequest, ImageError
            If the file cannot be used.
        """
        self._check_size(image)
        return await self.in_thread(lambda: decode(image, max_pixels=self._max_pixels))

    async def classify(self, image: bytes, height: int, width: int, timeout: float) -> Classification:
        """Let the ensemble judge a file that passed a check.

        Parameters
        ----------
        image
            The encoded file.
        height, width
            Its size in pixels, as displayed.
        timeout
            Longest time for Triton, seconds.

        Raises
        ------
        TritonError
            If Triton does not answer, or not this.
        """
        with self._catalog.lease():  # the cards of the set that answers, which may be removed meanwhile
            answer = await self._triton.infer_ensemble(image, timeout)
            return self._classification(answer, height, width)

    def _classification(self, answer: EnsembleAnswer, height: int, width: int) -> Classification:
        loaded = self._catalog.model_set(answer.set_version)
        return Classification(
            answers=tuple(self._model_answer(answer, row) for row in range(len(answer.models))),
            labels=tuple(
                LabelVote(label, int(votes), bool(majority), float(mean))
                for label, votes, majority, mean in zip(
                    answer.labels, answer.votes, answer.majority, answer.mean, strict=True
                )
            ),
            set_version=answer.set_version,
            set_created=loaded.model_set.created,
            height=height,
            width=width,
            set_verdict=loaded.card.verdict,
            likeness=answer.likeness,
        )

    async def ask_network(self, name: str, xray: XRay, timeout: float) -> tuple[ModelCard, tuple[float, ...]]:
        """Return the card of one network that is served on its own, and the probabilities it gives to its labels.

        Raises
        ------
        TritonError
            If Triton does not answer, or the network is not served on its own any more.
        """
        while (card := self._catalog.status.networks.get(name)) is not None:
            prepared = await self.in_thread(partial(preprocess, xray, card.input))
            try:
                answer = await self._triton.infer_network(name, prepared.tensor[np.newaxis], timeout, card.version)
            except TritonUnavailable:
                if self._catalog.status.networks.get(name) in (card, None):
                    raise
                continue  # another version has just replaced it
            return card, tuple(served_probabilities(answer.logits[0], card.calibration).tolist())
        raise TritonUnavailable(f"{name} is not served any more")

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run something short that takes a processor outside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check_size(self, image: bytes) -> None:
        if len(image) > self._max_upload_bytes:
            raise InvalidRequest.of("xray.file", f"has {len(image)} bytes; the limit is {self._max_upload_bytes}")

    def _model_answer(self, answer: EnsembleAnswer, row: int) -> ModelAnswer:
        card = self._catalog.card(answer.models[row], answer.versions[row])
        scores = answer.probabilities[row]
        # In float32 on both sides, as Triton's own vote compares them.
        thresholds = np.array([label.threshold for label in card.labels], dtype=np.float32)
        return ModelAnswer(
            model=card.name,
            version=card.version,
            probabilities=tuple(scores.tolist()),
            logits=tuple(answer.logits[row].tolist()),
            votes=tuple((scores >= thresholds).tolist()),
        )
