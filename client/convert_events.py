"""From the contract's messages to this package's events, with heatmaps as arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from google.protobuf import json_format

from . import events
from .aggregates import AggregatedNetwork, AggregateOrigin, Aggregation, Agreement, Evidence, Mean, Verdict
from .convert import affine, classification, enum_member, model_version, optional_seconds, seconds, utc
from .errors import InternalError
from .job import JobState
from .precision import Precision
from .quality import Measurement, OutsideLungs
from .results import Completeness, Sign

if TYPE_CHECKING:
    from datetime import datetime

    from google.protobuf.struct_pb2 import Struct
    from numpy.typing import NDArray

    from ..protos import explanation_pb2, image_pb2

__all__ = ["array", "event"]


class _Place(TypedDict):
    """What every event has."""

    job_id: str
    request_id: str
    sequence: int
    time: datetime


def event(message: explanation_pb2.JobEvent) -> events.Event | None:
    """Read an event.

    Parameters
    ----------
    message : JobEvent
        As it came.

    Returns
    -------
    Event or None
        None for a heartbeat and for kinds of event that this client does not know yet.

    Raises
    ------
    InternalError
        A tensor's size is not what its shape says.
    """
    kind = message.WhichOneof("event")
    convert = _KINDS.get(kind or "")
    if convert is None:
        return None
    place: _Place = {
        "job_id": message.job_id,
        "request_id": message.request_id,
        "sequence": message.sequence,
        "time": utc(message.time),
    }
    return convert(getattr(message, kind or ""), place)


def array(message: image_pb2.Tensor, dimensions: int) -> NDArray[np.float32]:
    """Read a tensor, as a read-only array.

    Raises
    ------
    InternalError
        It has another number of dimensions, or its size is not what its shape says.
    """
    shape = tuple(message.shape)
    if len(shape) != dimensions or len(message.float32_le) != 4 * int(np.prod(shape, dtype=np.int64)):
        raise InternalError(f"the server sent a tensor of shape {shape} in {len(message.float32_le)} bytes")
    # Over the message's own bytes: not copied, and so read-only.
    return np.frombuffer(message.float32_le, dtype="<f4").reshape(shape)


def _parameters(message: Struct) -> dict[str, Any]:
    # A Struct knows floating-point numbers only; a window of 50 shall read 50.
    def whole(value: Any) -> Any:  # noqa: ANN401  - any JSON value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, dict):
            return {key: whole(item) for key, item in sorted(value.items())}
        return [whole(item) for item in value] if isinstance(value, list) else value

    parameters: dict[str, Any] = whole(json_format.MessageToDict(message))
    return parameters


def _aggregation(message: explanation_pb2.Aggregation) -> Aggregation | None:
    kind = message.WhichOneof("kind")
    if kind == "mean":
        return Mean()
    if kind == "agreement":
        told = message.agreement
        # As it was meant: single precision has no 0.1.
        share = float(f"{told.top_share:.7g}")
        return Agreement(networks=told.networks, top_share=share, evidence=enum_member(told, "evidence", Evidence))
    return None


def _origin(message: explanation_pb2.AggregateOrigin) -> AggregateOrigin:
    return AggregateOrigin(
        aggregation=_aggregation(message.aggregation),
        networks=tuple(AggregatedNetwork(model_version(one.model), one.scale) for one in message.networks),
        missing=tuple(model_version(one) for one in message.missing),
    )


def _verdict(message: explanation_pb2.Verdict) -> Verdict:
    return Verdict(message.voted, message.votes, message.voters, message.mean_probability)


def _item(message: explanation_pb2.Item) -> events.Item:
    aggregation = _aggregation(message.aggregation) if message.HasField("aggregation") else None
    return events.Item(model_version(message.model), message.method, tuple(message.labels), aggregation)


def _classified(message: explanation_pb2.Classified, place: _Place) -> events.Event:
    return events.Classified(
        **place,
        classification=classification(message.classification),
        targets=tuple(
            events.Target(target.label, enum_member(target, "reason", events.TargetReason))
            for target in message.targets
        ),
        items=tuple(_item(item) for item in message.items),
        estimates=tuple(
            events.ItemEstimate(one.passes, seconds(one.elapsed), one.shared_pass) for one in message.estimates
        ),
        estimated_work_s=optional_seconds(message, "estimated_work"),
        estimated_wait_s=optional_seconds(message, "estimated_wait"),
    )


def _progress(message: explanation_pb2.Progress, place: _Place) -> events.Event:
    return events.Progress(
        **place, item=_item(message.item), done=message.done, total=message.total, job_fraction=message.job_fraction
    )


def _heatmap(message: explanation_pb2.Heatmap, place: _Place) -> events.Event:
    return events.Heatmap(
        **place,
        model=model_version(message.model),
        method=message.method,
        parameters=_parameters(message.parameters),
        label=message.label,
        output=enum_member(message, "output", events.ExplainedOutput),
        output_value=message.output_value,
        final=message.final,
        fraction=message.fraction,
        sign=enum_member(message, "sign", Sign),
        completeness=enum_member(message, "completeness", Completeness),
        convergence_delta=message.convergence_delta if message.HasField("convergence_delta") else None,
        facts=dict(sorted(message.facts.items())),
        values=array(message.heatmap, 2),
        attribution=array(message.attribution, 3) if message.HasField("attribution") else None,
        affine=affine(message.affine),
        elapsed_s=seconds(message.elapsed),
        intended_use=message.intended_use,
        aggregate=_origin(message.aggregate) if message.HasField("aggregate") else None,
        verdict=_verdict(message.verdict) if message.HasField("verdict") else None,
        resampling_error=message.resampling_error if message.HasField("resampling_error") else None,
        measurements=tuple(_measurement(one) for one in message.measurements),
        outside_lungs=_outside_lungs(message.outside_lungs) if message.HasField("outside_lungs") else None,
        precision=enum_member(message, "precision", Precision),
    )


def _measurement(message: explanation_pb2.Measurement) -> Measurement:
    return Measurement(
        measure=message.measure,
        parameters=_parameters(message.parameters),
        values=dict(sorted(message.values.items())),
        refusal=message.refusal,
        elapsed_s=seconds(message.elapsed),
    )


def _outside_lungs(message: explanation_pb2.OutsideLungs) -> OutsideLungs:
    return OutsideLungs(
        share=message.share if message.HasField("share") else None,
        area=message.area if message.HasField("area") else None,
        sentence=message.sentence,
        segmenter=message.segmenter,
    )


def _failure(message: explanation_pb2.Failure, place: _Place) -> events.Event:
    return events.Failure(
        **place,
        item=_item(message.item),
        reason=enum_member(message, "reason", events.FailureReason),
        message=message.message,
    )


def _model_input(message: explanation_pb2.ModelInput, place: _Place) -> events.Event:
    return events.ModelInput(
        **place,
        model=model_version(message.model),
        values=array(message.input, 3),
        affine=affine(message.affine),
    )


def _item_summary(message: explanation_pb2.ItemSummary) -> events.ItemSummary:
    failure = enum_member(message, "failure", events.FailureReason)
    return events.ItemSummary(
        item=_item(message.item),
        delivered=tuple(message.delivered),
        elapsed_s=seconds(message.elapsed),
        waited_s=seconds(message.waited),
        forward_passes=message.forward_passes,
        measured_passes=message.measured_passes,
        # An unknown reason is a reason all the same.
        failure=failure if message.failure else None,
    )


def _summary(message: explanation_pb2.Summary, place: _Place) -> events.Event:
    return events.Summary(
        **place,
        state=enum_member(message, "state", JobState),
        items=tuple(_item_summary(item) for item in message.items),
        elapsed_s=seconds(message.elapsed),
        classification_elapsed_s=seconds(message.classification_elapsed),
        intended_use=message.intended_use,
    )


_KINDS: dict[str, Callable[[Any, _Place], events.Event]] = {
    "classified": _classified,
    "progress": _progress,
    "heatmap": _heatmap,
    "failure": _failure,
    "model_input": _model_input,
    "summary": _summary,
}
