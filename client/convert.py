"""From the contract's messages to this package's results: networks, methods, jobs and the server itself.

What a newer server adds (an enum value, an event) is read as "unspecified" or left out, never refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from . import results
from .errors import InternalError
from .job import Job, JobState, Priority
from .likeness import Likeness
from .quality import Measure, MeasuredValue, Segmenter

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

    from ..protos import classification_pb2, explanation_pb2, image_pb2, model_pb2, server_pb2

__all__ = [
    "affine",
    "classification",
    "enum_member",
    "job",
    "method_catalogue",
    "model_catalogue",
    "model_details",
    "model_version",
    "optional_seconds",
    "optional_time",
    "seconds",
    "server_info",
    "utc",
]

E = TypeVar("E", bound=Enum)


def utc(time: Timestamp) -> datetime:
    """Read a time."""
    return time.ToDatetime(tzinfo=timezone.utc)


def optional_time(message: Message, field: str) -> datetime | None:
    """Read a time that may be absent."""
    return utc(getattr(message, field)) if message.HasField(field) else None


def seconds(duration: Duration) -> float:
    """Read a duration, in seconds."""
    return duration.seconds + duration.nanos / 1e9


def optional_seconds(message: Message, field: str) -> float | None:
    """Read a duration that may be absent, in seconds."""
    return seconds(getattr(message, field)) if message.HasField(field) else None


def _word(message: Message, field: str, number: int) -> str:
    """Say a value of an enum field in lower case, without the prefix that all values of the enum share."""
    descriptor = message.DESCRIPTOR.fields_by_name[field].enum_type
    assert descriptor is not None, field  # noqa: S101  - a slip of ours, not of the server
    prefix = descriptor.values_by_number[0].name.removesuffix("UNSPECIFIED")
    value = descriptor.values_by_number.get(number)
    return "unspecified" if value is None else value.name.removeprefix(prefix).lower()


def enum_member(message: Message, field: str, kind: type[E]) -> E:
    """Read an enum field as a member of our enum of the same words; what is unknown is UNSPECIFIED."""
    word = _word(message, field, getattr(message, field))
    return kind(word) if word in {member.value for member in kind} else kind("unspecified")


def _abilities(message: Message, field: str) -> tuple[str, ...]:
    return tuple(_word(message, field, number) for number in getattr(message, field))


def _json_object(text: str, what: str) -> dict[str, object]:
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise InternalError(f"the server sent {what} that is not JSON") from error
    if not isinstance(value, dict):
        raise InternalError(f"the server sent {what} that is not a JSON object")
    return value


def affine(message: image_pb2.Affine) -> results.Affine:
    """Read a map to the original pixel grid."""
    return results.Affine(message.scale_x, message.scale_y, message.offset_x, message.offset_y)


def model_version(message: model_pb2.ModelVersion) -> results.ModelVersion:
    """Read a network's name and version."""
    return results.ModelVersion(message.name, message.version)


def _model_set(message: model_pb2.ModelSet) -> results.ModelSet:
    return results.ModelSet(
        version=message.version,
        members=tuple(model_version(member) for member in message.members),
        created_time=optional_time(message, "created_time"),
        verdict=message.verdict or results.VERDICT_NOT_TOLD,
    )


def classification(message: classification_pb2.Classification) -> results.Classification:
    """Read a classification."""
    instance = message.instance
    return results.Classification(
        answers=tuple(
            results.ModelAnswer(
                model=model_version(answer.model),
                probabilities=tuple(answer.probabilities),
                logits=tuple(answer.logits),
                votes=tuple(answer.votes),
            )
            for answer in message.answers
        ),
        labels=tuple(
            results.LabelVote(vote.label, vote.votes, vote.majority, vote.mean_probability) for vote in message.labels
        ),
        majority=tuple(message.majority),
        model_set=_model_set(message.model_set),
        image_size=results.ImageSize(message.image_size.height, message.image_size.width),
        instance=results.InstanceReference(
            instance.study_instance_uid, instance.series_instance_uid, instance.sop_instance_uid, instance.frame_number
        )
        if message.HasField("instance")
        else None,
        intended_use=message.intended_use,
        likeness=_likeness(message.likeness) if message.HasField("likeness") else None,
    )


def _likeness(message: classification_pb2.Likeness) -> Likeness:
    return Likeness(message.unlikeness, message.threshold, message.share, message.warns, message.text)


