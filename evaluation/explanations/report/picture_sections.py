"""The paper's figure, and the failure cases of the best network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...report.document import Cell, GridFigure, Section
from ..boxes import Box
from ..pictures import Pictures
from ..tables import AuditedFilm, AuditHead
from .choosing import FAILURES, answered, best_network, failures_of, shown
from .overlays import film_uri, overlay_uri, ramp_uri
from .wording import Words

__all__ = ["failures", "figures"]

_RAMPS = (
    ("speaks against the label", "speaks for it", True),
    ("does not matter", "matters (direction not told)", False),
)


def figures(head: AuditHead, pictures: Pictures, words: Words) -> Section:
    """Return networks x methods for chosen films."""
    cases = shown(head, pictures.grid)
    chosen = (
        "These films were asked for."
        if pictures.grid
        else "For each label two films are shown: the one of which the networks are surest, and the one of which "
        "they are least sure."
    )
    grids = [
        _grid(head, pictures, words, case, head.networks, f"film-{number}", "")
        for number, case in enumerate(cases, start=1)
    ]
    return Section(
        "The maps: networks x methods",
        (
            f"The paper's figure. {chosen} Each row is a network, each column a method; the X-ray alone stands beside. "
            "The maps explain the true label that is named above the figure, whether the network says it or not.",
            "What it can show: whether two networks, or two methods, look at the same places, and whether these are in "
            "the lungs. What it cannot show: that a place that is marked is diseased, or that a network needs no more "
            "than what is marked. Each map has its own scale, so equal colours in two maps are not equal amounts.",
            *_unread(grids),
        ),
        *_pictures(head, grids),
    )


def failures(head: AuditHead, pictures: Pictures, words: Words) -> Section | None:
    """Return what the network with the highest score misses; None where no card has a score."""
    best = best_network(head)
    if best is None:
        return None
    missed = failures_of(head, best)
    grids = [
        _grid(head, pictures, words, case, (best,), f"missed-{number}", "Missed: ")
        for number, case in enumerate(missed[:FAILURES], start=1)
    ]
    total = len(answered(head, best))
    text = [
        f"By its card's micro-F1 {best} is the best network. It misses {len(missed)} of the {total} true labels that "
        "were "
        f"explained here. {'Those' if len(missed) <= FAILURES else f'The {FAILURES}'} with the lowest probability of "
        "the "
        "true label are shown, with the maps of that label: what spoke for it, and what against."
        if missed
        else f"By its card's micro-F1 {best} is the best network. It misses no label that was explained here."
    ]
    if missed:
        text.append(
            "Look for: evidence at the right place that was not enough; evidence from the border, from letters or "
            "tubes; nothing at all. A map cannot say why the evidence was weighed so."
        )
    text += _unread(grids)
    return Section(f"Failure cases of the best network ({best})", tuple(text), *_pictures(head, grids))


def _pictures(
    head: AuditHead, grids: Sequence[GridFigure | None]
) -> tuple[tuple[GridFigure, ...], tuple[tuple[str, str, str], ...]]:
    """Return the grids that there are, and what their colours mean."""
    there = tuple(grid for grid in grids if grid is not None)
    return there, _ramps(head) if there else ()


def _unread(grids: Sequence[GridFigure | None]) -> list[str]:
    gone = sum(grid is None for grid in grids)
    return [f"{gone} of these {len(grids)} are not here: their X-rays cannot be read any more."] if gone else []


def _ramps(head: AuditHead) -> tuple[tuple[str, str, str], ...]:
    signs = {method.signed for method in head.methods}
    return tuple((low, high, ramp_uri(signed)) for low, high, signed in _RAMPS if signed in signs)


def _grid(
    head: AuditHead,
    pictures: Pictures,
    words: Words,
    case: tuple[AuditedFilm, str],
    networks: Sequence[str],
    name: str,
    before: str,
) -> GridFigure | None:
    film, label = case
    pixels = pictures.film(film.file)
    if pixels is None:
        return None
    rows = [
        (
            network,
            _said(film, network, label),
            tuple(_cell(pictures, words, film, network, method.name, label, method.signed) for method in head.methods),
        )
        for network in networks
    ]
    boxes = pictures.boxes(film.file, label)
    truth = ", ".join(known for known, true in film.known.items() if true)
    return GridFigure(
        title=f"{before}{label} ({film.file})",
        name=name,
        film=film_uri(pixels),
        alt=f"X-ray {film.file} without a map",
        width=float(pixels.shape[1]),
        height=float(pixels.shape[0]),
        columns=tuple(words.method(method.name) for method in head.methods),
        rows=tuple(rows),
        note=f"True labels: {truth}. Source: {film.source}{f', view {film.view}' if film.view else ''}. Under each "
        f"network: its probability of {label}, and whether it says so."
        + (f" Green: where readers marked the disease ({_named(boxes)})." if boxes else ""),
        boxes=tuple((box.x, box.y, box.width, box.height) for box in boxes),
    )


def _named(boxes: Sequence[Box]) -> str:
    return ", ".join(dict.fromkeys(box.label for box in boxes))


def _said(film: AuditedFilm, network: str, label: str) -> str:
    probability = film.probabilities.get(network, {}).get(label)
    said = "says it" if label in film.called.get(network, ()) else "does not say it"
    return said if probability is None else f"{probability:.2f}, {said}"


def _cell(
    pictures: Pictures, words: Words, film: AuditedFilm, network: str, method: str, label: str, signed: bool
) -> Cell:
    found = pictures.map(film.file, network, method, label)
    what = f"{words.method(method)} of {network} for {label}"
    if found is None or not np.isfinite(found[0]).all():
        return Cell(f"No map: {what}")
    values, affine = found
    height, width = values.shape
    return Cell(
        what,
        overlay_uri(values, signed),
        affine.offset_x,
        affine.offset_y,
        affine.scale_x * width,
        affine.scale_y * height,
    )
