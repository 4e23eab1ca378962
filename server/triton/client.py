"""What the gateway says to Triton: load and unload models, run the ensemble or one network."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

import grpc
import numpy as np
import numpy.typing as npt
import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException
from typing_extensions import Self

from ...handlers.errors import ImageProblem
from ...handlers.repository import ENSEMBLE
from .admission import Admission
from .answers import EnsembleAnswer, NetworkAnswer, ensemble_answer, network_answer
from .errors import (
    ModelControlForbidden,
    ModelNotLoaded,
    TritonError,
    TritonFailed,
    TritonOverloaded,
    TritonProcessDied,
    TritonRefusedImage,
    TritonTimeout,
    TritonUnavailable,
)

T = TypeVar("T")

MESSAGE_BYTES = 48 * 2**20
"""Longest message to and from Triton: the largest X-ray that the settings allow fits in."""
_CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    # An embedded Triton is back within seconds of its death: look for it again soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 300),
    # X-rays never take a detour over a proxy that happens to be set in the environment.
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
]
_CONTROL_SECONDS = 120.0
_READY_SECONDS = 2.0
# "in ensemble 'chest_xray', " and the like, which Triton puts before a model's own message.
_WHERE = re.compile(r"^(\[[^\]]*\]\s*)?(in ensemble '[^']*',\s*)?")


@dataclass(frozen=True)
class ClientLimits:
    """How much the gateway asks of Triton at once.

    Attributes
    ----------
    places
        Requests with Triton at once.
    queue
        Requests that wait for a place; one more is refused.
    longest_seconds
        Time after which a request gives its place up even though Triton never answered.
    """

    places: int = 16
    queue: int = 64
    longest_seconds: float = 300.0


@dataclass(frozen=True)
class ModelState:
    """One version of a model in Triton's index: `READY`, `LOADING`, `UNLOADING`, `UNAVAILABLE` or empty."""

    name: str
    version: int
    state: str
    reason: str


