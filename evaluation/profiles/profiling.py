"""One network over films: group means of its activations, and its dead maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from ...datasets import Film
from ...handlers import InputSpec, preprocess
from ..film_reading import read_each
from ..progress import Progress, silent
from .aligning import peaks_of, shift_to_centre
from .group import Group, weights_of
from .places import Place
from .sums import LayerSums, Shift

__all__ = ["sum_up"]

_BATCH = 16


def sum_up(
    module: fx.GraphModule,
    places: Sequence[Place],
    spec: InputSpec,
    films: Sequence[Film],
    groups: Sequence[Group],
    *,
    columns: Mapping[str, int] | None = None,
    progress: Progress = silent,
    task: str = "profile",
) -> tuple[LayerSums, ...]:
    """Run a network on films; keep the activations of one batch, and what is summed up.

    Parameters
    ----------
    module : torch.fx.GraphModule
        As `tapped` makes it.
    places : sequence of Place
        The activations that it answers.
    spec : InputSpec
        What it expects to see.
    films : sequence of Film
        Which; those of no group count for dead maps.
    groups : sequence of Group
        Of these films.
    columns : mapping of str to int, optional
        To align maps by the gradient of each group's label: place of the labels among the logits.
    progress : callable
        Told how many films are done.
    task : str
        What to call it there.

    Returns
    -------
    tuple of LayerSums
        One for each place.

    Raises
    ------
    FilmsUnreadable
        With every film that cannot be read.
    """
    weights = torch.from_numpy(weights_of(groups, films))
    sums = tuple(LayerSums(place, len(groups)) for place in places)
    wanted = {group.label: columns[group.label] for group in groups if group.label} if columns is not None else {}
    done = 0
    progress(task, 0, len(films))
    for images in _batches(films, spec):
        batch = weights[done : done + len(images)]
        with torch.set_grad_enabled(bool(wanted)):
            logits, activations = module(images.requires_grad_(bool(wanted)))
            peaks = peaks_of(images, logits, wanted)
        for layer, maps in zip(sums, activations, strict=True):
            layer.add(maps, batch, _shifts(peaks, groups, layer.place, len(images)) if wanted else None)
        done += len(images)
        progress(task, done, len(films))
    return sums


def _shifts(
    peaks: Mapping[str, Sequence[tuple[float, float]]], groups: Sequence[Group], place: Place, films: int
) -> list[list[Shift]]:
    by_label = {label: [shift_to_centre(peak, place) for peak in found] for label, found in peaks.items()}
    return [[by_label[str(group.label)][film] for group in groups] for film in range(films)]


def _batches(films: Sequence[Film], spec: InputSpec) -> Iterator[torch.Tensor]:
    images: Iterator[NDArray[np.float32]] = read_each(films, lambda image: preprocess(image, spec).tensor)
    while chunk := list(islice(images, _BATCH)):
        yield torch.from_numpy(np.stack(chunk))
