"""Write networks as new versions into the model repository, and release them as a model set.

All networks are written and proven in a staging folder first; only then does anything become visible.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

import torch

from ..handlers.brightness import BrightnessStatistics
from ..handlers.calibration import Calibration
from ..handlers.card import InputSpec, Label, ModelCard, ThresholdRecord, TrainingRecord, save_card
from ..handlers.ensemble_card import EnsembleFacts
from ..handlers.evaluated import Evaluation
from ..handlers.guard import Guard
from ..handlers.repository import (
    FIVE_NETWORKS,
    Member,
    ModelSet,
    Repository,
    new_member_version,
    publish_set,
    write_configs,
)
from ..handlers.repository.checksum import sha256
from ..handlers.terminology import with_codes
from .errors import ExportError
from .parity import measure_parity, save_torchscript, trace_network, write_onnx

__all__ = ["Exportable", "export_set", "library_versions", "write_version"]

_NO_FACTS = EnsembleFacts()


@dataclass(frozen=True, eq=False)
class Exportable:
    """A network and what its card will say.

    Parameters
    ----------
    name : str
        In the repository.
    title : str
        As shown to people.
    network : torch.nn.Module
        Maps ``[batch, channels, size, size]`` to logits.
    labels : tuple of Label
        With this network's thresholds.
    input : InputSpec
        What it expects.
    training : TrainingRecord
        How it was made.
    metrics : mapping of str to float
        Scores on its test split.
    brightness : BrightnessStatistics, optional
        How bright its training films were.
    calibration : Calibration, optional
        What makes its logits the probabilities that its thresholds are of.
    thresholds : tuple of ThresholdRecord
        How the labels' thresholds were chosen, in the order of the labels; empty: not recorded.
    evaluation : Evaluation, optional
        What an evaluation and the shortcut audit found.
    """

    name: str
    title: str
    network: torch.nn.Module
    labels: tuple[Label, ...]
    input: InputSpec
    training: TrainingRecord
    metrics: Mapping[str, float] = field(default_factory=dict)
    brightness: BrightnessStatistics | None = None
    calibration: Calibration | None = None
    thresholds: tuple[ThresholdRecord, ...] = ()
    evaluation: Evaluation | None = None


def export_set(
    repository: Repository,
    networks: Sequence[Exportable],
    progress: Callable[[str], None] = lambda _: None,
    facts: EnsembleFacts = _NO_FACTS,
    *,
    guard: Guard | None = None,
) -> ModelSet:
    """Write the next version of every network and publish them as the next model set.

    Parameters
    ----------
    repository : Repository
        Where; made if need be.
    networks : sequence of Exportable
        In the order in which answers shall list them.
    progress : callable
        Told each network's name when it is proven.
    facts : EnsembleFacts
        What the card of their vote shall say beside what their own do.
    guard : Guard, optional
        What warns of X-rays unlike the data that all of them were trained on.

    Returns
    -------
    ModelSet
        What was published.

    Raises
    ------
    ExportError
        If a network's forms do not agree. Then no network's version and no set was published.
    RepositoryError
        If the repository cannot be written.
    """
    members: dict[str, int] = {}
    with ExitStack() as stack:
        for item in networks:
            folder, version = stack.enter_context(new_member_version(repository, item.name))
            try:
                write_version(folder, version, item)
            except ExportError as error:
                raise ExportError(f"{item.name}: {error}; nothing was written") from error
            members[item.name] = version
            progress(item.name)
    # Native Triton reads these; the gateway brings its own. Other networks than the five need another ensemble.
    others = [Member.of(repository.card(name, version)) for name, version in members.items()]
    write_configs(repository.root, () if tuple(members) == FIVE_NETWORKS else others)
    return publish_set(repository, members, facts, guard=guard)


def write_version(folder: Path, version: int, item: Exportable) -> ModelCard:
    """Fill a staged folder with ``model.onnx``, ``model.pt`` and ``card.json``, after proving that they agree."""
    network = item.network.eval()
    traced = trace_network(network, item.input, check=False)
    save_torchscript(traced, folder / "model.pt")
    write_onnx(traced, item.input, version, folder / "model.onnx")
    parity = measure_parity(network, folder / "model.pt", folder / "model.onnx", item.input, version)
    card = ModelCard(
        name=item.name,
        title=item.title,
        version=version,
        architecture=item.name,
        source="trained",
        labels=with_codes(item.labels),
        input=item.input,
        training=item.training,
        metrics=dict(item.metrics),
        calibration=item.calibration,
        thresholds=item.thresholds,
        evaluation=item.evaluation,
        parity=parity,
        files={name: sha256(folder / name) for name in ("model.onnx", "model.pt")},
        versions=library_versions(),
        brightness=item.brightness,
        created=datetime.now(timezone.utc),
    )
    save_card(card, folder / "card.json")
    return card


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide what a network computes."""
    found = {}
    for name in ("radiolucent", "torch", "timm", "onnx", "onnxruntime", "numpy"):
        with suppress(PackageNotFoundError):  # a checkout need not be installed
            found[name] = installed(name)
    return found
