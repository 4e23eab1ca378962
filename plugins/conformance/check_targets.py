"""A map is of its target, and of no other."""

from __future__ import annotations

import torch

from ..heatmap import heatmap
from .breach import Breach
from .networks import OTHER, OWN, SIZE, apart, ordinary
from .subject import TARGETS, Subject

__all__ = ["check_target_sensitivity", "check_targets_together"]

_CONTRAST = 2.0
"""A map must be this many times stronger where its output looks than where only the other does."""
_TOLERANCE = 1e-4
"""Of a map's largest magnitude: batches of another size round otherwise."""


def check_target_sensitivity(subject: Subject) -> None:
    """Explain two outputs that look at disjoint patches of the image."""
    recording = subject.record(apart(subject.channels), (0, 1))
    nobody = torch.ones(SIZE, SIZE, dtype=torch.bool)
    for rows, columns in (OWN, OTHER):
        nobody[max(0, rows.start - 4) : rows.stop + 4, max(0, columns.start - 4) : columns.stop + 4] = False
    for target, (own, other) in enumerate(((OWN, OTHER), (OTHER, OWN))):
        values = recording.final(target).values
        plane = heatmap(values, signed=subject.method.signed, channels=subject.method.channels)
        # Some methods have an offset everywhere (a masked image's mean output); what stands out counts.
        strength = (plane - plane[nobody].median()).abs()
        here, there = float(strength[own].mean()), float(strength[other].mean())
        if here == 0 and there == 0:
            raise Breach(f"the map of target {target} is flat although that output depends on the image")
        if here < _CONTRAST * there:
            raise Breach(
                f"the map of target {target} has the strength {here:.3g} where that output looks, and {there:.3g} "
                "where only another output looks; explain model(...)[:, target] of the map's own target, and nothing "
                "else"
            )


def check_targets_together(subject: Subject) -> None:
    """Explain targets together and alone, in either order."""
    case = ordinary(subject.channels)
    together = subject.whole
    backwards = subject.record(case, tuple(reversed(TARGETS)))
    for target in TARGETS:
        alone = subject.alone(target).final(target).values
        room = _TOLERANCE * float(alone.abs().max()) + 1e-12
        for which, recording in (("together with others", together), ("in another order", backwards)):
            off = float((recording.final(target).values - alone).abs().max())
            if off > room:
                raise Breach(
                    f"target {target} gets another map {which} than alone, off by {off:.3g}; let no target see what "
                    "was computed or drawn for another (seed the generator anew for each target)"
                )
