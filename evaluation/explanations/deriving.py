"""What follows from the stored maps without a server: where they point, what lies outside the lungs, how they agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ...datasets import DataSet, Film
from ..progress import Progress, silent
from .agreement import agreements
from .average_mask import AVERAGE_MASK, average_evidence, average_of
from .evidence import Evidence, PlacedMap, bring
from .grid import FilmGrid, FloatPlane
from .localising import LOCALISATION_QUANTITIES, measure_localisation
from .lung_masks import BOXES
from .lungs import LUNG_QUANTITIES, measure_lungs
from .stored_maps import StoredMaps
from .tables import Agreed, AuditTables, Failed, Measured
from .truths import Truths, read_truths

__all__ = ["derive"]

_QUANTITIES = (*LOCALISATION_QUANTITIES, *LUNG_QUANTITIES)
_FROM_MAPS = ("localisation", "lungs", "agreement")


def derive(tables: AuditTables, data_set: DataSet, maps: StoredMaps, progress: Progress = silent) -> AuditTables:
    """Put what follows from maps into the tables; what was there of it is replaced.

    Parameters
    ----------
    tables : AuditTables
        Of an audit.
    data_set : DataSet
        Its films; the training films make the average mask.
    maps : StoredMaps
        What it kept.
    progress : callable
        Told how far it is.

    Returns
    -------
    AuditTables
        With localisation, lungs and agreement, and a failure for each that there is not.
    """
    audited = {film.file for film in tables.head.films}
    films = [film for film in data_set.films if film.file in audited]
    truths = read_truths(data_set.path, films, progress=partial(progress, "boxes and masks"))
    averages, problems = _averages(data_set, films, truths, progress)
    names = {quantity.name for quantity in _QUANTITIES}
    measured = [row for row in tables.measured if row.quantity not in names]
    agreed: list[Agreed] = []
    failed = [row for row in tables.failed if row.what not in _FROM_MAPS]
    failed += [Failed("", "", "", "", "localisation", note) for note in truths.notes]
    failed += [*truths.failed, *problems]
    for done, film in enumerate(tables.head.films, 1):
        numbers, alike, missing = _of_film(film.file, maps, truths, averages)
        measured += numbers
        agreed += alike
        failed += missing
        progress("comparing maps", done, len(tables.head.films))
    others = tuple(quantity for quantity in tables.head.quantities if quantity.name not in names)
    of_film = {file: [one.kind for one in lungs if one.kind != BOXES] for file, lungs in truths.lungs.items()}
    films_told = tuple(
        film.model_copy(update={"lung_kind": next(iter(of_film.get(film.file, ())), "")}) for film in tables.head.films
    )
    head = tables.head.model_copy(update={"quantities": (*others, *_QUANTITIES), "films": films_told})
    return replace(tables, head=head, measured=measured, agreed=agreed, failed=failed)


def _averages(
    data_set: DataSet, audited: Sequence[Film], truths: Truths, progress: Progress
) -> tuple[dict[str, FloatPlane], Sequence[Failed]]:
    """Return the mean of the training films' boxes, for every label of which an audited film has some."""
    labels = sorted({label for disease in truths.disease.values() for label in disease})
    if not labels:
        return {}, ()
    # Where training films are audited: an average that holds a patient's own boxes would know the film.
    patients = {film.group for film in audited}
    training = [film for film in data_set.of("train") if film.group not in patients]
    known = read_truths(data_set.path, training, progress=partial(progress, "boxes of training films"))
    averages = {}
    failed = [row for row in known.failed if row.what == "localisation"]
    for label in labels:
        found = average_of(known, training, label)
        if found is None:
            reason = "no training film of another patient has its disease marked"
            failed.append(Failed("", "", AVERAGE_MASK, label, "localisation", reason))
        else:
            averages[label] = found[0]
    return averages, failed


def _of_film(
    file: str, maps: StoredMaps, truths: Truths, averages: dict[str, FloatPlane]
) -> tuple[list[Measured], list[Agreed], list[Failed]]:
    stored = maps.of(file)
    if stored is None:
        return [], [], [Failed(file, "", "", "", what, "the stored maps are gone") for what in _FROM_MAPS]
    grid = truths.grids.get(file) or FilmGrid(*stored.shape)
    evidence = [
        bring(PlacedMap(network, method, label, values, stored.affines[network]), grid)
        for (network, method, label), values in stored.maps.items()
    ]
    explained = {one.label for one in evidence}
    average: list[Evidence] = [
        average_evidence(averages[label], grid, label)
        for label in truths.disease.get(file, {})
        if label in explained and label in averages
    ]
    pointing, nowhere = measure_localisation(file, [*evidence, *average], truths)
    outside, unknown = measure_lungs(file, evidence, truths)
    alike, unlike = agreements(file, evidence)
    return [*pointing, *outside], alike, [*nowhere, *unknown, *unlike]
