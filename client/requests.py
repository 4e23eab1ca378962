"""From a caller's arguments to the contract's requests."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Union

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from ..protos import classification_pb2, explanation_pb2, image_pb2, profile_pb2
from .aggregates import AGGREGATES, Aggregation, Aggregations, Agreement, Evidence, Mean
from .errors import InvalidRequest, Violation
from .events import ExplainedOutput
from .job import Priority
from .precision import Precision
from .quality import Measures
from .results import InstanceReference

__all__ = ["MAX_SEND_BYTES", "XRayFile", "classify", "explain", "profile", "read", "read_mask"]

XRayFile = Union[bytes, str, "os.PathLike[str]"]
"""An X-ray: the bytes of a DICOM, PNG or JPEG file, or the path of one."""

MAX_SEND_BYTES = 40 * 1024 * 1024
"""Largest request that is sent at all. The server's own limit (32 MiB unless set otherwise) is in its ServerInfo."""

_OUTPUTS = {
    ExplainedOutput.LOGIT: explanation_pb2.EXPLAINED_OUTPUT_LOGIT,
    ExplainedOutput.PROBABILITY: explanation_pb2.EXPLAINED_OUTPUT_PROBABILITY,
    ExplainedOutput.VOTES: explanation_pb2.EXPLAINED_OUTPUT_VOTES,
}


_PRIORITIES = {
    Priority.UNSPECIFIED: explanation_pb2.PRIORITY_UNSPECIFIED,
    Priority.INTERACTIVE: explanation_pb2.PRIORITY_INTERACTIVE,
    Priority.BATCH: explanation_pb2.PRIORITY_BATCH,
}
_PRECISIONS = {
    Precision.UNSPECIFIED: explanation_pb2.PRECISION_UNSPECIFIED,
    Precision.FLOAT32: explanation_pb2.PRECISION_FLOAT32,
    Precision.BFLOAT16: explanation_pb2.PRECISION_BFLOAT16,
}


def read_mask(mask: XRayFile | None) -> bytes | None:
    """Read a mask of the lungs, where there is one; see :func:`read`."""
    return None if mask is None else read(mask, "lungs.mask")


def read(xray: XRayFile, field: str = "xray.file") -> bytes:
    """Read an X-ray.

    Parameters
    ----------
    xray : bytes, str or path
        The encoded file or its path.
    field : str
        Where it goes in the request.

    Returns
    -------
    bytes
        The encoded file.

    Raises
    ------
    InvalidRequest
        The file is larger than can be sent; it is not read then.
    OSError
        The file cannot be read.
    """
    if isinstance(xray, bytes):
        size, encoded = len(xray), xray
    else:
        path = Path(xray)
        size = path.stat().st_size
        encoded = b"" if size > MAX_SEND_BYTES else path.read_bytes()
    if size > MAX_SEND_BYTES:
        what = "mask of the lungs" if field == "lungs.mask" else "file"
        message = f"the {what} has {size} bytes, more than the {MAX_SEND_BYTES} that can be sent"
        raise InvalidRequest(message, (Violation(field, message),))
    return encoded


def _xray(encoded: bytes, instance: InstanceReference | None) -> image_pb2.XRay:
    xray = image_pb2.XRay(file=encoded)
    if instance is not None:
        xray.instance.study_instance_uid = instance.study_instance_uid
        xray.instance.series_instance_uid = instance.series_instance_uid
        xray.instance.sop_instance_uid = instance.sop_instance_uid
        xray.instance.frame_number = instance.frame_number
    return xray


def classify(encoded: bytes, instance: InstanceReference | None) -> classification_pb2.ClassifyRequest:
    """Ask for a classification."""
    return classification_pb2.ClassifyRequest(xray=_xray(encoded, instance))


def _struct(field: str, name: str, parameters: Mapping[str, Any]) -> Struct:
    struct = Struct()
    try:
        json_format.ParseDict(dict(parameters), struct)
    except (json_format.ParseError, TypeError, ValueError) as error:
        message = f"the parameters of {name} are not JSON values: {error}"
        raise InvalidRequest(message, (Violation(f"{field}.parameters", message),)) from error
    return struct


def _method(name: str, parameters: Mapping[str, Any]) -> explanation_pb2.MethodCall:
    return explanation_pb2.MethodCall(name=name, parameters=_struct("methods", name, parameters))


def _measures(measures: Measures) -> list[explanation_pb2.MeasureCall]:
    if isinstance(measures, str):
        measures = [measures]
    named = measures.items() if isinstance(measures, Mapping) else measures
    pairs: list[tuple[str, Mapping[str, Any]]] = [(one, {}) if isinstance(one, str) else one for one in named]
    return [
        explanation_pb2.MeasureCall(name=name, parameters=_struct("measures", name, parameters))
        for name, parameters in pairs
    ]


def _lungs(mask: bytes | None, segmenter: str | None) -> explanation_pb2.Lungs | None:
    if mask is not None and segmenter is not None:
        message = "give a mask of the lungs or name a segmenter, not both"
        raise InvalidRequest(message, (Violation("lungs", message),))
    if mask is not None:
        return explanation_pb2.Lungs(mask=mask)
    return None if segmenter is None else explanation_pb2.Lungs(segmenter=segmenter)


