"""Model sets with random weights: real files for tests of everything that does not depend on what networks know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from ..handlers.card import DataRecord, InputSpec, Label, TrainingRecord
from ..handlers.guard import Guard
from ..handlers.repository import ModelSet, Repository
from .batch_norm import estimate_batch_norm
from .examples import PhantomExamples
from .export import Exportable, export_set
from .networks import NETWORKS, build_network
from .parity import example

__all__ = ["UNTRAINED_SIZES", "build_untrained_set"]

UNTRAINED_SIZES: Mapping[str, int] = {
    "resnet18": 64,
    "resnet34": 64,
    "inception_v3": 80,
    "inception_resnet_v2": 80,
    "densenet161": 64,
}
"""The smallest inputs that all five accept."""


def build_untrained_set(
    repository: Path,
    labels: Sequence[Label] | None = None,
    sizes: Mapping[str, int] = UNTRAINED_SIZES,
    *,
    seed: int = 0,
    guard: Guard | None = None,
) -> ModelSet:
    """Export random networks as the next model set of a repository. They detect nothing, and their titles say so.

    Parameters
    ----------
    repository : Path
        Its folder; made if need be.
    labels : sequence of Label, optional
        Labels; the phantoms' by default.
    sizes : mapping of str to int
        Networks to build, in the order of the set, and their input sizes in pixels.
    seed : int
        Of the weights.
    guard : Guard, optional
        The set's guard.

    Returns
    -------
    ModelSet
        What was published.
    """
    examples = PhantomExamples(seed, {"train": 0, "val": 0, "test": 0})
    labels = tuple(labels or examples.labels)
    networks = []
    for name, size in sizes.items():
        spec = InputSpec(size=size)
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            network = build_network(name, len(labels))
        images = example(spec, 16)
        estimate_batch_norm(network, [images])
        _tame(network, images)
        record = TrainingRecord(
            preset="untrained",
            data=DataRecord(name=examples.name, checksum=examples.checksum),
            epochs=0,
            steps=0,
            seed=seed,
            initial_weights="random",
            seconds=0,
        )
        networks.append(Exportable(name, f"{NETWORKS[name].title} (untrained)", network, labels, spec, record))
    return export_set(Repository(repository), networks, guard=guard)


def _tame(network: torch.nn.Module, images: torch.Tensor) -> None:
    """Scale the classifier to logits of about .2: random InceptionV3 has only four good digits in float32."""
    classifier = network.get_classifier()  # type: ignore[operator]
    with torch.no_grad():
        classifier.weight *= 0.2 / network(images).std()
