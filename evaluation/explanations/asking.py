"""Ask a server to explain and measure one film, and make a record of what it says."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...client import (
    Classification,
    Explanation,
    Failure,
    Heatmap,
    InvalidRequest,
    ItemSummary,
    Measurement,
    Precision,
    Unavailable,
)
from ...handlers import Affine
from ...plugins.reduced import ERROR
from .asked import AuditAsked
from .float32_beside import alike
from .records import FilmMaps, FilmRecord, MapName
from .requesting import Asker, FilmAsked, explain_film, plan_film

__all__ = ["FilmExplained", "ask_film", "blames_film", "refused_film"]


@dataclass(frozen=True, eq=False)
class FilmExplained:
    """A film that is finished.

    Parameters
    ----------
    record : FilmRecord
        What is known of it, but for the seconds.
    maps : FilmMaps, optional
        Its maps; None where it was refused.
    """

    record: FilmRecord
    maps: FilmMaps | None = None


async def ask_film(
    client: Asker, one: FilmAsked, asked: AuditAsked, tell: Callable[[float], None] = lambda fraction: None
) -> FilmExplained:
    """Explain and measure a film.

    Parameters
    ----------
    client, one, asked, tell
        As `explain_film` takes them; the work is that of both precisions where maps are compared.

    Returns
    -------
    FilmExplained
        With a failure for each map and each number that there is not.

    Raises
    ------
    EvaluationError
        If another model set answered.
    RadiolucentError
        As the client does; `Unavailable` also where somebody stopped the job.
    """
    precision = Precision(asked.precision)
    if not one.compared:
        return _record(one, asked, await explain_film(client, one, asked, precision, tell))
    work = [
        (await plan_film(client, two, asked, of)).estimated_work_s or 1.0
        for two, of in ((one, precision), (one.in_float32, Precision.FLOAT32))
    ]
    first = work[0] / sum(work)
    explanation = await explain_film(client, one, asked, precision, lambda share: tell(first * share))
    exact = await explain_film(
        client, one.in_float32, asked, Precision.FLOAT32, lambda share: tell(first + (1 - first) * share)
    )
    return _record(one, asked, explanation, exact)


def blames_film(error: InvalidRequest) -> bool:
    """Tell whether a request was refused for its X-ray alone, so that other films may fare better."""
    return bool(error.violations) and all(one.field.startswith("xray") for one in error.violations)


def refused_film(one: FilmAsked, reason: str) -> FilmExplained:
    """Make the record of a film of which nothing was explained."""
    return FilmExplained(
        FilmRecord(
            file=one.film.file,
            explained=one.labels,
            probabilities={},
            called={},
            measured=(),
            failed=(("", "", "", "map", reason),),
            method_parameters={},
            measure_parameters={},
            worker_seconds={},
            seconds=0.0,
        )
    )


def _record(
    one: FilmAsked, asked: AuditAsked, explanation: Explanation, exact: Explanation | None = None
) -> FilmExplained:
    if explanation.classification is None:
        raise Unavailable("the server explained, but did not classify")
    classification = explanation.classification
    maps = _maps(explanation)
    measured: list[tuple[str, str, str, str, float]] = []
    failed = _missing(maps, one, asked, explanation.failures)
    measuring: defaultdict[tuple[str, str], float] = defaultdict(float)
    worker_seconds: defaultdict[str, float] = defaultdict(float)
    measure_parameters: dict[str, dict[str, Any]] = {}
    for name, found in maps.items():
        if found.missed_share is not None and math.isfinite(found.missed_share):
            measured.append((*name, "completeness.missed_share", found.missed_share))
        elif found.missed_share is not None:
            failed.append((*name, "completeness", f"the missed share is {found.missed_share}"))
        answered = set()
        for measurement in _measurements(found):
            answered.add(measurement.measure)
            measure_parameters[measurement.measure] = measurement.parameters
            measuring[name[:2]] += measurement.elapsed_s
            worker_seconds[f"measure {measurement.measure}"] += measurement.elapsed_s
            numbers, problems = _numbers(measurement)
            measured += [(*name, quantity, value) for quantity, value in numbers.items()]
            failed += [(*name, measurement.measure, problem) for problem in problems]
        failed += [
            (*name, measure, "the server sent no number and no reason")
            for measure in one.measures
            if measure not in answered
        ]
    if exact is not None:
        beside = _maps(exact)
        reasons = {row[:3]: row[-1] for row in _missing(beside, one, asked, exact.failures)}
        correlations, without = alike(_values(maps), _values(beside), reasons)
        measured += correlations
        failed += without
        worker_seconds["float32 beside"] = sum(item.elapsed_s for item in _items(exact))
    for item in _items(explanation):
        pair = item.item.model.name, item.item.method
        # An item's time has that of measuring its maps in it.
        seconds = max(0.0, item.elapsed_s - measuring[pair])
        passes = item.forward_passes - item.measured_passes
        worker_seconds[f"method {pair[1]}"] += seconds
        for label in item.delivered:
            measured.append((*pair, label, "cost.seconds", seconds / len(item.delivered)))
            measured.append((*pair, label, "cost.passes", passes / len(item.delivered)))
    record = FilmRecord(
        file=one.film.file,
        explained=one.labels,
        **_said(classification),
        measured=tuple(measured),
        failed=tuple(failed),
        method_parameters={found.method: found.parameters for found in maps.values()},
        measure_parameters=measure_parameters,
        worker_seconds=dict(worker_seconds),
        seconds=0.0,
        output_error=max((abs(one.facts.get(ERROR, 0.0)) for one in maps.values()), default=0.0),
    )
    places = {found.model.name: found.affine for found in maps.values()}
    affines = {name: Affine(one.scale_x, one.scale_y, one.offset_x, one.offset_y) for name, one in places.items()}
    size = classification.image_size
    kept = FilmMaps(_values(maps), affines, (size.height, size.width))
    return FilmExplained(record, kept)


def _maps(explanation: Explanation) -> dict[MapName, Heatmap]:
    return {(found.model.name, found.method, found.label): found for found in explanation.heatmaps}


def _items(explanation: Explanation) -> Sequence[ItemSummary]:
    return () if explanation.summary is None else explanation.summary.items


def _values(maps: Mapping[MapName, Heatmap]) -> dict[MapName, NDArray[np.float32]]:
    return {name: found.values for name, found in maps.items()}


def _measurements(heatmap: Heatmap) -> Sequence[Measurement]:
    found = heatmap.measurements
    return found


def _numbers(measurement: Measurement) -> tuple[dict[str, float], list[str]]:
    if measurement.refusal:
        return {}, [measurement.refusal]
    finite = {name: value for name, value in measurement.values.items() if math.isfinite(value)}
    problems = [f"{name} is {value}" for name, value in measurement.values.items() if name not in finite]
    return {f"{measurement.measure}.{name}": value for name, value in finite.items()}, problems


def _missing(
    maps: Mapping[MapName, Heatmap], one: FilmAsked, asked: AuditAsked, failures: Sequence[Failure]
) -> list[tuple[str, str, str, str, str]]:
    reasons = {
        (failure.item.model.name, failure.item.method, label): failure.message
        for failure in failures
        for label in failure.item.labels
    }
    wanted = [
        (network, method, label) for network in asked.networks for method in asked.methods for label in one.labels
    ]
    silence = "the server sent no map and no reason"
    return [(*name, "map", reasons.get(name) or silence) for name in wanted if name not in maps]


def _said(classification: Classification) -> dict[str, Any]:
    labels = [vote.label for vote in classification.labels]
    probabilities = {
        answer.model.name: dict(zip(labels, answer.probabilities, strict=True)) for answer in classification.answers
    }
    probabilities["mean"] = {vote.label: vote.mean_probability for vote in classification.labels}
    called = {
        answer.model.name: tuple(label for label, voted in zip(labels, answer.votes, strict=True) if voted)
        for answer in classification.answers
    }
    called["majority"] = classification.majority
    return {"probabilities": probabilities, "called": called}