def _targets(targets: str | Sequence[str]) -> explanation_pb2.TargetSelection:
    if targets == "predicted":
        return explanation_pb2.TargetSelection(predicted=explanation_pb2.Predicted())
    if targets == "all":
        return explanation_pb2.TargetSelection(all=explanation_pb2.AllLabels())
    if targets == "not_predicted":
        return explanation_pb2.TargetSelection(not_predicted=explanation_pb2.NotPredicted())
    names = [targets] if isinstance(targets, str) else list(targets)
    return explanation_pb2.TargetSelection(labels=explanation_pb2.NamedLabels(names=names))


def _output(output: ExplainedOutput | str | None) -> explanation_pb2.ExplainedOutput.ValueType:
    if output is None:
        return explanation_pb2.EXPLAINED_OUTPUT_UNSPECIFIED
    try:
        return _OUTPUTS[ExplainedOutput(output)]
    except (KeyError, ValueError):
        message = f"output is {output!r}; there are 'logit', 'probability' and 'votes'"
        raise InvalidRequest(message, (Violation("output", message),)) from None


def _priority(priority: Priority | str) -> explanation_pb2.Priority.ValueType:
    try:
        return _PRIORITIES[Priority(priority)]
    except ValueError:
        message = f"priority is {priority!r}; there are 'interactive' and 'batch'"
        raise InvalidRequest(message, (Violation("priority", message),)) from None


def _precision(precision: Precision | str) -> explanation_pb2.Precision.ValueType:
    try:
        return _PRECISIONS[Precision(precision)]
    except ValueError:
        message = f"precision is {precision!r}; there are 'float32' and 'bfloat16'"
        raise InvalidRequest(message, (Violation("precision", message),)) from None


def _aggregation(asked: str | Aggregation) -> explanation_pb2.Aggregation:
    one = AGGREGATES.get(asked) if isinstance(asked, str) else asked
    if isinstance(one, Mean):
        return explanation_pb2.Aggregation(mean=explanation_pb2.NormalisedMean())
    if not isinstance(one, Agreement):
        message = f"an aggregate is {asked!r}; there are {', '.join(AGGREGATES)}"
        raise InvalidRequest(message, (Violation("aggregations", message),))
    if one.networks < 0 or not 0 < one.top_share < 1:  # 0 would mean the default
        message = f"an agreement needs networks of 0 or more and a top_share above 0 and below 1, not {one}"
        raise InvalidRequest(message, (Violation("aggregations", message),))
    against = one.evidence is Evidence.AGAINST
    agreement = explanation_pb2.Agreement(
        networks=one.networks,
        top_share=one.top_share,
        evidence=explanation_pb2.EVIDENCE_AGAINST if against else explanation_pb2.EVIDENCE_FOR,
    )
    return explanation_pb2.Aggregation(agreement=agreement)


def explain(
    encoded: bytes,
    *,
    methods: Sequence[str] | Mapping[str, Mapping[str, Any]] | str,
    models: Sequence[str],
    targets: str | Sequence[str],
    output: ExplainedOutput | str | None,
    aggregates: Aggregations,
    partial: bool,
    attributions: bool,
    inputs: bool,
    keep: bool,
    instance: InstanceReference | None,
    request_id: str | None,
    dry_run: bool,
    priority: Priority | str,
    measures: Measures,
    lung_mask: bytes | None,
    lung_segmenter: str | None,
    precision: Precision | str,
) -> explanation_pb2.ExplainRequest:
    """Ask for an explanation; the arguments are those of :meth:`radiolucent.client.Client.explain`.

    Raises
    ------
    InvalidRequest
        An argument that no server could understand.
    """
    if isinstance(methods, str):
        methods = [methods]
    calls = methods.items() if isinstance(methods, Mapping) else [(name, {}) for name in methods]
    if isinstance(aggregates, (str, Mean, Agreement)):
        aggregates = [aggregates]
    return explanation_pb2.ExplainRequest(
        request_id=request_id or str(uuid.uuid4()),
        xray=_xray(encoded, instance),
        methods=[_method(name, parameters) for name, parameters in calls],
        models=[models] if isinstance(models, str) else list(models),
        targets=_targets(targets),
        output=_output(output),
        aggregations=[_aggregation(one) for one in aggregates],
        partial_heatmaps=partial,
        keep_after_disconnect=keep,
        attributions=attributions,
        inputs=inputs,
        dry_run=dry_run,
        priority=_priority(priority),
        measures=_measures(measures),
        lungs=_lungs(lung_mask, lung_segmenter),
        precision=_precision(precision),
    )


def profile(name: str, network: str, layers: Sequence[str], strongest: int) -> profile_pb2.StreamProfileRequest:
    """Ask for a profile; the arguments are those of :meth:`radiolucent.client.Client.profile`.

    Raises
    ------
    InvalidRequest
        A number of feature maps that is none.
    """
    if not 0 <= strongest < 2**32:
        message = f"strongest is {strongest}; it is a number of feature maps, and 0 stands for 10"
        raise InvalidRequest(message, (Violation("strongest", message),))
    return profile_pb2.StreamProfileRequest(
        name=name,
        network=network,
        layers=[layers] if isinstance(layers, str) else list(layers),
        strongest=strongest,
    )
