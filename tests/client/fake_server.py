"""A server that speaks the contract over a real channel and does what a test tells it to."""
# ruff: noqa: ANN001, ANN201, ANN401 - the servicer is typed by its contract

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from radiolucent.protos import (
    classification_pb2,
    classification_pb2_grpc,
    explanation_pb2,
    explanation_pb2_grpc,
    image_pb2,
    model_pb2,
    model_pb2_grpc,
    server_pb2,
    server_pb2_grpc,
)

from .fake_job import INTENDED_USE, MODELS, SIZE, FakeJob, a_classification, version


def refuse(context: grpc.ServicerContext, code: int, message: str, *details: Any) -> None:
    status = status_pb2.Status(code=code, message=message)
    for detail in details:
        packed = Packed()
        packed.Pack(detail)
        status.details.append(packed)
    context.abort_with_status(rpc_status.to_status(status))


@dataclass
class FakeServer(
    FakeJob,
    classification_pb2_grpc.ClassificationServiceServicer,
    explanation_pb2_grpc.ExplanationServiceServicer,
    model_pb2_grpc.ModelServiceServicer,
    server_pb2_grpc.ServerServiceServicer,
):
    """What it does is set by its fields; what was asked of it is in its lists."""

    address: str = ""
    breaks: list[tuple[int, grpc.StatusCode | None]] = field(default_factory=list)
    """One per stream, first to last: break it after this sequence, with this status (None: end it as if well)."""
    ends: list[tuple[int, int, int]] = field(default_factory=list)
    """One per stream: end the job after this sequence, with a summary of this state, then this `google.rpc` code."""
    heartbeat_first: bool = False
    hold_after: int | None = None
    """Send nothing after this sequence until `go_on` is set or the job is cancelled."""
    forgets: bool = False
    """Whether WatchJob finds no job."""
    requests: list[explanation_pb2.ExplainRequest] = field(default_factory=list)
    watches: list[explanation_pb2.WatchJobRequest] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    callers: set[str] = field(default_factory=set)
    classified: list[bytes] = field(default_factory=list)
    disconnected: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    ensemble: model_pb2.Model | None = None
    """What it says of its model set; None: it is older than that."""
    ensemble_card: dict[str, Any] = field(default_factory=dict)
    busy_times: int = 0
    busy_ms: int = 20
    gone: bool = False

    # Classification and the lists.

    def Classify(self, request, context):
        self._note(context)
        self.classified.append(request.xray.file)
        if self.gone:
            refuse(context, code_pb2.UNAVAILABLE, "Triton does not answer")
        self._refuse_if_busy(context)
        self._check(request.xray, context)
        answer = a_classification(likeness=self.likeness)
        if request.xray.HasField("instance"):
            answer.instance.CopyFrom(request.xray.instance)
        return classification_pb2.ClassifyResponse(classification=answer)

    def ListModels(self, request, context):
        self._note(context)
        return model_pb2.ListModelsResponse(
            models=[self._model(name) for name in MODELS],
            serving=a_classification().model_set,
            refused=[model_pb2.Refusal(name="net_b", version=4, reason="model.onnx has another checksum")],
            intended_use=INTENDED_USE,
            ensemble=self.ensemble,
        )

    def GetModel(self, request, context):
        if request.name == "chest_xray" and self.ensemble is not None:
            return model_pb2.GetModelResponse(model=self.ensemble, card_json=json.dumps(self.ensemble_card))
        if request.name not in MODELS:
            refuse(context, code_pb2.NOT_FOUND, f"there is no {request.name}; there are {', '.join(MODELS)}")
        return model_pb2.GetModelResponse(model=self._model(request.name), card_json=json.dumps({"name": request.name}))

    def GetServerInfo(self, request, context):
        info = server_pb2.GetServerInfoResponse(version="0.1.0", max_upload_bytes=2**25, intended_use=INTENDED_USE)
        info.heartbeat_interval.FromMilliseconds(2500)
        return info

    def ListMethods(self, request, context):
        return explanation_pb2.ListMethodsResponse(
            methods=[
                explanation_pb2.Method(
                    name=name,
                    title=name.title(),
                    parameters_schema_json='{"type": "object"}',
                    needs=[model_pb2.MODEL_ABILITY_GRADIENT],
                    sign=explanation_pb2.HEATMAP_SIGN_SIGNED,
                    completeness=explanation_pb2.COMPLETENESS_EXACT,
                    distribution="radiolucent",
                    distribution_version="0.1.0",
                )
                for name in ("occlusion", "saliency")
            ],
            broken_plugins=[
                explanation_pb2.BrokenPlugin(name="x", distribution="x-dist", reason="No module named 'x'")
            ],
            measures=[
                explanation_pb2.Measure(
                    name=name,
                    title=name.title(),
                    variant="ours",
                    family="faithfulness",
                    parameters_schema_json='{"properties": {"steps": {"default": 10}}}',
                    values=[
                        explanation_pb2.MeasuredValue(name="above_random", better=explanation_pb2.BETTER_END_HIGHER),
                        explanation_pb2.MeasuredValue(name="area"),
                    ],
                )
                for name in ("deletion", "road")
                if self.judges
            ],
            segmenters=[
                explanation_pb2.Segmenter(name="halves", title="Two halves", distribution="x", distribution_version="1")
            ],
        )

    # Jobs.

    def Explain(self, request, context):
        self._note(context)
        self._check(request.xray, context)
        self.requests.append(request)
        self._refuse_if_busy(context)
        unknown = [name for name in request.models if name not in (*MODELS, "chest_xray")]
        if unknown:
            violation = error_details_pb2.BadRequest.FieldViolation(
                field="models[0]", description=f"no network {unknown[0]}; there are net_a, net_b"
            )
            refuse(
                context,
                code_pb2.INVALID_ARGUMENT,
                violation.description,
                error_details_pb2.BadRequest(field_violations=[violation]),
            )
        for event in self._play(request, 0, context):
            yield explanation_pb2.ExplainResponse(event=event)

    def WatchJob(self, request, context):
        self._note(context)
        self.watches.append(request)
        if self.forgets or not self.requests:
            refuse(context, code_pb2.NOT_FOUND, "there is no such job for this caller")
        for event in self._play(self.requests[0], request.after_sequence, context):
            yield explanation_pb2.WatchJobResponse(event=event)

    def GetJob(self, request, context):
        if request.job_id != "job-1":
            refuse(context, code_pb2.NOT_FOUND, "there is no such job for this caller")
        return explanation_pb2.GetJobResponse(job=self._job(explanation_pb2.JOB_STATE_RUNNING))

    def CancelJob(self, request, context):
        self.cancelled.append(request.job_id)
        return explanation_pb2.CancelJobResponse(job=self._job(explanation_pb2.JOB_STATE_CANCELLED))

    def _play(
        self, request: explanation_pb2.ExplainRequest, after: int, context: grpc.ServicerContext
    ) -> Iterator[explanation_pb2.JobEvent]:
        context.add_callback(self.disconnected.set)
        stop, code = self.breaks.pop(0) if self.breaks else (10**9, None)
        last, state, why = self.ends.pop(0) if self.ends else (10**9, 0, 0)
        if self.heartbeat_first:
            heartbeat = explanation_pb2.Heartbeat()
            yield explanation_pb2.JobEvent(job_id="job-1", request_id=request.request_id, heartbeat=heartbeat)
        for event in self.events(request):
            if event.sequence > last:
                yield self._number([{"summary": self._summary([], state)}] * event.sequence, request.request_id)[-1]
                self._refuse(context, why)
            if event.sequence > stop or (stop == 0 and event.sequence == 1):
                if code is not None:
                    context.abort(code, "Socket closed")
                return
            if event.sequence <= after:
                continue
            if self.hold_after is not None and event.sequence > self.hold_after:
                while not self.go_on.wait(0.01):
                    if self.cancelled:
                        summary = {"summary": self._summary([], explanation_pb2.JOB_STATE_CANCELLED)}
                        yield self._number([summary] * event.sequence, request.request_id)[-1]
                        return
                    if not context.is_active():
                        return
            yield event

    def _job(self, state: int) -> explanation_pb2.Job:
        job = explanation_pb2.Job(job_id="job-1", request_id="r", state=state, last_sequence=4)
        job.accepted_time.FromSeconds(1_700_000_000)
        job.priority = explanation_pb2.PRIORITY_BATCH
        return job

    def _model(self, name: str) -> model_pb2.Model:
        return model_pb2.Model(
            model=version(name),
            title=name.upper(),
            architecture="resnet18",
            labels=[
                model_pb2.Label(name="Pneumonia", threshold=0.5),
                model_pb2.Label(name="Viral Pneumonia", implies="Pneumonia", threshold=0.5),
                model_pb2.Label(name="No Finding", threshold=0.5),
            ],
            input_channels=1,
            input_size=SIZE,
            votes=True,
            abilities=[model_pb2.MODEL_ABILITY_FORWARD, model_pb2.MODEL_ABILITY_GRADIENT],
            metrics={"micro_f1": 0.93},
            intended_use=INTENDED_USE,
            inspected=True,
            limitation="No modules: the network has control flow.",
            refusals=[model_pb2.MethodRefusal(method="deep_lift", reason="the network has control flow")],
        )

    def _check(self, xray: image_pb2.XRay, context: grpc.ServicerContext) -> None:
        if not xray.file.startswith((b"\x89PNG", b"\xff\xd8")):
            violation = error_details_pb2.BadRequest.FieldViolation(
                field="xray.file", description="neither PNG, JPEG nor DICOM"
            )
            refuse(
                context,
                code_pb2.INVALID_ARGUMENT,
                "xray.file: neither PNG, JPEG nor DICOM",
                error_details_pb2.BadRequest(field_violations=[violation]),
            )

    def _refuse_if_busy(self, context: grpc.ServicerContext) -> None:
        if self.busy_times > 0:
            self.busy_times -= 1
            self._refuse(context, code_pb2.RESOURCE_EXHAUSTED)

    def _refuse(self, context: grpc.ServicerContext, code: int) -> None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(self.busy_ms)
        words = {code_pb2.RESOURCE_EXHAUSTED: "the queue is full", code_pb2.UNAVAILABLE: "the server is stopping"}
        refuse(context, code, words[code], retry)

    def _note(self, context: grpc.ServicerContext) -> None:
        self.callers.update(value for key, value in context.invocation_metadata() if key == "radiolucent-caller")
