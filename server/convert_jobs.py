"""Between the messages of the explanation service and our values. Nothing is decided here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct, Value

from ..handlers.card import INTENDED_USE
from ..plugins import Completeness
from ..protos.radiolucent.v1 import explanation_pb2
from . import convert
from .engine.aggregation import Aggregation, Agreement, Evidence, Mean
from .engine.events import (
    Classified,
    Failure,
    Heatmap,
    Item,
    JobState,
    ModelInput,
    OutsideLungs,
    Progress,
    Record,
    Summary,
    TargetReason,
    Verdict,
)
from .engine.job import Job
from .engine.order import ExplainOrder, Lungs, MethodCall, Priority, TargetChoice
from .engine.task import FailureReason, Measurement, Output, Precision
from .engine.validate import shown
from .errors import InvalidRequest, Violation
from .instance import InstanceReference

__all__ = ["completeness", "job", "job_event", "order", "sign"]

_STATES = {
    JobState.RUNNING: explanation_pb2.JOB_STATE_RUNNING,
    JobState.DONE: explanation_pb2.JOB_STATE_DONE,
    JobState.CANCELLED: explanation_pb2.JOB_STATE_CANCELLED,
    JobState.FAILED: explanation_pb2.JOB_STATE_FAILED,
}
_REASONS = {
    TargetReason.ASKED: explanation_pb2.TARGET_REASON_ASKED,
    TargetReason.PREDICTED: explanation_pb2.TARGET_REASON_PREDICTED,
    TargetReason.TOP: explanation_pb2.TARGET_REASON_TOP,
    TargetReason.NOT_PREDICTED: explanation_pb2.TARGET_REASON_NOT_PREDICTED,
}
_FAILURES = {
    None: explanation_pb2.FAILURE_REASON_UNSPECIFIED,
    FailureReason.METHOD: explanation_pb2.FAILURE_REASON_METHOD,
    FailureReason.NOT_APPLICABLE: explanation_pb2.FAILURE_REASON_NOT_APPLICABLE,
    FailureReason.WORKER: explanation_pb2.FAILURE_REASON_WORKER,
    FailureReason.CANCELLED: explanation_pb2.FAILURE_REASON_CANCELLED,
    FailureReason.DEADLINE: explanation_pb2.FAILURE_REASON_DEADLINE,
    FailureReason.INVALID_RESULT: explanation_pb2.FAILURE_REASON_INVALID_RESULT,
    FailureReason.TOO_FEW_NETWORKS: explanation_pb2.FAILURE_REASON_TOO_FEW_NETWORKS,
    FailureReason.OUT_OF_MEMORY: explanation_pb2.FAILURE_REASON_OUT_OF_MEMORY,
}
_COMPLETENESS = {
    Completeness.EXACT: explanation_pb2.COMPLETENESS_EXACT,
    Completeness.IN_EXPECTATION: explanation_pb2.COMPLETENESS_IN_EXPECTATION,
    Completeness.NONE: explanation_pb2.COMPLETENESS_NONE,
}
_OUTPUTS = {
    Output.LOGIT: explanation_pb2.EXPLAINED_OUTPUT_LOGIT,
    Output.PROBABILITY: explanation_pb2.EXPLAINED_OUTPUT_PROBABILITY,
    Output.VOTES: explanation_pb2.EXPLAINED_OUTPUT_VOTES,
}
_OUTPUTS_READ = {number: output for output, number in _OUTPUTS.items()}
_PRIORITIES = {
    Priority.INTERACTIVE: explanation_pb2.PRIORITY_INTERACTIVE,
    Priority.BATCH: explanation_pb2.PRIORITY_BATCH,
}
_PRECISIONS = {
    Precision.FLOAT32: explanation_pb2.PRECISION_FLOAT32,
    Precision.BFLOAT16: explanation_pb2.PRECISION_BFLOAT16,
}
_PRECISIONS_READ = {number: precision for precision, number in _PRECISIONS.items()}
_PRIORITIES_READ = {number: priority for priority, number in _PRIORITIES.items()}
_EVIDENCE = {
    Evidence.FOR: explanation_pb2.EVIDENCE_FOR,
    Evidence.AGAINST: explanation_pb2.EVIDENCE_AGAINST,
}
_CHOICES = {
    "predicted": TargetChoice.PREDICTED,
    "all": TargetChoice.ALL,
    "not_predicted": TargetChoice.NOT_PREDICTED,
    "labels": TargetChoice.NAMED,
}


def order(request: explanation_pb2.ExplainRequest) -> ExplainOrder:
    """Read what a caller asks for.

    Raises
    ------
    InvalidRequest
        If it holds what a message can carry and a request cannot: a number that is not finite, or an output that there
        is not.
    """
    violations = list(_unreadable(request))
    if violations:
        raise InvalidRequest(violations)
    named = request.targets.WhichOneof("selection") or "predicted"
    return ExplainOrder(
        request_id=request.request_id,
        image=request.xray.file,
        instance=convert.instance(request.xray),
        methods=_calls(request.methods),
        models=tuple(request.models),
        choice=_CHOICES[named],
        labels=tuple(dict.fromkeys(request.targets.labels.names)),
        output=_OUTPUTS_READ.get(request.output),
        aggregations=tuple(_aggregation_read(one) for one in request.aggregations),
        partial=request.partial_heatmaps,
        attributions=request.attributions,
        inputs=request.inputs,
        keep=request.keep_after_disconnect,
        dry_run=request.dry_run,
        priority=_PRIORITIES_READ.get(request.priority, Priority.INTERACTIVE),
        measures=_calls(request.measures),
        lungs=_lungs(request.lungs) if request.HasField("lungs") else None,
        precision=_PRECISIONS_READ.get(request.precision, Precision.FLOAT32),
    )


def job(value: Job) -> explanation_pb2.Job:
    """Convert the state of a job."""
    return explanation_pb2.Job(
        job_id=value.job_id,
        request_id=value.request_id,
        state=_STATES[value.state],
        last_sequence=value.log.last_sequence,
        accepted_time=convert.timestamp(value.accepted_time),
        ended_time=convert.timestamp(value.ended_time) if value.ended_time else None,
        expire_time=convert.timestamp(value.expire_time) if value.expire_time else None,
        priority=_PRIORITIES[value.priority],
    )


def job_event(value: Job, record: Record) -> explanation_pb2.JobEvent:
    """Convert an event of a job."""
    message = explanation_pb2.JobEvent(
        job_id=value.job_id,
        request_id=value.request_id,
        sequence=record.sequence,
        time=convert.timestamp(record.time),
    )
    match record.event:
        case Classified() as event:
            message.classified.CopyFrom(_classified(event, value.instance))
        case Progress() as event:
            message.progress.CopyFrom(
                explanation_pb2.Progress(
                    item=_item(event.item), done=event.done, total=event.total, job_fraction=event.job_fraction
                )
            )
        case Heatmap() as event:
            message.heatmap.CopyFrom(_heatmap(event))
        case Failure() as event:
            message.failure.CopyFrom(
                explanation_pb2.Failure(item=_item(event.item), reason=_FAILURES[event.reason], message=event.message)
            )
        case ModelInput() as event:
            message.model_input.CopyFrom(
                explanation_pb2.ModelInput(
                    model=convert.version(event.model, event.version),
                    input=convert.tensor(event.tensor),
                    affine=convert.affine(event.affine),
                )
            )
        case Summary() as event:
            message.summary.CopyFrom(_summary(event))
        case _:
            message.heartbeat.SetInParent()
    return message


def sign(signed: bool) -> explanation_pb2.HeatmapSign.ValueType:
    """Say whether values have a sign."""
    return explanation_pb2.HEATMAP_SIGN_SIGNED if signed else explanation_pb2.HEATMAP_SIGN_UNSIGNED


def completeness(value: Completeness) -> explanation_pb2.Completeness.ValueType:
    """Say whether attributions are complete."""
    return _COMPLETENESS[value]


def _unreadable(request: explanation_pb2.ExplainRequest) -> Iterator[Violation]:
    if request.output not in explanation_pb2.ExplainedOutput.values():  # protobuf keeps numbers that it does not know
        yield Violation(
            "output", f"unknown output {request.output}; there are: EXPLAINED_OUTPUT_LOGIT, _PROBABILITY and _VOTES"
        )
    if request.priority not in explanation_pb2.Priority.values():
        what = f"unknown priority {request.priority}; there are: PRIORITY_INTERACTIVE and _BATCH"
        yield Violation("priority", what)
    if request.precision not in explanation_pb2.Precision.values():
        what = f"unknown precision {request.precision}; there are: PRECISION_FLOAT32 and _BFLOAT16"
        yield Violation("precision", what)
    for index, aggregation in enumerate(request.aggregations):
        if aggregation.WhichOneof("kind") is None:
            yield Violation(f"aggregations[{index}]", "name one of: mean, agreement")
        elif aggregation.agreement.evidence not in explanation_pb2.Evidence.values():
            what = f"unknown evidence {aggregation.agreement.evidence}; there are: EVIDENCE_FOR and _AGAINST"
            yield Violation(f"aggregations[{index}].agreement.evidence", what)
    if request.HasField("lungs") and request.lungs.WhichOneof("source") is None:
        yield Violation("lungs", "name one of: mask, segmenter")
    for index, call in enumerate(request.methods):
        yield from _not_finite(f"methods[{index}]", call.parameters)
    for index, measure in enumerate(request.measures):
        yield from _not_finite(f"measures[{index}]", measure.parameters)


def _not_finite(field: str, parameters: Struct) -> Iterator[Violation]:
    for name, value in parameters.fields.items():
        if not _is_finite(value):
            yield Violation(f"{field}.parameters", f"{shown(name)} must be finite")


def _calls(
    calls: Iterable[explanation_pb2.MethodCall | explanation_pb2.MeasureCall],
) -> tuple[MethodCall, ...]:
    return tuple(MethodCall(call.name, MessageToDict(call.parameters)) for call in calls)


def _lungs(message: explanation_pb2.Lungs) -> Lungs:
    mask = message.mask if message.WhichOneof("source") == "mask" else None
    return Lungs(mask, message.segmenter)


def _is_finite(value: Value) -> bool:
    """Whether JSON can say it: no number in it, however deep, is NaN or infinite."""
    if value.HasField("struct_value"):
        return all(_is_finite(one) for one in value.struct_value.fields.values())
    if value.HasField("list_value"):
        return all(_is_finite(one) for one in value.list_value.values)
    return math.isfinite(value.number_value)


def _aggregation_read(message: explanation_pb2.Aggregation) -> Aggregation:
    if message.WhichOneof("kind") == "mean":
        return Mean()
    asked, usual = message.agreement, Agreement()
    against = asked.evidence == explanation_pb2.EVIDENCE_AGAINST
    return Agreement(
        networks=asked.networks,
        # As it was meant: single precision has no 0.1.
        top_share=float(f"{asked.top_share:.7g}") or usual.top_share,
        evidence=Evidence.AGAINST if against else Evidence.FOR,
    )


def _aggregation(value: Aggregation | None) -> explanation_pb2.Aggregation | None:
    match value:
        case None:
            return None
        case Mean():
            return explanation_pb2.Aggregation(mean=explanation_pb2.NormalisedMean())
        case Agreement():
            return explanation_pb2.Aggregation(
                agreement=explanation_pb2.Agreement(
                    networks=value.networks, top_share=value.top_share, evidence=_EVIDENCE[value.evidence]
                )
            )


def _item(item: Item) -> explanation_pb2.Item:
    return explanation_pb2.Item(
        model=convert.version(item.model, item.version),
        method=item.method,
        labels=item.labels,
        aggregation=_aggregation(item.aggregation),
    )


def _classified(event: Classified, instance: InstanceReference | None) -> explanation_pb2.Classified:
    return explanation_pb2.Classified(
        classification=convert.classification(event.classification, instance),
        targets=[explanation_pb2.Target(label=one.label, reason=_REASONS[one.reason]) for one in event.targets],
        items=[_item(one) for one in event.items],
        estimates=[
            explanation_pb2.ItemEstimate(
                passes=one.passes, elapsed=convert.duration(one.seconds), shared_pass=one.shared_pass
            )
            for one in event.estimates
        ],
        estimated_work=convert.duration(sum(one.seconds for one in event.estimates)),
        estimated_wait=convert.duration(event.wait_s),
    )


def _heatmap(event: Heatmap) -> explanation_pb2.Heatmap:
    return explanation_pb2.Heatmap(
        model=convert.version(event.item.model, event.item.version),
        method=event.item.method,
        parameters=convert.struct(event.parameters),
        label=event.label,
        output=_OUTPUTS[event.output],
        output_value=event.output_value,
        final=event.final,
        fraction=event.fraction,
        sign=sign(event.signed),
        completeness=completeness(event.completeness),
        convergence_delta=event.convergence_delta,
        facts=event.facts,
        heatmap=convert.tensor(event.heatmap),
        attribution=None if event.attribution is None else convert.tensor(event.attribution),
        affine=convert.affine(event.affine),
        elapsed=convert.duration(event.elapsed_s),
        intended_use=INTENDED_USE,
        aggregate=_origin(event),
        verdict=_verdict(event.verdict),
        resampling_error=event.resampling_error,
        measurements=[_measurement(one) for one in event.measurements],
        outside_lungs=_outside_lungs(event.outside_lungs),
        precision=_PRECISIONS[event.precision],
    )


def _measurement(value: Measurement) -> explanation_pb2.Measurement:
    return explanation_pb2.Measurement(
        measure=value.measure,
        parameters=convert.struct(value.parameters),
        values=value.values,
        refusal=value.refusal,
        elapsed=convert.duration(value.elapsed_s),
    )


def _outside_lungs(value: OutsideLungs | None) -> explanation_pb2.OutsideLungs | None:
    if value is None:
        return None
    return explanation_pb2.OutsideLungs(
        share=value.share, area=value.area, sentence=value.sentence, segmenter=value.segmenter
    )


def _origin(event: Heatmap) -> explanation_pb2.AggregateOrigin | None:
    origin = event.aggregate
    if origin is None:
        return None
    return explanation_pb2.AggregateOrigin(
        aggregation=_aggregation(event.item.aggregation),
        networks=[
            explanation_pb2.AggregatedNetwork(model=convert.version(name, version), scale=scale)
            for name, version, scale in origin.networks
        ],
        missing=[convert.version(name, version) for name, version in origin.missing],
    )


def _verdict(verdict: Verdict | None) -> explanation_pb2.Verdict | None:
    if verdict is None:
        return None
    return explanation_pb2.Verdict(
        voted=verdict.voted,
        votes=verdict.votes,
        voters=verdict.voters,
        mean_probability=verdict.mean_probability,
    )


def _summary(event: Summary) -> explanation_pb2.Summary:
    return explanation_pb2.Summary(
        state=_STATES[event.state],
        items=[
            explanation_pb2.ItemSummary(
                item=_item(one.item),
                delivered=one.delivered,
                elapsed=convert.duration(one.elapsed_s),
                waited=convert.duration(one.waited_s),
                forward_passes=one.forward_passes,
                measured_passes=one.measured_passes,
                failure=_FAILURES[one.failure],
            )
            for one in event.items
        ],
        elapsed=convert.duration(event.elapsed_s),
        classification_elapsed=convert.duration(event.classification_s),
        intended_use=INTENDED_USE,
    )