class TritonClient:
    """A connection to one Triton, for one event loop.

    Parameters
    ----------
    address
        `host:port`, or `unix:PATH`; a leading `grpc://` is allowed, `grpcs://` asks for TLS.
    limits
        How much to ask at once.
    """

    def __init__(self, address: str, limits: ClientLimits | None = None) -> None:
        self.address = address
        self._limits = limits or ClientLimits()
        self._admission = Admission(self._limits.places, self._limits.queue)
        scheme, _, target = address.rpartition("://")
        if scheme not in ("", "grpc", "grpcs"):
            raise ValueError(f"a Triton address is grpc://host:port, not {address!r}")
        self.sick = asyncio.Event()
        """Set when a process behind a Python model turns out to be dead: Triton never starts it again by itself."""
        self._triton = triton.InferenceServerClient(target, ssl=scheme == "grpcs", channel_args=_CHANNEL_OPTIONS)

    @property
    def idle(self) -> bool:
        """Whether none of our requests is with Triton or waits for it."""
        return self._admission.admitted == 0

    async def ready(self) -> bool:
        """Whether Triton takes requests; says nothing about models."""
        try:
            return bool(await self._ask(self._triton.is_server_ready(client_timeout=_READY_SECONDS)))
        except TritonError:
            return False

    async def wait_until_ready(self, seconds: float) -> None:
        """Wait until Triton takes requests.

        Raises
        ------
        TritonUnavailable
            If it does not in time.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while not await self.ready():
            if asyncio.get_running_loop().time() > deadline:
                raise TritonUnavailable(f"the Triton at {self.address} was not ready within {seconds:g} s")
            await asyncio.sleep(0.02)

    async def server_name(self) -> str:
        """Return what Triton calls itself."""
        return str((await self._ask(self._triton.get_server_metadata(client_timeout=_READY_SECONDS))).name)

    async def server_version(self) -> str:
        """Return Triton's version."""
        return str((await self._ask(self._triton.get_server_metadata(client_timeout=_READY_SECONDS))).version)

    async def load(self, name: str, config: str | None = None) -> None:
        """Load a model, or change what of it is loaded; returns when it is ready.

        Requests that run go on. When it fails, what was loaded before still is.

        Parameters
        ----------
        name
            The model. Triton reads its configuration and, for an ensemble, that of its steps again.
        config
            Configuration as JSON, used instead of the model's `config.pbtxt`. Triton forgets it when an ensemble that
            uses the model is loaded.

        Raises
        ------
        ModelNotLoaded
            If Triton cannot load it.
        ModelControlForbidden
            If this Triton does not let clients load models.
        TritonProcessDied
            If a process that Triton started for the model is gone, or does not answer; Triton itself is well.
        TritonUnavailable, TritonTimeout
            If Triton is gone or takes longer than two minutes.
        """
        try:
            await self._triton.load_model(name, config=config, client_timeout=_CONTROL_SECONDS)
        except InferenceServerException as error:
            raise _control_error(name, error) from None

    async def unload(self, name: str) -> None:
        """Unload all versions of a model; requests that run end first.

        Raises
        ------
        ModelControlForbidden, ModelNotLoaded, TritonUnavailable, TritonTimeout
            As `load`.
        """
        try:
            await self._triton.unload_model(name, client_timeout=_CONTROL_SECONDS)
        except InferenceServerException as error:
            raise _control_error(name, error) from None

    async def index(self) -> tuple[ModelState, ...]:
        """Return the versions of models that are loaded, being loaded or being unloaded."""
        answer = await self._ask(self._triton.get_model_repository_index(client_timeout=_READY_SECONDS))
        return tuple(
            ModelState(model.name, int(model.version), model.state, model.reason)
            for model in answer.models
            if model.version.isdecimal()
        )

    async def infer_ensemble(self, image: bytes, timeout: float) -> EnsembleAnswer:
        """Let the ensemble judge one image.

        Parameters
        ----------
        image
            An encoded file: PNG, JPEG or DICOM, up to 32 MiB.
        timeout
            Seconds to wait, for a place and for the answer.

        Returns
        -------
        EnsembleAnswer
            With the versions that really answered.

        Raises
        ------
        TritonRefusedImage
            If the image cannot be used.
        TritonUnavailable
            If Triton is gone or serves no ensemble now.
        TritonOverloaded, TritonTimeout
            If too many wait, or the answer takes too long.
        TritonFailed
            If something is wrong inside.
        """
        tensor = triton_input("IMAGE", np.array([[image]], dtype=np.object_))
        return ensemble_answer(await self._infer(ENSEMBLE, tensor, "", timeout))

    async def infer_network(
        self,
        name: str,
        images: npt.NDArray[np.float32],
        timeout: float,
        *,
        version: int | None = None,
        input_name: str = "INPUT",
        queue: bool = True,
    ) -> NetworkAnswer:
        """Run one network on prepared images.

        Parameters
        ----------
        name
            Name of the model in Triton.
        images
            [B, C, S, S], float32, as `handlers.preprocess` prepares them for this network.
        timeout
            Seconds to wait, for a place and for the answer.
        version
            Which version; None for the newest that is loaded.
        input_name
            The network's input tensor.
        queue
            Whether to take a place like everybody; if not, only `timeout` limits the call.

        Returns
        -------
        NetworkAnswer
            Logits, and the version that answered.

        Raises
        ------
        TritonUnavailable, TritonOverloaded, TritonTimeout, TritonFailed
            As `infer_ensemble`.
        """
        tensor = triton_input(input_name, images)
        try:
            if not queue:
                return network_answer(await self._ask(self._triton.infer(name, [tensor], client_timeout=timeout)))
            return network_answer(await self._infer(name, tensor, str(version or ""), timeout))
        except TritonRefusedImage as error:
            raise TritonFailed(f"{name}: {error}") from None  # a tensor of ours, not the caller's image

    async def close(self) -> None:
        """Cancel what is under way and close the connection."""
        await self._admission.close()
        await self._triton.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _infer(self, model: str, tensor: Any, version: str, timeout: float) -> Any:  # noqa: ANN401
        def call() -> Awaitable[Any]:
            request = self._triton.infer(
                model, [tensor], model_version=version, client_timeout=self._limits.longest_seconds
            )
            return self._ask(request)

        return await self._admission.run(call, timeout)

    async def _ask(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except InferenceServerException as error:
            known = _inference_error(error)
            if isinstance(known, TritonProcessDied):
                self.sick.set()
            raise known from None
        except (grpc.RpcError, grpc.aio.UsageError) as error:  # UsageError: closed meanwhile
            raise TritonUnavailable(f"Triton cannot be reached: {error}") from None


def triton_input(name: str, array: npt.NDArray[Any]) -> Any:  # noqa: ANN401 - tritonclient is untyped
    """Make an input tensor of `tritonclient`: bytes of arrays of objects, else float32."""
    tensor = triton.InferInput(name, list(array.shape), "BYTES" if array.dtype == np.object_ else "FP32")
    tensor.set_data_from_numpy(array)
    return tensor


def _inference_error(error: InferenceServerException) -> TritonError:
    status = str(error.status() or "").rpartition(".")[2]
    message = str(error.message() or "")
    if status == "INVALID_ARGUMENT":
        return _refusal(_WHERE.sub("", message))
    if status in ("UNAVAILABLE", "NOT_FOUND", "CANCELLED"):
        # NOT_FOUND and some of UNAVAILABLE: Triton is up again, the models are not yet.
        return TritonUnavailable(f"Triton is not available: {message}")
    if _is_about_a_process(message):
        return TritonProcessDied(f"a process of Triton died: {message}")
    if status == "DEADLINE_EXCEEDED":
        return TritonTimeout("Triton did not answer in time")
    if status == "RESOURCE_EXHAUSTED" and "larger than max" not in message:  # gRPC's word for a message too long
        return TritonOverloaded(message)
    return TritonFailed(f"{status}: {message}")


def _refusal(message: str) -> TritonRefusedImage:
    """Take the preprocessing's `reason: message` apart."""
    reason, _, text = message.partition(": ")
    if reason in {problem.value for problem in ImageProblem}:
        return TritonRefusedImage(reason, text)
    return TritonRefusedImage("", message)


def _control_error(name: str, error: InferenceServerException) -> TritonError:
    message = str(error.message() or "")
    if "explicit model load / unload is not allowed" in message:
        return ModelControlForbidden("this Triton does not let clients load models (--model-control-mode=explicit)")
    if _is_about_a_process(message):
        # On a busy machine that is also one which did not answer in time: it says little of the model.
        return TritonProcessDied(f"a process of Triton died: {message}")
    known = _inference_error(error)
    # UNAVAILABLE is also what Triton says of a model that it cannot load: then Triton itself wrote the message.
    if isinstance(known, TritonTimeout) or (isinstance(known, TritonUnavailable) and not _is_about_models(message)):
        return known
    return ModelNotLoaded(name, message)


def _is_about_a_process(message: str) -> bool:
    return "Stub process" in message and "not healthy" in message


def _is_about_models(message: str) -> bool:
    return message.startswith(("failed to load", "load failed", "failed to unload", "unload failed"))


__all__ = ["ClientLimits", "EnsembleAnswer", "ModelState", "NetworkAnswer", "TritonClient"]
