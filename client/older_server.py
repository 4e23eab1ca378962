"""What a server older than the question leaves unsaid: a map shall not pass for one that was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict

from .aggregates import ENSEMBLE
from .errors import Unsupported
from .events import Event, Heatmap
from .quality import Measurement, OutsideLungs

if TYPE_CHECKING:
    from ..protos import explanation_pb2
    from .results import MethodCatalogue

__all__ = ["check_plannable", "with_what_is_missing"]

_NO_MEASURES = "the server took no measure: it is older than measures of quality"
_NO_LUNGS = "It is not known how much lies outside the lungs: the server is older than the question."


def with_what_is_missing(event: Event, request: explanation_pb2.ExplainRequest) -> Event:
    """Say of a final map what was asked about it and the server did not answer.

    Parameters
    ----------
    event : Event
        Any event of the job.
    request : ExplainRequest
        What started it.

    Returns
    -------
    Event
        The same, or a map with a refusal in each place that is empty.
    """
    if not isinstance(event, Heatmap) or not event.final:
        return event
    of_network = event.aggregate is None and event.model.name != ENSEMBLE
    if of_network and request.measures and not event.measurements:
        refused = tuple(
            Measurement(call.name, MessageToDict(call.parameters), {}, _NO_MEASURES, 0.0) for call in request.measures
        )
        event = replace(event, measurements=refused)
    if request.HasField("lungs") and event.outside_lungs is None:
        event = replace(event, outside_lungs=OutsideLungs(None, None, _NO_LUNGS, request.lungs.segmenter))
    return event


def check_plannable(catalogue: MethodCatalogue) -> None:
    """Check that a server's plan counts the measures that are asked for.

    Raises
    ------
    Unsupported
        It knows no measures.
    """
    if not catalogue.measures:
        raise Unsupported("the server is older than measures of quality: its plan would leave them out")
