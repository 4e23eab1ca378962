"""The networks of a model set, and how they are explained here: as the server's workers do it."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from radiolucent.handlers.card import InputSpec, ModelCard
from radiolucent.handlers.repository import Repository
from radiolucent.plugins import Attribution, ExplainableNetwork, ObservedModel, Registry, checked, load_registry
from radiolucent.plugins.runner.images import read_image
from radiolucent.plugins.runner.networks import open_network

from .context import Context

__all__ = [
    "SIDE",
    "Explained",
    "Subject",
    "Uninterrupted",
    "as_the_server",
    "built_in",
    "explain",
    "forward",
    "input_gradient",
    "observe",
    "open_subject",
    "subject_names",
]

SIDE = 224
"""Of the networks' inputs, pixels; whatever their cards say, so that all are asked for the same."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A network that is explained.

    Parameters
    ----------
    name : str
        In the model set.
    folder : Path
        Of its version.
    script : torch.nn.Module
        Its TorchScript copy: what Captum gets.
    card : ModelCard
        Its card.
    network : ExplainableNetwork
        Its forms: what our methods get.
    """

    name: str
    folder: Path
    script: torch.nn.Module
    card: ModelCard
    network: ExplainableNetwork

    def spec(self, side: int = SIDE) -> InputSpec:
        """Return what it expects, at another size."""
        return self.card.input.model_copy(update={"size": side})

    def image(self, film: Path, side: int = SIDE) -> torch.Tensor:
        """Return what it sees of a film: [1, C, side, side]."""
        return read_image(film, self.spec(side))[0]

    def strongest(self, image: torch.Tensor) -> int:
        """Return the label of the largest output."""
        with as_the_server(), torch.no_grad():
            return int(self.script(image)[0].argmax())

    @property
    def labels(self) -> list[int]:
        """All of its outputs."""
        return list(range(len(self.card.labels)))


@dataclass(frozen=True, eq=False)
class Explained:
    """What a method said.

    Parameters
    ----------
    maps : dict of int to Attribution
        The final ones, by target.
    seconds : float
        From the question to the last map.
    passes : int
        Samples that went through the network.
    """

    maps: dict[int, Attribution]
    seconds: float
    passes: int


class Uninterrupted:
    """A job that nobody watches or stops."""

    wants_partial = False

    def check(self) -> None:
        """Go on."""

    def progress(self, done: int, total: int) -> None:
        """Nobody asks."""


@cache
def built_in() -> Registry:
    """Return the built-in methods."""
    return load_registry(())


def as_the_server() -> Any:  # noqa: ANN401 - torch says no type
    """Compute without the profiling executor, whose first passes of every shape are slow; both sides of all ratios."""
    return torch.jit.optimized_execution(False)  # type: ignore[attr-defined]


def subject_names(context: Context, short: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the networks to measure, the paper's five first; in a short run, of these alone those named."""
    names = Repository(context.repository).members()
    chosen = tuple(name for name in names if name in short)
    return chosen if context.short and chosen else names


def open_subject(context: Context, name: str) -> Subject:
    """Load the newest version of a network."""
    repository = Repository(context.repository)
    folder = repository.member_version_dir(name, repository.versions(name)[-1])
    opened = open_network(folder)
    if opened.card is None:
        raise ValueError(f"{name} has no card")
    return Subject(name, folder, opened.module, opened.card, ExplainableNetwork(opened.module, opened.card.input))


def forward(network: Callable[[torch.Tensor], Any], images: torch.Tensor) -> Any:  # noqa: ANN401 - as the network
    """Run a form of a network forward, without gradients."""
    with torch.no_grad():
        return network(images)


def input_gradient(network: Callable[[torch.Tensor], Any], images: torch.Tensor, target: int) -> torch.Tensor:
    """Run a form of a network forth and back: the gradient of an output with respect to each image, [N, C, H, W]."""
    with torch.enable_grad():
        points = images.clone().requires_grad_()
        (found,) = torch.autograd.grad(network(points)[:, target].sum(), points)
    return found


def observe(
    subject: Subject,
    image: torch.Tensor,
    method: str,
    parameters: dict[str, Any],
    known: MutableMapping[Hashable, Any] | None = None,
) -> ObservedModel:
    """Return the network in the form that a method explains."""
    registry = built_in()
    form = subject.network.form_for(registry.method(method), registry.parameters(method, parameters))
    return ObservedModel(
        form,
        Uninterrupted(),
        spec=subject.spec(image.shape[-1]),
        image=image,
        statistics=subject.card.brightness,
        known=known,
        graph=lambda: subject.network.graph_of(form),
    )


def explain(
    subject: Subject,
    image: torch.Tensor,
    method: str,
    targets: Sequence[int],
    *,
    known: MutableMapping[Hashable, Any] | None = None,
    **parameters: Any,  # noqa: ANN401 - JSON values
) -> Explained:
    """Explain outputs of a network with one of the built-in methods.

    Parameters
    ----------
    subject : Subject
        The network. What is worked out once for it, as its lifted form, is not in the time if it is there already.
    image : torch.Tensor
        [1, C, H, W].
    method : str
        Name of the method.
    targets : sequence of int
        Outputs.
    known : mutable mapping, optional
        What methods that share passes leave for each other.
    **parameters
        Of the method.
    """
    registry = built_in()
    chosen, params = registry.method(method), registry.parameters(method, parameters)
    with as_the_server():
        start = time.perf_counter()
        model = observe(subject, image, method, parameters, known)
        shape = tuple(image.shape[1:])
        yielded: Iterator[Attribution] = checked(
            chosen, chosen.explain(model, image.clone(), targets, params, Uninterrupted()), targets, shape
        )
        maps = {one.target: one for one in yielded if one.final}
        return Explained(maps, time.perf_counter() - start, model.forward_passes)
