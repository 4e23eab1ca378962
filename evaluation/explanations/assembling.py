"""From the records of films to the tables of an audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ...client import Sign
from ...datasets import DataSet, Film
from .asked import AuditAsked
from .choosing import Chosen
from .float32_beside import least_alike
from .number_tables import significant
from .offered import Offered, defaults
from .quantities import quantities_of
from .records import FilmRecord
from .tables import AuditedFilm, AuditHead, AuditTables, Failed, Measured, MethodAsked

__all__ = ["assemble", "not_explained"]


def assemble(
    asked: AuditAsked, data_set: DataSet, chosen: Chosen, offered: Offered, records: Sequence[FilmRecord]
) -> AuditTables:
    """Make the tables of what came from the server; what is found of the stored maps is added to them.

    Parameters
    ----------
    asked : AuditAsked
        The audit.
    data_set : DataSet
        Its films.
    chosen : Chosen
        Those that were drawn.
    offered : Offered
        What the server has.
    records : sequence of FilmRecord
        Of finished films, and of those that failed.

    Returns
    -------
    AuditTables
        Films ordered by name; a film that was refused has a failure and no place among them.
    """
    films = {film.file: film for film in chosen.films}
    in_order = sorted(records, key=lambda record: record.file)
    ran = _ran_with(record.method_parameters for record in in_order)
    measured_with = _ran_with(record.measure_parameters for record in in_order)
    measured = [Measured(record.file, *row) for record in in_order for row in record.measured]
    worker_seconds: Counter[str] = Counter()
    for record in in_order:
        worker_seconds.update(record.worker_seconds)
    head = AuditHead(
        data=data_set.name,
        manifest_sha256=data_set.checksum,
        split=asked.split,
        labels=offered.labels,
        networks=tuple(asked.networks),
        network_versions=dict(asked.networks),
        network_weights=dict(asked.weights),
        input_sizes={name: offered.input_sizes[name] for name in asked.networks},
        methods=tuple(
            MethodAsked(
                name=name,
                title=offered.methods[name].title,
                parameters=ran.get(name, defaults(offered.methods[name].parameters_schema, parameters)),
                signed=offered.methods[name].sign is Sign.SIGNED,
            )
            for name, parameters in asked.methods.items()
        ),
        quantities=quantities_of(
            list(asked.measures),
            offered.measures,
            {**asked.measures, **measured_with},
            beside_float32=asked.float32_films > 0,
        ),
        films=tuple(_film(films[record.file], record) for record in in_order if record.probabilities),
        chosen=f"{chosen.words}{_fewer(asked, offered)}",
        precision=_in_precision(asked, in_order, measured),
        seed=asked.seed,
        seconds=significant(sum(record.seconds for record in in_order)),
        worker_seconds={name: significant(seconds) for name, seconds in sorted(worker_seconds.items())},
        created=datetime.now(timezone.utc),
        versions=offered.versions,
        shortcut_verdict=offered.verdict,
        scores={name: scores for name, scores in offered.scores.items() if name in (*asked.networks, "majority")},
    )
    failed = [Failed(record.file, *row) for record in in_order for row in record.failed]
    failed += [Failed(file, "", "", "", "map", f"the X-ray cannot be read: {why}") for file, why in chosen.unreadable]
    return AuditTables(head, measured, (), [*failed, *not_explained(asked, chosen)])


def not_explained(asked: AuditAsked, chosen: Chosen) -> list[Failed]:
    """Name the labels of which no film was drawn."""
    there = {label for labels in chosen.explained.values() for label in labels}
    reason = f"no X-ray that was drawn of the split {asked.split} is known to have it"
    return [Failed("", "", "", label, "map", reason) for label in asked.labels if label not in there]


def _film(film: Film, record: FilmRecord) -> AuditedFilm:
    return AuditedFilm(
        file=film.file,
        group=film.group,
        source=film.source,
        view=film.view,
        known=dict(film.known),
        explained=record.explained,
        probabilities={
            network: {label: significant(value) for label, value in values.items()}
            for network, values in record.probabilities.items()
        },
        called=record.called,
    )


def _ran_with(records: Iterable[Mapping[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        for name, parameters in record.items():
            found.setdefault(name, parameters)
    return found


def _in_precision(asked: AuditAsked, records: Sequence[FilmRecord], measured: Sequence[Measured]) -> str:
    """Say what was not computed in float32, and what that did."""
    if asked.precision == "float32":
        return ""
    largest = max((record.output_error for record in records), default=0.0)
    return (
        f"Networks were explained and measured in {asked.precision}, which moved an explained output by at most "
        f"{largest:.2g}, in its units. {least_alike(measured)}"
    ).rstrip()


def _fewer(asked: AuditAsked, offered: Offered) -> str:
    taken = {offered.measures[name].family for name in asked.measures}
    parts = [
        f" Measures of {kind} were taken on the first {most} drawn."
        for kind, most in (("robustness", asked.robustness_films), ("randomisation", asked.randomisation_films))
        if most is not None and kind in taken
    ]
    return "".join(parts)
