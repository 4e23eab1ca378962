"""From networks and films to stored profiles, one network after the other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import scipy
import torch

from ...datasets import Film
from ...handlers.lifting import NotLiftable
from ...handlers.profile import FEWEST_SERVED, ProfileGroup, ProfileLayer, ProfileRecord, load_record, save_profile
from ...handlers.vote import served_probabilities
from ..networks import run_networks
from ..progress import Progress, silent
from .asked import Asked, Made
from .contrasts import cluster, contrasts_of, order_of
from .errors import LayersUnknown, ProfileRefused
from .group import FEWEST, Group, keep_sound, without_few
from .grouping import groups_by_prediction, groups_of
from .profiling import sum_up
from .subjects import Subject, Subjects
from .sums import LayerSums
from .taps import tapped

__all__ = ["make_profiles"]

_UNSIGNED = "0" * 64  # `save_profile` sets it


def make_profiles(
    asked: Asked, subjects: Subjects, films: Sequence[Film], folder: Path, progress: Progress = silent
) -> Made:
    """Profile networks, and store each as soon as it is done.

    Parameters
    ----------
    asked : Asked
        What is wanted.
    subjects : Subjects
        The networks.
    films : sequence of Film
        What they are run on.
    folder : Path
        Receives what `radiolucent.handlers.profile.save_profile` writes.
    progress : callable
        Told how many films are done, network by network.

    Returns
    -------
    Made
        A network that cannot be lifted, or has none of the layers, is named; the others are complete.

    Raises
    ------
    ProfileRefused
        With everything that is wrong with what was asked; or if no network could be profiled.
    FilmsUnreadable
        With every film that cannot be read.
    """
    notes: dict[str, None] = {}
    common = _common_groups(asked, subjects, films, notes)
    records, failed = [], {}
    for subject in subjects.networks:
        name = subject.network.name
        try:
            groups = common or _own_groups(asked, subjects, subject, films, notes, progress)
            record = _profile(asked, subjects, subject, films, groups, folder, progress)
        except (NotLiftable, LayersUnknown) as error:
            failed[name] = str(error)
        except ProfileRefused as error:
            failed[name] = "; ".join(error.problems)
        else:
            records.append(record)
    if not records:
        raise ProfileRefused([f"{name}: {reason}" for name, reason in failed.items()])
    return Made(tuple(records), tuple(notes), failed)


def _common_groups(
    asked: Asked, subjects: Subjects, films: Sequence[Film], notes: dict[str, None]
) -> tuple[Group, ...]:
    """Return the groups that all networks share; none, where each has its own. Refuse what can be."""
    problems = []
    known = [label.name for label in subjects.labels]
    aligned = asked.alignment == "gradient"
    if aligned and not asked.grouping.by_label:
        problems.append("maps are aligned by the gradient of a group's label: group by label or label-x-prediction")
    groups: tuple[Group, ...] = ()
    if not asked.grouping.by_prediction:
        groups, missing = groups_of(asked.grouping, films, subjects.data_set.labels)
        groups, left_out = _sound(asked, groups, films)
        notes.update(dict.fromkeys((missing, *left_out) if missing else left_out))
        if len(groups) < 2:
            problems += [_too_few(asked), *left_out]
    if aligned and (strange := sorted({str(group.label) for group in groups}.difference(known))):
        problems.append(f"the networks have no label {', '.join(strange)} whose gradient could align maps")
    if problems:
        raise ProfileRefused(problems)
    return groups


def _sound(asked: Asked, groups: Sequence[Group], films: Sequence[Film]) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """Return the groups that are asked for and that a mean may be made of, and what was left out."""
    groups = [group for group in groups if not asked.labels or group.label in (None, *asked.labels)]
    groups, few = without_few(groups, films, FEWEST_SERVED) if asked.served else (tuple(groups), ())
    kept, left_out = keep_sound(groups, films)
    return kept, (*few, *left_out)


def _too_few(asked: Asked) -> str:
    if not asked.served:
        return f"fewer than two groups of films of {FEWEST} patients or more"
    return (
        f"fewer than two groups of films of {FEWEST_SERVED} patients or more: of fewer nothing is served; choose "
        "larger groups or more films, or profile without --store"
    )


def _own_groups(
    asked: Asked,
    subjects: Subjects,
    subject: Subject,
    films: Sequence[Film],
    notes: dict[str, None],
    progress: Progress,
) -> tuple[Group, ...]:
    """Return the groups of a network that depend on what it says: the votes that are served."""
    name = subject.network.name
    outputs = run_networks([subject.network], films, progress=progress, task=f"{name}: predictions")
    said = served_probabilities(outputs[name].logits, subject.decision.calibration)
    called = said >= np.asarray(subject.decision.thresholds, dtype=np.float32)
    groups, left_out = _sound(asked, groups_by_prediction(asked.grouping, films, subjects.labels, called), films)
    notes.update(dict.fromkeys(f"{name}: {note}" for note in left_out))
    if len(groups) < 2:
        raise ProfileRefused([_too_few(asked), *left_out])
    return groups


def _profile(
    asked: Asked,
    subjects: Subjects,
    subject: Subject,
    films: Sequence[Film],
    groups: Sequence[Group],
    folder: Path,
    progress: Progress,
) -> ProfileRecord:
    network = subject.network
    module, places = tapped(network, asked.layers)
    columns = {label.name: number for number, label in enumerate(subjects.labels)}
    sums = sum_up(
        module,
        places,
        network.spec,
        films,
        groups,
        columns=columns if asked.alignment == "gradient" else None,
        progress=progress,
        task=network.name,
    )
    means = [layer.means(FEWEST_SERVED if asked.served else 0) for layer in sums]
    if broken := [place.name for place, mean in zip(places, means, strict=True) if not np.isfinite(mean).all()]:
        raise ProfileRefused([f"its maps of {', '.join(broken)} hold values that are not finite"])
    record = ProfileRecord(
        name=asked.name,
        network=network.name,
        version=subject.version,
        model_sha256=subject.model_sha256,
        input=network.spec,
        data=subjects.data_set.name,
        manifest_sha256=subjects.data_set.checksum,
        split=asked.split,
        grouping=asked.groups,
        alignment=asked.alignment,
        groups=tuple(
            ProfileGroup(
                name=group.name,
                films=len(group.members),
                patients=len({films[member].group for member in group.members}),
            )
            for group in groups
        ),
        layers=tuple(_layer(layer, planes) for layer, planes in zip(sums, means, strict=True)),
        planes_sha256=_UNSIGNED,
        created=datetime.now(timezone.utc),
        versions={"torch": torch.__version__, "numpy": np.__version__, "scipy": scipy.__version__},
    )
    save_profile(folder, record, means)
    return load_record(folder, record.name, record.network)


def _layer(sums: LayerSums, means: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> ProfileLayer:
    contrasts = contrasts_of(means)
    distances, merges = cluster(contrasts)
    place = sums.place
    return ProfileLayer(
        name=place.name,
        channels=place.channels,
        height=place.height,
        width=place.width,
        constant=sums.constant(),
        unvarying=sums.unvarying(),
        order=order_of(contrasts),
        distances=distances,
        merges=merges,
    )
