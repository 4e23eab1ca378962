"""The explanation service."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message

from ..plugins import Need, Registry, parameters_schema
from ..plugins.measures import MEASURES, Better, Measure
from ..protos.radiolucent.v1 import explanation_pb2, explanation_pb2_grpc
from . import convert, convert_jobs
from .caller import Caller, identify
from .engine.explain import ExplanationEngine
from .engine.job import Job
from .interceptors import note

__all__ = ["ExplanationServicer"]

_BETTER = {
    Better.HIGHER: explanation_pb2.BETTER_END_HIGHER,
    Better.LOWER: explanation_pb2.BETTER_END_LOWER,
    Better.NEITHER: explanation_pb2.BETTER_END_UNSPECIFIED,
}

# Streams are written to the context by coroutines: gRPC cancels those when a client goes, and everything they opened is
# closed at once. A generator it would leave to the garbage collector, and the job would go on for nobody.


class ExplanationServicer(explanation_pb2_grpc.ExplanationServiceServicer):
    """Converts for the engine.

    Parameters
    ----------
    engine
        Who decides.
    registry
        The methods and segmenters.
    measures
        What can be measured of maps.
    """

    def __init__(
        self, engine: ExplanationEngine, registry: Registry, measures: Mapping[str, Measure[Any]] = MEASURES
    ) -> None:
        self._engine = engine
        self._registry = registry
        self._measures = measures

    async def Explain(self, request: explanation_pb2.ExplainRequest, context: Any) -> None:  # type: ignore[override]  # noqa: ANN401, D102
        job = await self._engine.submit(convert_jobs.order(request), _caller(context), _seconds(context))
        await _stream(job, 0, context, explanation_pb2.ExplainResponse)

    async def WatchJob(self, request: explanation_pb2.WatchJobRequest, context: Any) -> None:  # type: ignore[override]  # noqa: ANN401, D102
        job = self._engine.find(_caller(context), request.job_id)
        await _stream(job, request.after_sequence, context, explanation_pb2.WatchJobResponse)

    async def GetJob(  # noqa: D102
        self,
        request: explanation_pb2.GetJobRequest,
        context: Any,  # noqa: ANN401
    ) -> explanation_pb2.GetJobResponse:
        job = self._engine.find(_caller(context), request.job_id)
        note(job_id=job.job_id)
        return explanation_pb2.GetJobResponse(job=convert_jobs.job(job))

    async def CancelJob(  # noqa: D102
        self,
        request: explanation_pb2.CancelJobRequest,
        context: Any,  # noqa: ANN401
    ) -> explanation_pb2.CancelJobResponse:
        job = await self._engine.cancel(_caller(context), request.job_id)
        note(job_id=job.job_id)
        return explanation_pb2.CancelJobResponse(job=convert_jobs.job(job))

    async def ListMethods(  # noqa: D102
        self,
        request: explanation_pb2.ListMethodsRequest,
        context: Any,  # noqa: ANN401
    ) -> explanation_pb2.ListMethodsResponse:
        return explanation_pb2.ListMethodsResponse(
            methods=[_method(self._registry, name) for name in self._registry.methods],
            broken_plugins=[
                explanation_pb2.BrokenPlugin(name=one.name, distribution=one.distribution, reason=one.reason)
                for one in self._registry.broken
            ],
            measures=[_measure(one) for one in self._measures.values()],
            segmenters=[_segmenter(self._registry, name) for name in self._registry.segmenters],
        )


async def _stream(job: Job, after: int, context: Any, response: type[Message]) -> None:  # noqa: ANN401
    note(job_id=job.job_id)
    async with aclosing(job.watch(after)) as records:
        async for record in records:
            await context.write(response(event=convert_jobs.job_event(job, record)))
    if job.error is not None:
        raise job.error


def _caller(context: Any) -> Caller:  # noqa: ANN401
    return identify(
        context.peer(), context.invocation_metadata() or (), context.peer_identities(), context.auth_context()
    )


def _seconds(context: Any) -> float:  # noqa: ANN401
    """Time that the client has, less what the last events need to reach it before its deadline."""
    remaining: float | None = context.time_remaining()
    return math.inf if remaining is None else max(0.0, remaining - min(0.5, 0.1 * remaining))


def _method(registry: Registry, name: str) -> explanation_pb2.Method:
    method, origin = registry.methods[name], registry.origins[name]
    return explanation_pb2.Method(
        name=method.name,
        title=method.title,
        description=method.description,
        reference=method.reference,
        parameters_schema_json=json.dumps(parameters_schema(method)),
        needs=[convert.need(need) for need in Need if need in method.needs],
        sign=convert_jobs.sign(method.signed),
        completeness=convert_jobs.completeness(method.completeness),
        distribution=origin.distribution,
        distribution_version=origin.version,
        needs_float32=method.needs_float32,
    )


def _measure(measure: Measure[Any]) -> explanation_pb2.Measure:
    return explanation_pb2.Measure(
        name=measure.name,
        title=measure.title,
        description=measure.description,
        reference=measure.reference,
        variant=measure.variant,
        family=measure.family.value,
        parameters_schema_json=json.dumps(parameters_schema(measure)),
        values=[
            explanation_pb2.MeasuredValue(name=one.name, description=one.description, better=_BETTER[one.better])
            for one in measure.values
        ],
    )


def _segmenter(registry: Registry, name: str) -> explanation_pb2.Segmenter:
    segmenter, origin = registry.segmenters[name], registry.segmenter_origins[name]
    return explanation_pb2.Segmenter(
        name=segmenter.name,
        title=segmenter.title,
        description=segmenter.description,
        reference=segmenter.reference,
        distribution=origin.distribution,
        distribution_version=origin.version,
    )
