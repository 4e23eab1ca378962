"""The gateway: Ray, Triton, the engine and the gRPC server, put together and taken apart."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import AsyncExitStack
from types import TracebackType

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from typing_extensions import Self

from ..handlers.lungs import MAX_MASK_BYTES
from ..handlers.repository import Repository
from ..plugins import load_registry
from ..protos.radiolucent.v1 import (
    classification_pb2,
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
from .catalog import ModelCatalog
from .classification import ClassificationServicer
from .classifier import Classifier
from .engine.backlog import BacklogLimits
from .engine.explain import EngineLimits, ExplanationEngine
from .engine.inspection import Inspector
from .engine.pool import PoolSettings, WorkerPool
from .errors import CannotServe
from .explanation import ExplanationServicer
from .health import Health
from .info import InfoServicer, component_versions
from .interceptors import CallInterceptor
from .models import ModelServicer
from .profile_catalog import ProfileCatalog
from .profiles import ProfileServicer
from .settings import Settings
from .triton.client import ClientLimits
from .triton.embedded import EmbeddedOptions
from .triton.serving import TritonOptions, TritonServing

__all__ = ["Gateway"]

_LOG = logging.getLogger(__name__)
_SLACK_BYTES = 2**20
_LARGEST_ANSWER_BYTES = 512 * 2**20
_LAST_WORDS_SECONDS = 0.1
_ANY_INTERFACE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "::": "[::1]"}  # noqa: S104 - read, not bound

_NEED_TRITON = (
    classification_pb2.DESCRIPTOR.services_by_name["ClassificationService"].full_name,
    explanation_pb2.DESCRIPTOR.services_by_name["ExplanationService"].full_name,
    profile_pb2.DESCRIPTOR.services_by_name["ProfileService"].full_name,  # of the model set that is served
)
_NEED_NOTHING = (
    model_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name,
    server_pb2.DESCRIPTOR.services_by_name["ServerService"].full_name,
)


class Gateway:
    """A running server, from `start` to `stop`.

    Parameters
    ----------
    settings
        How it runs.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.address = ""
        """Where clients on this machine reach it, `host:port`; empty before the start."""
        self.triton = TritonServing(
            TritonOptions(
                repository=settings.repository,
                external=settings.triton,
                embedded=EmbeddedOptions(port=settings.triton_port, start_seconds=settings.triton_start_seconds),
                limits=ClientLimits(queue=settings.triton_queue),
                refresh_seconds=settings.refresh_seconds,
                workers_elsewhere=settings.ray_address is not None,
            )
        )
        self.pool = WorkerPool(
            PoolSettings(
                workers=settings.worker_count,
                threads_per_worker=settings.threads_per_worker,
                warm_bytes=settings.warm_memory,
                memory_bytes=settings.memory_per_worker,
                recycle_bytes=settings.recycle_memory,
                recycle_items=settings.recycle_items,
                max_pixels=settings.max_image_pixels,
                ray_address=settings.ray_address,
                cancel_grace_s=settings.cancel_grace_seconds,
                heartbeat_s=settings.worker_heartbeat_seconds,
                stall_s=settings.stall_seconds,
            )
        )
        self._stack = AsyncExitStack()
        self._hurry = asyncio.Event()

    async def start(self) -> None:
        """Start everything; returns when calls are answered. Nothing is left behind if it fails.

        Raises
        ------
        CannotServe
            If there is nothing to serve, the port is taken, or the workers do not start.
        TritonUnavailable
            If Triton does not start.
        """
        settings = self.settings
        _check_repository(settings)
        _check_port(settings)
        async with AsyncExitStack() as stack:
            # Ray first, since it forks: nothing of gRPC may run then, not even a channel to Triton. And before plugins
            # are loaded: one that imports Ray would have it read its environment before that is set.
            stack.push_async_callback(self.pool.stop)
            await self.pool.start()
            registry = load_registry()
            for broken in registry.broken:
                _LOG.warning("plugin %s of %s is not served: %s", broken.name, broken.distribution, broken.reason)
            stack.push_async_callback(self.triton.stop)
            await self.triton.start()
            catalog = ModelCatalog(Repository(settings.repository), self.triton.status, self.triton.kept)
            classifier = Classifier(
                self.triton,
                catalog,
                max_upload_bytes=settings.max_upload_bytes,
                max_pixels=settings.max_image_pixels,
            )
            stack.callback(classifier.close)
            engine = ExplanationEngine(
                classifier,
                catalog,
                registry,
                self.pool,
                _limits(settings),
                worker_count=settings.worker_count,
                threads_per_worker=settings.threads_per_worker,
            )
            inspector = Inspector(self.pool, catalog.repository, catalog.served, settings.refresh_seconds)
            profiles = ProfileCatalog(catalog)
            stack.callback(profiles.close)
            versions = component_versions(await self.triton.client.server_version())
            interceptor = CallInterceptor()
            server = grpc.aio.server(interceptors=[interceptor], options=_options(settings))
            classification_pb2_grpc.add_ClassificationServiceServicer_to_server(
                ClassificationServicer(classifier, settings.classify_seconds), server
            )
            explanation_pb2_grpc.add_ExplanationServiceServicer_to_server(ExplanationServicer(engine, registry), server)
            model_pb2_grpc.add_ModelServiceServicer_to_server(ModelServicer(catalog, inspector.found), server)
            profile_pb2_grpc.add_ProfileServiceServicer_to_server(ProfileServicer(profiles), server)
            server_pb2_grpc.add_ServerServiceServicer_to_server(InfoServicer(settings, versions), server)
            health = Health(self._ready, _NEED_TRITON, _NEED_NOTHING)
            health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
            reflection.enable_server_reflection(
                (*_NEED_TRITON, *_NEED_NOTHING, "grpc.health.v1.Health", reflection.SERVICE_NAME), server
            )
            self.address = _listen(server, settings)
            await health.start()
            stack.push_async_callback(_stop_serving, server, engine, interceptor, settings.shutdown_seconds)
            stack.push_async_callback(self._drain, health, engine)
            await server.start()
            inspector.start()
            stack.push_async_callback(inspector.stop)
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Stop everything: running jobs end with a summary, calls get it, then nothing is left.

        Jobs have `drain_seconds` to end by themselves, unless `hurry` was called.
        """
        await self._stack.aclose()

    def hurry(self) -> None:
        """Give running jobs no more time to end by themselves, now or when the gateway stops."""
        self._hurry.set()

    async def _drain(self, health: Health, engine: ExplanationEngine) -> None:
        """Send new callers elsewhere, and let jobs end. Calls are answered: a caller may watch or cancel his job."""
        await health.stop()
        if engine.store.running:
            _LOG.info("%d jobs have %g s to end", len(engine.store.running), self.settings.drain_seconds)
        draining = asyncio.ensure_future(engine.drain())
        hurried = asyncio.ensure_future(self._hurry.wait())
        try:
            await asyncio.wait(
                {draining, hurried}, timeout=self.settings.drain_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            draining.cancel()
            hurried.cancel()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def _ready(self) -> bool:
        status = self.triton.status()
        return status.available and status.model_set is not None


async def _stop_serving(
    server: grpc.aio.Server, engine: ExplanationEngine, interceptor: CallInterceptor, seconds: float
) -> None:
    closing = asyncio.ensure_future(server.stop(seconds))  # from now on no new call is taken
    await engine.close()
    idle = asyncio.ensure_future(interceptor.idle())
    await asyncio.wait({idle}, timeout=seconds)
    if not idle.done():
        idle.cancel()
        _LOG.warning("calls that did not end within %g s are cut off", seconds)
    # Streams without an end, such as those that watch the health, are not waited for.
    await server.stop(_LAST_WORDS_SECONDS)
    await closing


def _limits(settings: Settings) -> EngineLimits:
    return EngineLimits(
        backlog=BacklogLimits(settings.max_jobs, settings.max_queued_seconds, settings.max_running_bytes),
        max_job_seconds=settings.max_job_seconds,
        classify_seconds=settings.classify_seconds,
        retention_seconds=settings.retention_seconds,
        retention_bytes=settings.retention_bytes,
        heartbeat_seconds=settings.heartbeat_seconds,
    )


def _options(settings: Settings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_upload_bytes + MAX_MASK_BYTES + _SLACK_BYTES),
        ("grpc.max_send_message_length", _LARGEST_ANSWER_BYTES),
        # Otherwise a second server on the same port starts, and each gets half of the calls.
        ("grpc.so_reuseport", 0),
        # Clients behind proxies ping on silent streams; the default takes that for an attack.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        # A client whose machine is gone never says so: ask, so that its jobs do not run for nobody.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
    ]


def _check_repository(settings: Settings) -> None:
    root = settings.repository
    remedy = "Make one with `radiolucent export`, or `radiolucent demo`, or name another folder with --repository"
    if not root.is_dir():
        raise CannotServe(f"There is no model repository at {root}", remedy)
    if not Repository(root).set_versions():
        raise CannotServe(f"The model repository {root} has no model set", remedy)


def _port_taken(settings: Settings) -> CannotServe:
    return CannotServe(
        f"Cannot listen on {settings.host}:{settings.port}",
        "Is it in use? Choose another with --port, or 0 for a free one",
    )


def _check_port(settings: Settings) -> None:
    """Find out now, not after Triton and Ray have started."""
    try:
        found = socket.getaddrinfo(settings.host.strip("[]"), settings.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(found[0], found[1]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[4])
            probe.listen(1)  # two may bind with SO_REUSEADDR, one may listen
    except OSError:
        raise _port_taken(settings) from None


def _listen(server: grpc.aio.Server, settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host and not settings.host.startswith("[") else settings.host
    try:
        port = server.add_insecure_port(f"{host}:{settings.port}")
    except RuntimeError:
        raise _port_taken(settings) from None
    return f"{_ANY_INTERFACE.get(host, host)}:{port}"
