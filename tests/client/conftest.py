"""A server that speaks the contract over a real channel and does what a test tells it to."""
# ruff: noqa: ANN001, ANN201, ANN401 - the servicer is typed by its contract

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from PIL import Image
from radiolucent.client.program import build
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

INTENDED_USE = "Research use only. Not for diagnosis."
MODELS = ("net_a", "net_b")
LABELS = ("Pneumonia", "Viral Pneumonia", "No Finding")
SIZE = 96


def tensor(values: np.ndarray) -> image_pb2.Tensor:
    return image_pb2.Tensor(shape=values.shape, float32_le=np.ascontiguousarray(values, "<f4").tobytes())


def blob(x: float, y: float, width: float = 12.0) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2)).astype(np.float32)


def version(name: str) -> model_pb2.ModelVersion:
    return model_pb2.ModelVersion(name=name, version=3)


UNLIKE = classification_pb2.Likeness(
    unlikeness=7.5, threshold=1.5, share=0.0078125, warns=True, text="Unlike: none of 127. Do not rely on the votes."
)
LIKE = classification_pb2.Likeness(unlikeness=-0.5, threshold=1.5, share=0.75, warns=False, text="Like: 95 of 127.")


def a_classification(
    majority: tuple[str, ...] = ("Pneumonia", "Viral Pneumonia"), likeness: classification_pb2.Likeness | None = None
) -> classification_pb2.Classification:
    return classification_pb2.Classification(
        answers=[
            classification_pb2.ModelAnswer(
                model=version(name),
                probabilities=[0.9, 0.75, 0.125],
                logits=[2.2, 1.1, -1.9],
                votes=[True, True, False],
            )
            for name in MODELS
        ],
        labels=[
            classification_pb2.LabelVote(
                label=label, votes=2 * (label in majority), majority=label in majority, mean_probability=0.5
            )
            for label in LABELS
        ],
        majority=majority,
        model_set=model_pb2.ModelSet(version=7, members=[version(name) for name in MODELS]),
        image_size=image_pb2.ImageSize(height=480, width=512),
        intended_use=INTENDED_USE,
        likeness=likeness,
    )


def refuse(context: grpc.ServicerContext, code: int, message: str, *details: Any) -> None:
    status = status_pb2.Status(code=code, message=message)
    for detail in details:
        packed = Packed()
        packed.Pack(detail)
        status.details.append(packed)
    context.abort_with_status(rpc_status.to_status(status))


