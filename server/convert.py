"""From our values to messages. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from ..handlers.card import INTENDED_USE, Label, ModelCard
from ..handlers.ensemble_card import EnsembleCard
from ..handlers.evaluated import Estimate
from ..handlers.geometry import Affine
from ..handlers.guard import Likeness
from ..handlers.repository import LoadedSet
from ..plugins import Applicability, Need
from ..protos.radiolucent.v1 import classification_pb2, image_pb2, model_pb2
from .classifier import Classification
from .instance import InstanceReference

__all__ = [
    "affine",
    "classification",
    "duration",
    "ensemble",
    "instance",
    "model",
    "model_set",
    "need",
    "struct",
    "tensor",
    "timestamp",
    "version",
]

_NEEDS = {
    Need.FORWARD: model_pb2.MODEL_ABILITY_FORWARD,
    Need.GRADIENT: model_pb2.MODEL_ABILITY_GRADIENT,
    Need.MODULES: model_pb2.MODEL_ABILITY_MODULES,
}


def timestamp(time: datetime) -> Timestamp:
    """Convert an aware datetime."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


def duration(seconds: float) -> Duration:
    """Convert seconds."""
    message = Duration()
    message.FromTimedelta(timedelta(seconds=max(0.0, seconds)))
    return message


def struct(values: Mapping[str, Any]) -> Struct:
    """Convert JSON values."""
    message = Struct()
    message.update(dict(values))
    return message


def tensor(array: npt.NDArray[np.float32]) -> image_pb2.Tensor:
    """Convert an array of float32."""
    return image_pb2.Tensor(shape=array.shape, float32_le=np.ascontiguousarray(array, dtype="<f4").tobytes())


def affine(value: Affine) -> image_pb2.Affine:
    """Convert the way from an input's pixels to the X-ray's."""
    return image_pb2.Affine(
        scale_x=value.scale_x, scale_y=value.scale_y, offset_x=value.offset_x, offset_y=value.offset_y
    )


def version(name: str, number: int) -> model_pb2.ModelVersion:
    """Name a version of a network."""
    return model_pb2.ModelVersion(name=name, version=number)


def need(value: Need) -> model_pb2.ModelAbility.ValueType:
    """Convert what a method needs, which is what a network can."""
    return _NEEDS[value]


def instance(xray: image_pb2.XRay) -> InstanceReference | None:
    """Read where an X-ray comes from; None where its caller does not say."""
    if not xray.HasField("instance"):
        return None
    message = xray.instance
    return InstanceReference(
        message.study_instance_uid, message.series_instance_uid, message.sop_instance_uid, message.frame_number
    )


def _instance(value: InstanceReference | None) -> image_pb2.InstanceReference | None:
    return None if value is None else image_pb2.InstanceReference(**asdict(value))


def classification(value: Classification, source: InstanceReference | None) -> classification_pb2.Classification:
    """Convert a classification, with the reference of its X-ray."""
    members = [version(answer.model, answer.version) for answer in value.answers]
    return classification_pb2.Classification(
        answers=[
            classification_pb2.ModelAnswer(
                model=version(answer.model, answer.version),
                probabilities=answer.probabilities,
                logits=answer.logits,
                votes=answer.votes,
            )
            for answer in value.answers
        ],
        labels=[
            classification_pb2.LabelVote(
                label=one.label, votes=one.votes, majority=one.majority, mean_probability=one.mean_probability
            )
            for one in value.labels
        ],
        majority=[one.label for one in value.labels if one.majority],
        model_set=model_pb2.ModelSet(
            version=value.set_version,
            members=members,
            created_time=timestamp(value.set_created),
            verdict=value.set_verdict,
        ),
        image_size=image_pb2.ImageSize(height=value.height, width=value.width),
        instance=_instance(source),
        intended_use=INTENDED_USE,
        likeness=None if value.likeness is None else _likeness(value.likeness),
    )


def _likeness(value: Likeness) -> classification_pb2.Likeness:
    return classification_pb2.Likeness(
        unlikeness=value.unlikeness,
        threshold=value.threshold,
        share=value.share,
        warns=value.warns,
        text=value.text,
    )


def model_set(value: LoadedSet) -> model_pb2.ModelSet:
    """Convert a model set."""
    return model_pb2.ModelSet(
        version=value.model_set.version,
        members=[version(name, number) for name, number in value.model_set.members.items()],
        created_time=timestamp(value.model_set.created),
        verdict=value.card.verdict,
    )


def model(card: ModelCard, applicability: Applicability | None, *, votes: bool) -> model_pb2.Model:
    """Convert what is known of a network: its card, and what it can be explained with once that was found out."""
    missing = applicability.missing if applicability else {}
    return model_pb2.Model(
        model=version(card.name, card.version),
        title=card.title,
        architecture=card.architecture,
        labels=_labels(card.labels),
        input_channels=card.input.channels,
        input_size=card.input.size,
        votes=votes,
        abilities=[need(one) for one in Need if applicability and one not in missing],
        limitation=_limitation(missing),
        refusals=[
            model_pb2.MethodRefusal(method=name, reason=reason)
            for name, reason in (applicability.refusals.items() if applicability else ())
        ],
        inspected=applicability is not None,
        metrics=_values(card.estimates),
        intervals=_intervals(card.estimates),
        verdict=card.verdict,
        baseline=card.baseline,
        calibrated=card.calibration is not None,
        created_time=timestamp(card.created),
        intended_use=card.intended_use,
    )


def ensemble(card: EnsembleCard) -> model_pb2.Model:
    """Convert what is known of a model set as one classifier: its majority vote."""
    return model_pb2.Model(
        model=version(card.name, card.version),
        title=card.title,
        architecture="majority vote",
        labels=_labels(card.labels),
        abilities=[need(Need.FORWARD)],
        limitation="A majority vote has no gradient and no layers.",
        inspected=True,
        metrics=_values(card.estimates),
        intervals=_intervals(card.estimates),
        verdict=card.verdict,
        baseline=card.baseline,
        calibrated=set(card.calibrated) == set(card.members),
        created_time=timestamp(card.created),
        intended_use=card.intended_use,
    )


def _labels(labels: Iterable[Label]) -> list[model_pb2.Label]:
    return [model_pb2.Label(name=one.name, implies=one.implies or "", threshold=one.threshold) for one in labels]


def _values(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    return {name: one.value for name, one in estimates.items() if one.value is not None}


def _intervals(estimates: Mapping[str, Estimate]) -> dict[str, model_pb2.Interval]:
    return {
        name: model_pb2.Interval(low=one.low, high=one.high)
        for name, one in estimates.items()
        if one.value is not None and one.low is not None and one.high is not None
    }


def _limitation(missing: Mapping[Need, str]) -> str:
    """Say each reason once, with all that is missing for it."""
    reasons: dict[str, list[str]] = {}
    for one, reason in missing.items():
        reasons.setdefault(reason, []).append(one.value)
    return " ".join(f"No {', '.join(needs)}: the network {reason}." for reason, needs in reasons.items())
