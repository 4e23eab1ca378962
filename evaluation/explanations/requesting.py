"""What is asked of a server for one film of an audit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from ...client import Classified, Event, Explanation, JobState, Precision, Priority, Progress, Unavailable
from ...client.plan import planned
from ...datasets import Film
from ..errors import EvaluationError
from .asked import AuditAsked

__all__ = ["Asker", "FilmAsked", "explain_film", "plan_film"]

Stream: TypeAlias = AbstractAsyncContextManager[AsyncIterator[Event]]


class Asker(Protocol):
    """What is needed of a client: `radiolucent.client.AsyncClient` is one."""

    @property
    def explain(self) -> Callable[..., Stream]:
        """Start a job, and stream its events."""


@dataclass(frozen=True)
class FilmAsked:
    """A film with its share of an audit.

    Parameters
    ----------
    film : Film
        The film.
    labels : tuple of str
        Labels to explain.
    measures : dict
        Parameters of the measures to take, by name.
    compared : bool
        Whether its maps are compared with those in float32.
    """

    film: Film
    labels: tuple[str, ...]
    measures: dict[str, dict[str, Any]]
    compared: bool = False

    @property
    def in_float32(self) -> FilmAsked:
        """What its maps are compared with: the same maps, not measured."""
        return replace(self, measures={}, compared=False)


def _request(client: Asker, one: FilmAsked, asked: AuditAsked, precision: Precision, **more: bool) -> Stream:
    return client.explain(
        one.film.path,
        asked.methods,
        models=list(asked.networks),
        targets=list(one.labels),
        measures=list(one.measures.items()),
        priority=Priority.BATCH,
        precision=precision,
        **more,
    )


async def plan_film(client: Asker, one: FilmAsked, asked: AuditAsked, precision: Precision) -> Classified:
    """Ask what a film would cost; nothing is run.

    Raises
    ------
    RadiolucentError
        As the client does.
    """
    async with _request(client, one, asked, precision, dry_run=True) as stream:
        first: Event | None = None
        async for event in stream:
            first = first or event
        return planned(first)


async def explain_film(
    client: Asker, one: FilmAsked, asked: AuditAsked, precision: Precision, tell: Callable[[float], None]
) -> Explanation:
    """Have a film explained, and measured.

    Parameters
    ----------
    client : Asker
        Whom to ask.
    one : FilmAsked
        What of.
    asked : AuditAsked
        The audit: networks and methods.
    precision : Precision
        In which networks compute.
    tell : callable
        Told the share of the work that is done, in [0, 1].

    Raises
    ------
    EvaluationError
        If another model set answered, or the server does not know the precision.
    RadiolucentError
        As the client does; `Unavailable` also where somebody stopped the job.
    """
    events: list[Event] = []
    async with _request(client, one, asked, precision, reconnect=True) as stream:
        async for event in stream:
            if isinstance(event, Progress):
                tell(event.job_fraction)
                continue
            if isinstance(event, Classified) and event.classification.model_set.version != asked.model_set:
                raise EvaluationError(
                    "the server changed its model set during the audit: use another --out for the new one"
                )
            events.append(event)
    explanation = Explanation.of(events)
    # A server from before there were others does not say that it computes in float32.
    if precision is not Precision.FLOAT32 and any(one.precision is not precision for one in explanation.heatmaps):
        raise EvaluationError(f"the server is older than {precision.value}: it answered in another precision")
    if explanation.summary is None or explanation.summary.state is not JobState.DONE:
        raise Unavailable("the job was stopped before its end")
    return explanation
