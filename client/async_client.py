"""The asynchronous client: :mod:`.client` with ``await``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from tenacity import AsyncRetrying

from ..protos import (
    classification_pb2_grpc,
    explanation_pb2,
    explanation_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    profile_pb2,
    profile_pb2_grpc,
    server_pb2,
    server_pb2_grpc,
)
from . import convert, convert_profiles, requests
from .aggregates import Aggregations
from .async_stream import AsyncExplanationStream
from .channel import OPTIONS, Certificates, caller_metadata, channel_credentials
from .course import Course
from .errors import from_rpc_error
from .events import Classified, ExplainedOutput
from .job import Job, Priority
from .older_server import check_plannable
from .patience import patience
from .plan import planned
from .precision import Precision
from .profiles import Profile, ProfileCatalogue
from .quality import Measures
from .requests import XRayFile
from .results import (
    Classification,
    InstanceReference,
    MethodCatalogue,
    ModelCatalogue,
    ModelDetails,
    ServerInfo,
)

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncClient"]

A = TypeVar("A")


class AsyncClient:
    """A connection to a radiolucent server, for asyncio. Use it in an ``async with`` block, in one event loop.

    Methods, arguments, results and errors are those of :class:`~radiolucent.client.Client`.

    Parameters
    ----------
    address : str
        ``"host:port"``.
    credentials, root_certificates, caller_key, timeout
        As for :class:`~radiolucent.client.Client`.

    Examples
    --------
    >>> async with AsyncClient("localhost:50051") as client:  # doctest: +SKIP
    ...     print((await client.classify("chest.png")).majority)
    """

    def __init__(
        self,
        address: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        root_certificates: Certificates | None = None,
        caller_key: str | None = None,
        timeout: float = 60.0,
        wait_when_busy: bool = True,
    ) -> None:
        self.address = address
        self._timeout = timeout
        self._wait_when_busy = wait_when_busy
        self._metadata = caller_metadata(caller_key)
        self._credentials = channel_credentials(credentials, root_certificates)
        self._open_channel: grpc.aio.Channel | None = None

    @property
    def _channel(self) -> grpc.aio.Channel:
        # A channel belongs to the event loop that runs when it is made, and none need run yet in the constructor.
        if self._open_channel is None:
            self._open_channel = (
                grpc.aio.insecure_channel(self.address, options=OPTIONS)
                if self._credentials is None
                else grpc.aio.secure_channel(self.address, self._credentials, options=OPTIONS)
            )
        return self._open_channel

    async def close(self) -> None:
        """Close the connection; streams that are open break."""
        if self._open_channel is not None:
            await self._open_channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def classify(
        self, xray: XRayFile, *, instance: InstanceReference | None = None, timeout: float | None = None
    ) -> Classification:
        """Classify one frontal chest X-ray; see :meth:`radiolucent.client.Client.classify`."""
        request = requests.classify(await asyncio.to_thread(requests.read, xray), instance)
        stub = classification_pb2_grpc.ClassificationServiceStub(self._channel)
        return convert.classification((await self._ask(stub.Classify, request, timeout)).classification)

    def explain(
        self,
        xray: XRayFile,
        methods: Sequence[str] | Mapping[str, Mapping[str, Any]] | str,
        *,
        models: Sequence[str] = (),
        targets: str | Sequence[str] = "predicted",
        output: ExplainedOutput | str | None = None,
        aggregates: Aggregations = (),
        partial: bool = False,
        attributions: bool = False,
        inputs: bool = False,
        instance: InstanceReference | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
        reconnect: bool = False,
        dry_run: bool = False,
        priority: Priority | str = Priority.INTERACTIVE,
        measures: Measures = (),
        lung_mask: XRayFile | None = None,
        lung_segmenter: str | None = None,
        precision: Precision | str = Precision.FLOAT32,
    ) -> AsyncExplanationStream:
        """Classify one X-ray and explain it; see :meth:`radiolucent.client.Client.explain`.

        The file is read and the job started with ``async with`` or with the first event asked for.
        """

        async def prepare() -> Course:
            request = requests.explain(
                await asyncio.to_thread(requests.read, xray),
                methods=methods,
                models=models,
                targets=targets,
                output=output,
                aggregates=aggregates,
                partial=partial,
                attributions=attributions,
                inputs=inputs,
                keep=reconnect,
                instance=instance,
                request_id=request_id,
                dry_run=dry_run,
                priority=priority,
                measures=measures,
                lung_mask=await asyncio.to_thread(requests.read_mask, lung_mask),
                lung_segmenter=lung_segmenter,
                precision=precision,
            )
            return Course(explain=request, timeout=timeout, reconnect=reconnect, wait_when_busy=self._wait_when_busy)

        return self._stream(prepare)

    async def plan(
        self,
        xray: XRayFile,
        methods: Sequence[str] | Mapping[str, Mapping[str, Any]] | str,
        *,
        models: Sequence[str] = (),
        targets: str | Sequence[str] = "predicted",
        output: ExplainedOutput | str | None = None,
        aggregates: Aggregations = (),
        priority: Priority | str = Priority.INTERACTIVE,
        measures: Measures = (),
        lung_mask: XRayFile | None = None,
        lung_segmenter: str | None = None,
        precision: Precision | str = Precision.FLOAT32,
        timeout: float | None = None,
    ) -> Classified:
        """Say what an explanation would cost, without doing it; see :meth:`radiolucent.client.Client.plan`."""
        if measures:
            check_plannable(await self.list_methods(timeout=timeout))
        async with self.explain(
            xray,
            methods,
            models=models,
            targets=targets,
            output=output,
            aggregates=aggregates,
            dry_run=True,
            priority=priority,
            measures=measures,
            lung_mask=lung_mask,
            lung_segmenter=lung_segmenter,
            precision=precision,
            timeout=self._timeout if timeout is None else timeout,
        ) as stream:
            plan = planned(await anext(stream, None))
            async for _ in stream:  # the summary, so that the job is left when it has ended
                pass
            return plan

    def watch(
        self, job_id: str, *, after_sequence: int = 0, timeout: float | None = None, reconnect: bool = True
    ) -> AsyncExplanationStream:
        """Watch a job from where you were; see :meth:`radiolucent.client.Client.watch`."""

        async def prepare() -> Course:
            return Course(
                job_id=job_id,
                after_sequence=after_sequence,
                timeout=timeout,
                reconnect=reconnect,
                wait_when_busy=self._wait_when_busy,
            )

        return self._stream(prepare)

    async def get_job(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Return the state of a job."""
        request = explanation_pb2.GetJobRequest(job_id=job_id)
        return convert.job((await self._ask(self._explanation.GetJob, request, timeout)).job)

    async def cancel_job(self, job_id: str, *, timeout: float | None = None) -> Job:
        """Stop a job, and return its state; what it delivered stays."""
        request = explanation_pb2.CancelJobRequest(job_id=job_id)
        return convert.job((await self._ask(self._explanation.CancelJob, request, timeout)).job)

    async def list_methods(self, *, timeout: float | None = None) -> MethodCatalogue:
        """Return the explanation methods, measures and segmenters, and the plugins that could not be loaded."""
        request = explanation_pb2.ListMethodsRequest()
        return convert.method_catalogue(await self._ask(self._explanation.ListMethods, request, timeout))

    async def list_models(self, *, timeout: float | None = None) -> ModelCatalogue:
        """Return the networks, the serving model set and what was refused."""
        stub = model_pb2_grpc.ModelServiceStub(self._channel)
        return convert.model_catalogue(await self._ask(stub.ListModels, model_pb2.ListModelsRequest(), timeout))

    async def get_model(self, name: str, version: int = 0, *, timeout: float | None = None) -> ModelDetails:
        """Return one network, or ``"chest_xray"``, the ensemble, with its card; version 0 is the one being served."""
        stub = model_pb2_grpc.ModelServiceStub(self._channel)
        request = model_pb2.GetModelRequest(name=name, version=version)
        return convert.model_details(await self._ask(stub.GetModel, request, timeout))

    async def profiles(self, *, timeout: float | None = None) -> ProfileCatalogue:
        """Return the stored neuron activation profiles; see :meth:`radiolucent.client.Client.profiles`."""
        stub = profile_pb2_grpc.ProfileServiceStub(self._channel)
        with convert_profiles.older_servers_named():
            answer = await self._ask(stub.ListProfiles, profile_pb2.ListProfilesRequest(), timeout)
        return convert_profiles.catalogue(answer)

    async def profile(
        self,
        name: str,
        network: str,
        *,
        layers: Sequence[str] = (),
        strongest: int = 0,
        timeout: float | None = None,
    ) -> Profile:
        """Return a neuron activation profile; see :meth:`radiolucent.client.Client.profile`."""
        request = requests.profile(name, network, layers, strongest)
        stub = profile_pb2_grpc.ProfileServiceStub(self._channel)

        async def fetch(request: profile_pb2.StreamProfileRequest, **how: Any) -> Profile:  # noqa: ANN401
            reader = convert_profiles.ProfileReader(request)
            async for part in stub.StreamProfile(request, **how):
                reader.add(part)
            return reader.result()

        with convert_profiles.older_servers_named():
            return await self._ask(fetch, request, timeout)

    async def server_info(self, *, timeout: float | None = None) -> ServerInfo:
        """Return the server's versions and limits."""
        stub = server_pb2_grpc.ServerServiceStub(self._channel)
        return convert.server_info(await self._ask(stub.GetServerInfo, server_pb2.GetServerInfoRequest(), timeout))

    @property
    def _explanation(self) -> explanation_pb2_grpc.ExplanationServiceAsyncStub:
        return explanation_pb2_grpc.ExplanationServiceStub(self._channel)

    def _stream(self, prepare: Callable[[], Awaitable[Course]]) -> AsyncExplanationStream:
        return AsyncExplanationStream(self._explanation, self._metadata, prepare)

    async def _ask(self, call: Callable[..., Awaitable[A]], request: Any, timeout: float | None) -> A:  # noqa: ANN401
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        async for attempt in AsyncRetrying(**patience(deadline=deadline, busy=self._wait_when_busy, outages=False)):
            with attempt:
                try:
                    return await call(request, timeout=deadline - time.monotonic(), metadata=self._metadata)
                except grpc.RpcError as error:
                    raise from_rpc_error(error) from error
        raise AssertionError("tenacity returns or raises")
