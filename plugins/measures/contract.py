"""The contract of a measure of quality."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Generic, Protocol, TypeVar

import torch

from ..contract import Job, Parameters
from ..observed import ObservedModel

__all__ = ["Better", "Family", "Measure", "MeasuredValue", "OtherNetwork", "Shared", "Subject"]


class Better(Enum):
    """Which end of a number is the good one."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"
    """It is reported, and nothing is ranked by it."""


class Family(Enum):
    """What kind of property a measure judges; measures are compared within a kind."""

    FAITHFULNESS = "faithfulness"
    """Whether the map tells what the network did."""
    ROBUSTNESS = "robustness"
    """Whether it stays when the image hardly changes."""
    RANDOMISATION = "randomisation"
    """Whether it depends on what the network learnt."""
    COMPLEXITY = "complexity"
    """How simple it is to read."""


@dataclass(frozen=True)
class MeasuredValue:
    """A number that a measure gives.

    Parameters
    ----------
    name : str
        In snake case.
    description : str
        What it means, with its unit and range.
    better : Better
        Which end is the good one.
    """

    name: str
    description: str
    better: Better = Better.NEITHER


@dataclass(frozen=True)
class Shared:
    """What of a measure's work is done once for all maps of an image and network.

    Parameters
    ----------
    name : hashable
        The same for measures that take it from each other.
    passes : int
        Its cost, in forward passes.
    """

    name: Hashable
    passes: int


class OtherNetwork(Protocol):
    """Another network than the explained one, told by how it is made: equal ones are the same network."""

    def __hash__(self) -> int:
        """Return the same for equal ones."""

    def made_of(self, lifted: torch.fx.GraphModule) -> AbstractContextManager[torch.fx.GraphModule]:
        """Make it of the lifted network, in which nothing may be changed; it is of no use after the block."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A final map, and all that can be asked to judge it.

    Parameters
    ----------
    model : ObservedModel
        The network that was explained, in the form for forward passes. Each call is counted, and raises
        `Cancelled` where the job was. What measures of several maps of one image and network share (such as a random
        order's curve) is kept in its `known`, under keys that begin with a name of their own.
    image : torch.Tensor
        Float32 [1, C, H, W] in the network's input space.
    target : int
        The explained output.
    attribution : torch.Tensor
        Float32 [C, H, W].
    heatmap : torch.Tensor
        Its reduction to one plane, float32 [H, W].
    signed : bool
        Whether negative values speak against the target.
    again : callable
        Runs the same method with the same parameters on another image [1, C, H, W] and, where it is given, another
        network than the explained one; returns the heatmap, float32 [H, W]. One run serves all maps of the image:
        another one's measure that asks for the same image and network takes its heatmap from it.
    passes : int
        What one run of the method costs, for all explained outputs at once, in forward passes or their equivalent.
    lifted : callable
        Returns the lifted network (`torch.fx.GraphModule`), whose weights are shared with the explained one: copy it
        before changing any. Raises `NotApplicable` where the network cannot be lifted.
    """

    model: ObservedModel
    image: torch.Tensor
    target: int
    attribution: torch.Tensor
    heatmap: torch.Tensor
    signed: bool
    again: Callable[[torch.Tensor, OtherNetwork | None], torch.Tensor]
    passes: int
    lifted: Callable[[], torch.fx.GraphModule]


P = TypeVar("P", bound=Parameters)


class Measure(ABC, Generic[P]):
    """A measure of quality. Keeps no state between calls."""

    name: ClassVar[str]
    """Identifier in snake case."""
    title: ClassVar[str]
    """Name for people."""
    description: ClassVar[str]
    """What it measures, in a sentence or two."""
    reference: ClassVar[str]
    """The paper behind it."""
    family: ClassVar[Family]
    """What kind of property it judges."""
    variant: ClassVar[str]
    """Which code of which library computes it, and what is particular about it."""
    parameters: ClassVar[type[Parameters]]
    """The model of its parameters."""
    values: ClassVar[tuple[MeasuredValue, ...]]
    """The numbers that it gives; exactly these, each finite."""

    @abstractmethod
    def measure(self, subject: Subject, params: P, job: Job) -> Mapping[str, float]:
        """Judge a map.

        Parameters
        ----------
        subject : Subject
            The map.
        params : Parameters
            Validated.
        job : Job
            For progress, in forward passes or their equivalent, and cancellation.

        Returns
        -------
        mapping of str to float
            By the names of `values`.

        Raises
        ------
        NotApplicable
            If it cannot be taken of this map; the text says why.
        Cancelled
            Passed on.
        """

    @abstractmethod
    def cost(self, params: P, shape: Sequence[int], passes: int) -> int:
        """Return the work for an image's first map, in forward passes or their equivalent.

        Of further maps of the image by the same method it is the cost where a run of the method costs nothing.

        Parameters
        ----------
        params : Parameters
            Validated.
        shape : sequence of int
            [C, H, W] of the input.
        passes : int
            What one run of the method costs.
        """

    def shared(self, params: P, shape: Sequence[int]) -> Shared | None:
        """Tell what of the cost only the first map of an image and network has; None: nothing.

        Parameters
        ----------
        params : Parameters
            Validated.
        shape : sequence of int
            [C, H, W] of the input.
        """
        return None
