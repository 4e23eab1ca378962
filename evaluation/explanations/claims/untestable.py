"""What of the paper an audit cannot test, as far as that follows from what was audited."""

from __future__ import annotations

from collections.abc import Sequence

from ..result import DeadMaps
from ..tables import AuditHead

__all__ = ["untestable"]

_LABELS = ("COVID-19", "Pneumonia", "Viral Pneumonia", "Bacterial Pneumonia", "No Finding")
_NETWORKS = ("resnet18", "resnet34", "inception_v3", "inception_resnet_v2", "densenet161")
_METHODS = ("occlusion", "saliency", "input_x_gradient", "guided_backprop", "integrated_gradients", "deep_lift")
_SIZE = 512
"""Pixels."""


def untestable(head: AuditHead, dead_maps: Sequence[DeadMaps]) -> tuple[str, ...]:
    """Return it in sentences.

    Parameters
    ----------
    head : AuditHead
        What was audited.
    dead_maps : sequence of DeadMaps
        Of stored profiles.
    """
    found = [
        "Physicians' judgement. The paper's authors looked at maps; no reader looked at these. Measures of a map say "
        "how it stands to the network, to boxes and to lungs, not whether it helps anyone.",
        "Other trainings of the same networks. Each network here was trained once; the intervals are over patients, so "
        "a difference between two networks may be one between two trainings. The paper had five random splits.",
        "The paper's recipe: a start from ImageNet's weights and 250 epochs. How these networks were trained is in "
        "their cards.",
    ]
    for what, asked, there in (
        ("labels", _LABELS, {label.name for label in head.labels}),
        ("networks", _NETWORKS, set(head.networks)),
        ("methods", _METHODS, {method.name for method in head.methods}),
    ):
        if lacking := [name for name in asked if name not in there]:
            found.append(f"The paper's {what} that are not here: {', '.join(lacking)}.")
    if sizes := sorted({size for size in head.input_sizes.values() if size != _SIZE}):
        found.append(
            f"Its resolution: {_SIZE} pixels; here networks see {' and '.join(map(str, sizes))} pixels. What is finer "
            "than that is neither seen nor explained."
        )
    if not dead_maps:
        found.append("Dead neurons: no neuron activation profile was given.")
    return tuple(found)
