"""A part of a data set: some sources, some labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from .errors import LabelsError, PlanError
from .film import DataSet
from .labels import PAPER_HIERARCHY, make_labels
from .noticed import notice_anew

__all__ = ["select"]


def select(
    data_set: DataSet,
    *,
    sources: Collection[str] | None = None,
    labels: Sequence[str] | None = None,
    implies: Mapping[str, str] = PAPER_HIERARCHY,
) -> DataSet:
    """Keep the films of some sources, and those of which one of some labels is present.

    ``select(data, sources=["ieee8023"], labels=["COVID-19", "Pneumonia"])`` leaves films of COVID-19 and of other
    pneumonia, from one source.

    Parameters
    ----------
    data_set : DataSet
        Splits and groups are kept.
    sources : collection of str, optional
        With or without their parts: ``ieee8023`` is ``ieee8023/Eurorad`` too. Default: all.
    labels : sequence of str, optional
        Labels of the new data set, in the order of the logits; films with none of them present are left out.
    implies : mapping of str to str
        Hierarchy of these labels.

    Returns
    -------
    DataSet
        With what was left out, by reason.

    Raises
    ------
    LabelsError
        If there is no such label.
    PlanError
        If there is no such source, or no film is left.
    """
    films = data_set.films
    left_out = dict(data_set.left_out)
    made = data_set.labels
    if sources is not None:
        there = {film.source for film in films} | {film.main_source for film in films}
        unknown = sorted(set(sources).difference(there))
        if unknown:
            raise PlanError(f"there is no source {', '.join(unknown)}; there are {', '.join(sorted(there))}")
        kept = tuple(film for film in films if film.source in sources or film.main_source in sources)
        left_out["other source"] = len(films) - len(kept)
        films = kept
    if labels is not None:
        there = {name for film in data_set.films for name in film.known}
        unknown = sorted(set(labels).difference(there))
        if unknown:
            raise LabelsError(f"there is no label {', '.join(unknown)}; there are {', '.join(sorted(there))}")
        made = make_labels(labels, implies)
        kept = tuple(film for film in films if any(film.known.get(name) for name in labels))
        left_out["none of the labels"] = len(films) - len(kept)
        films = kept
    if not films:
        raise PlanError(f"{data_set.path}: no film of these sources and labels")
    left_out = {reason: count for reason, count in left_out.items() if count}
    selected = replace(data_set, films=films, labels=made, left_out=left_out)
    return replace(selected, warnings=notice_anew(selected, data_set))