def _model(message: model_pb2.Model) -> results.Model:
    return results.Model(
        name=message.model.name,
        version=message.model.version,
        title=message.title,
        architecture=message.architecture,
        labels=tuple(results.Label(label.name, label.implies or None, label.threshold) for label in message.labels),
        input_channels=message.input_channels,
        input_size=message.input_size,
        votes=message.votes,
        abilities=_abilities(message, "abilities"),
        limitation=message.limitation,
        refusals={refusal.method: refusal.reason for refusal in message.refusals},
        inspected=message.inspected,
        metrics=_sorted(message.metrics),
        created_time=optional_time(message, "created_time"),
        intended_use=message.intended_use,
        verdict=message.verdict or results.VERDICT_NOT_TOLD,
        baseline=message.baseline,
        calibrated=message.calibrated,
        intervals={name: results.Interval(one.low, one.high) for name, one in sorted(message.intervals.items())},
    )


def model_catalogue(message: model_pb2.ListModelsResponse) -> results.ModelCatalogue:
    """Read what is served."""
    return results.ModelCatalogue(
        models=tuple(_model(model) for model in message.models),
        serving=_model_set(message.serving) if message.HasField("serving") else None,
        refused=tuple(results.Refusal(refusal.name, refusal.version, refusal.reason) for refusal in message.refused),
        intended_use=message.intended_use,
        ensemble=_model(message.ensemble) if message.HasField("ensemble") else None,
    )


def model_details(message: model_pb2.GetModelResponse) -> results.ModelDetails:
    """Read one network, or the ensemble, with its card."""
    return results.ModelDetails(_model(message.model), _json_object(message.card_json, "a model card"))


def method_catalogue(message: explanation_pb2.ListMethodsResponse) -> results.MethodCatalogue:
    """Read the explanation methods, measures and segmenters."""
    return results.MethodCatalogue(
        methods=tuple(_method(method) for method in message.methods),
        broken_plugins=tuple(
            results.BrokenPlugin(plugin.name, plugin.distribution, plugin.reason) for plugin in message.broken_plugins
        ),
        measures=tuple(_measure(measure) for measure in message.measures),
        segmenters=tuple(
            Segmenter(
                name=one.name,
                title=one.title,
                description=one.description,
                reference=one.reference,
                distribution=one.distribution,
                distribution_version=one.distribution_version,
            )
            for one in message.segmenters
        ),
    )


def _measure(message: explanation_pb2.Measure) -> Measure:
    return Measure(
        name=message.name,
        title=message.title,
        description=message.description,
        reference=message.reference,
        variant=message.variant,
        family=message.family,
        parameters_schema=_json_object(message.parameters_schema_json, "a measure's schema"),
        values=tuple(
            MeasuredValue(one.name, one.description, _word(one, "better", one.better)) for one in message.values
        ),
    )


def _method(message: explanation_pb2.Method) -> results.Method:
    return results.Method(
        name=message.name,
        title=message.title,
        description=message.description,
        reference=message.reference,
        parameters_schema=_json_object(message.parameters_schema_json, "a method's schema"),
        needs=_abilities(message, "needs"),
        sign=enum_member(message, "sign", results.Sign),
        completeness=enum_member(message, "completeness", results.Completeness),
        distribution=message.distribution,
        distribution_version=message.distribution_version,
        needs_float32=message.needs_float32,
    )


def job(message: explanation_pb2.Job) -> Job:
    """Read the state of a job."""
    return Job(
        job_id=message.job_id,
        request_id=message.request_id,
        state=enum_member(message, "state", JobState),
        last_sequence=message.last_sequence,
        accepted_time=optional_time(message, "accepted_time"),
        ended_time=optional_time(message, "ended_time"),
        expire_time=optional_time(message, "expire_time"),
        priority=enum_member(message, "priority", Priority),
    )


def server_info(message: server_pb2.GetServerInfoResponse) -> results.ServerInfo:
    """Read versions and limits."""
    return results.ServerInfo(
        version=message.version,
        component_versions=_sorted(message.component_versions),
        max_upload_bytes=message.max_upload_bytes,
        max_image_pixels=message.max_image_pixels,
        max_jobs=message.max_jobs,
        result_retention_s=seconds(message.result_retention),
        result_retention_bytes=message.result_retention_bytes,
        explanation_workers=message.explanation_workers,
        heartbeat_interval_s=seconds(message.heartbeat_interval),
        intended_use=message.intended_use,
    )


V = TypeVar("V", str, float)


def _sorted(values: Mapping[str, V]) -> dict[str, V]:
    names: Sequence[str] = sorted(values)
    return {name: values[name] for name in names}