@dataclass
class FakeServer(
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
    plans: bool = True
    """Whether it knows dry runs and estimates."""
    judges: bool = True
    """Whether it knows measures of quality, and what the lungs are."""
    requests: list[explanation_pb2.ExplainRequest] = field(default_factory=list)
    watches: list[explanation_pb2.WatchJobRequest] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    callers: set[str] = field(default_factory=set)
    classified: list[bytes] = field(default_factory=list)
    disconnected: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    failing_method: str = "broken_method"
    ensemble: model_pb2.Model | None = None
    """What it says of its model set; None: it is older than that."""
    ensemble_card: dict[str, Any] = field(default_factory=dict)
    likeness: classification_pb2.Likeness | None = None
    """What the guard says of every X-ray; None: the model set has none."""
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

    def events(self, request: explanation_pb2.ExplainRequest) -> list[explanation_pb2.JobEvent]:
        """The whole job: classified; input, progress, a partial and a final map per model and method; summary."""
        labels = list(request.targets.labels.names) or ["Viral Pneumonia"]
        items = [
            explanation_pb2.Item(model=version(model), method=method.name, labels=labels)
            for model in request.models or MODELS
            for method in request.methods
        ]
        aggregates = [
            explanation_pb2.Item(model=version("chest_xray"), method=method.name, labels=labels, aggregation=one)
            for method in request.methods
            for one in request.aggregations
        ]
        bodies: list[dict[str, Any]] = [
            {
                "classified": explanation_pb2.Classified(
                    classification=a_classification(likeness=self.likeness),
                    targets=[
                        explanation_pb2.Target(label=label, reason=explanation_pb2.TARGET_REASON_PREDICTED)
                        for label in labels
                    ],
                    items=items + aggregates,
                )
            }
        ]
        if self.plans:
            self._estimate(bodies[0]["classified"], shared=len(request.methods) > 1)
        if request.dry_run and self.plans:
            bodies.append({"summary": self._summary([], explanation_pb2.JOB_STATE_DONE)})
            return self._number(bodies, request.request_id)
        affine = image_pb2.Affine(scale_x=512 / SIZE, scale_y=512 / SIZE, offset_x=0.0, offset_y=-16.0)
        if request.inputs:
            bodies += [
                {
                    "model_input": explanation_pb2.ModelInput(
                        model=version(model), input=tensor(blob(48, 48, 40)[None]), affine=affine
                    )
                }
                for model in (*(request.models or MODELS), *(["chest_xray"] if aggregates else []))
            ]
        for number, item in enumerate(items, start=1):
            progress = explanation_pb2.Progress(item=item, done=1, total=2, job_fraction=(number - 0.5) / len(items))
            bodies.append({"progress": progress})
            bodies.append({"heartbeat": explanation_pb2.Heartbeat()})
            if item.method == self.failing_method:
                bodies.append(
                    {
                        "failure": explanation_pb2.Failure(
                            item=item, reason=explanation_pb2.FAILURE_REASON_METHOD, message="the method raised: e1f2"
                        )
                    }
                )
                continue
            call = next(method for method in request.methods if method.name == item.method)
            for final in (False, True) if request.partial_heatmaps else (True,):
                for label in labels:
                    heatmap = explanation_pb2.Heatmap(
                        model=item.model,
                        method=item.method,
                        parameters=call.parameters,
                        label=label,
                        output=request.output or explanation_pb2.EXPLAINED_OUTPUT_LOGIT,
                        output_value=1.5,
                        final=final,
                        fraction=1.0 if final else 0.4,
                        sign=explanation_pb2.HEATMAP_SIGN_SIGNED,
                        completeness=explanation_pb2.COMPLETENESS_EXACT,
                        convergence_delta=0.0,
                        facts={"absorbed": 0.125},
                        verdict=explanation_pb2.Verdict(voted=False, votes=1, voters=2, mean_probability=0.375),
                        resampling_error=0.0625 if item.model.name == "chest_xray" else None,
                        heatmap=tensor(blob(30, 40) - 0.6 * blob(64, 60)),
                        affine=affine,
                        intended_use=INTENDED_USE,
                    )
                    if final and self.judges:
                        self._judge(heatmap, request)
                    if request.attributions and final:
                        heatmap.attribution.CopyFrom(tensor((blob(30, 40) - 0.6 * blob(64, 60))[None]))
                    bodies.append({"heatmap": heatmap})
        for item in aggregates:
            if item.method == self.failing_method:
                few = explanation_pb2.FAILURE_REASON_TOO_FEW_NETWORKS
                bodies.append({"failure": explanation_pb2.Failure(item=item, reason=few, message="0 of 2 networks")})
                continue
            for label in labels:
                aggregate = explanation_pb2.AggregateOrigin(
                    aggregation=item.aggregation,
                    networks=[explanation_pb2.AggregatedNetwork(model=version("net_a"), scale=2.5)],
                    missing=[version("net_b")],
                )
                heatmap = explanation_pb2.Heatmap(
                    model=item.model,
                    method=item.method,
                    label=label,
                    final=True,
                    fraction=1.0,
                    heatmap=tensor(blob(30, 40)),
                    affine=affine,
                    intended_use=INTENDED_USE,
                    aggregate=aggregate,
                )
                bodies.append({"heatmap": heatmap})
        bodies.append({"summary": self._summary(items + aggregates, explanation_pb2.JOB_STATE_DONE)})
        return self._number(bodies, request.request_id)

    def _judge(self, heatmap: explanation_pb2.Heatmap, request: explanation_pb2.ExplainRequest) -> None:
        for call in request.measures if heatmap.model.name != "chest_xray" else ():
            one = heatmap.measurements.add(measure=call.name, parameters=call.parameters)
            one.elapsed.FromMilliseconds(250)
            if call.name == "road":
                one.refusal = "the map is constant"
            else:
                one.values.update({"above_random": 0.25, "area": 0.5})
        if request.HasField("lungs"):
            heatmap.outside_lungs.CopyFrom(
                explanation_pb2.OutsideLungs(
                    share=0.625,
                    area=0.5,
                    sentence="62 % of the evidence lies outside the lungs.",
                    segmenter=request.lungs.segmenter,
                )
            )

    def _estimate(self, classified: explanation_pb2.Classified, *, shared: bool) -> None:
        """Two and a half seconds per item; the methods of a network share the passes of the first of them."""
        models: list[str] = []
        for item in classified.items:
            first = item.model.name not in models
            models += [item.model.name] if first else []
            estimate = classified.estimates.add(
                passes=50 if first or not shared else 0, shared_pass=len(models) if shared else 0
            )
            estimate.elapsed.FromMilliseconds(2500)
        classified.estimated_work.FromMilliseconds(2500 * len(classified.items))
        classified.estimated_wait.FromMilliseconds(1500)

    def _number(self, bodies: list[dict[str, Any]], request_id: str) -> list[explanation_pb2.JobEvent]:
        events, sequence = [], 0
        for body in bodies:
            sequence += "heartbeat" not in body
            event = explanation_pb2.JobEvent(job_id="job-1", request_id=request_id, sequence=sequence, **body)
            event.time.FromSeconds(1_700_000_000 + sequence)
            events.append(event)
        return events

    def _summary(self, items: list[explanation_pb2.Item], state: int) -> explanation_pb2.Summary:
        return explanation_pb2.Summary(
            state=state,
            items=[
                explanation_pb2.ItemSummary(
                    item=item,
                    delivered=[] if item.method == self.failing_method else item.labels,
                    failure=explanation_pb2.FAILURE_REASON_METHOD if item.method == self.failing_method else 0,
                    forward_passes=2,
                )
                for item in items
            ],
            intended_use=INTENDED_USE,
        )

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


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    """A server on a free loopback port."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    servicer = FakeServer()
    classification_pb2_grpc.add_ClassificationServiceServicer_to_server(servicer, server)
    explanation_pb2_grpc.add_ExplanationServiceServicer_to_server(servicer, server)
    model_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    server_pb2_grpc.add_ServerServiceServicer_to_server(servicer, server)
    servicer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    servicer.go_on.set()
    server.stop(grace=None).wait()


@pytest.fixture
def xray(tmp_path: Path) -> Path:
    """A small grey PNG."""
    path = tmp_path / "xray.png"
    Image.fromarray((blob(48, 48, 40) * 255).astype(np.uint8)).save(path)
    return path


@dataclass(frozen=True)
class Ran:
    """How a run of the program ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs the program with the client's commands, as if it were started from a shell."""
    points = {
        name: EntryPoint(name, f"radiolucent.client.commands:{name}", "radiolucent.commands")
        for name in ("models", "methods", "card", "classify", "explain", "batch", "profiles")
    }

    def run(*arguments: object) -> Ran:
        words = [str(argument) for argument in arguments]
        code = 0
        try:
            build(points, words)(words, prog_name="radiolucent")
        except SystemExit as left:
            code = int(left.code or 0)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def unlike(fake) -> FakeServer:
    """The server, with a guard that warns of every X-ray."""
    fake.likeness = UNLIKE
    return fake


@pytest.fixture
def like(fake) -> FakeServer:
    """The server, with a guard that warns of none."""
    fake.likeness = LIKE
    return fake
