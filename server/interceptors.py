"""What happens around every call of ours: it is logged, and its errors become statuses."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import structlog
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from .errors import InternalError
from .status import to_status

__all__ = ["CallInterceptor", "note"]

_LOG = structlog.stdlib.get_logger("radiolucent.server.call")
_ERRORS = logging.getLogger(__name__)
_OURS = "/radiolucent."
Handler = Callable[[Any, Any], Awaitable[Any]]


def note(**values: str) -> None:
    """Add values, the job_id say, to the log line of the call that runs now. Never anything of a patient."""
    structlog.contextvars.bind_contextvars(**values)


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Logs calls (method, status, duration and job; nothing of what they carry) and converts their errors.

    Handlers of our services raise; the table in `status` decides what the caller sees. What is not in it becomes
    INTERNAL with an id, under which the log has the traceback. Handlers of streams must be coroutines that write to
    their context, not generators: gRPC does not close a generator when its client goes.
    """

    def __init__(self) -> None:
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def idle(self) -> None:
        """Wait until no call of ours runs."""
        await self._idle.wait()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wrap the handlers of our services."""
        handler: Any = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or not method.startswith(_OURS):
            return handler  # type: ignore[no-any-return]
        codecs = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self._around(handler.unary_unary, method), **codecs)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(self._around(handler.unary_stream, method), **codecs)
        return handler  # type: ignore[no-any-return]

    def _around(self, handler: Handler, method: str) -> Handler:
        async def call(request: Any, context: Any) -> Any:  # noqa: ANN401 - any message
            # gRPC runs each call in a task, and so in a context, of its own.
            structlog.contextvars.clear_contextvars()
            self._running += 1
            self._idle.clear()
            begin = time.perf_counter()
            code, reason = "OK", {}
            try:
                return await handler(request, context)
            except asyncio.CancelledError:
                # What the handler gets when its client is gone or its time is over; context.cancelled() is False then.
                code = "CANCELLED"
                raise
            except grpc.aio.AbortError:
                code = str(context.code())
                raise
            except Exception as error:  # noqa: BLE001 - the boundary: what is unknown becomes INTERNAL
                status = to_status(error)
                if status is None:
                    error_id = uuid.uuid4().hex
                    _ERRORS.exception("%s failed inside, error id %s", method, error_id)
                    status = to_status(InternalError(error_id))
                answer = rpc_status.to_status(status)
                code, reason = answer.code.name, _reason(status)
                await context.abort(answer.code, answer.details, answer.trailing_metadata)
            finally:
                self._running -= 1
                if not self._running:
                    self._idle.set()
                duration = round((time.perf_counter() - begin) * 1000, 1)
                _LOG.info("call", method=method, status=code, duration_ms=duration, **reason)

        return call


def _reason(status: Any) -> dict[str, str]:  # noqa: ANN401 - google.rpc is untyped
    info = ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            return {"reason": info.reason, **dict(info.metadata)}
    return {}
