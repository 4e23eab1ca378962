"""The contract of an explanation method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    import torch

    from .observed import ObservedModel

API_VERSION = 1
"""Version of this contract. A plugin made for another is refused."""


class Need(Enum):
    """What a method needs of a network's TorchScript copy."""

    FORWARD = "forward"
    GRADIENT = "gradient"
    MODULES = "modules"


class Completeness(Enum):
    """Whether an attribution sums to the change of the output from the baseline to the image."""

    EXACT = "exact"
    IN_EXPECTATION = "in_expectation"
    NONE = "none"


class Output(Enum):
    """The number of a network that is explained."""

    LOGIT = "logit"
    PROBABILITY = "probability"
    VOTES = "votes"
    """Of an ensemble alone: the share of its networks that vote for the label."""


class Precision(Enum):
    """The floating-point type in which a network's passes are computed. Maps are summed up in float32 or float64."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    """float32's range with 8 significant bits. Faster on processors with units for it; maps are approximate."""


class Channels(Enum):
    """What the channels of an attribution are to each other; decides how they become one heatmap."""

    SHARES = "shares"
    """Each has its share: a signed heatmap is their sum, an unsigned one their largest magnitude."""
    REPEATED = "repeated"
    """A place is judged in all channels at once, and each repeats the verdict: the heatmap is any of them."""


class Parameters(BaseModel):
    """Base of a method's parameters: frozen; unknown names, NaN and infinity are refused.

    Every parameter has a default, and a description that says its unit and range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True)
class Attribution:
    """What a method says of one target so far.

    Attributes
    ----------
    target
        Index of the explained output.
    values
        Float32 tensor [C, H, W] on the CPU, in the network's input space.
    fraction
        Share of the method's work that went into it, in [0, 1].
    final
        Whether the method is done with this target. A partial attribution estimates the final one.
    convergence_delta
        Sum of the values minus the change of the output from the baseline to the image, in units of the output.
        None where it has no meaning: the method is not complete, or a partial map is not itself a quadrature.
    facts
        What else the method found out about this map, as finite numbers by names in snake case, such as what biases
        took of the output. Clients show them; the method's description says what they mean, and their unit.
    """

    target: int
    values: torch.Tensor
    fraction: float
    final: bool
    convergence_delta: float | None = None
    facts: Mapping[str, float] = field(default_factory=dict)


class Job(Protocol):
    """How a running method reports, and learns that it was cancelled."""

    @property
    def wants_partial(self) -> bool:
        """Whether anybody looks at partial maps; where nobody does, none need be made."""

    def progress(self, done: int, total: int) -> None:
        """Report work done, in forward passes or their equivalent (0 <= done <= total)."""

    def check(self) -> None:
        """Raise `Cancelled` if the job was cancelled. Every forward pass of the model calls it."""


class Method(ABC, Generic[P]):
    """An explanation method.

    A subclass sets the class variables and implements `explain` and `cost`. One instance serves many jobs, one at a
    time: keep no state between calls, and leave no hook behind on the model.
    """

    name: ClassVar[str]
    """Identifier in snake case, after Captum's name where it has the method."""
    title: ClassVar[str]
    """Name for people."""
    description: ClassVar[str]
    """What the map shows, in a sentence or two."""
    reference: ClassVar[str]
    """The paper behind it."""
    parameters: ClassVar[type[Parameters]]
    """The model of its parameters; its JSON Schema is what clients see."""
    needs: ClassVar[frozenset[Need]]
    """What it needs of a network."""
    signed: ClassVar[bool]
    """Whether negative values speak against the target."""
    completeness: ClassVar[Completeness]
    """Whether its attributions are complete."""
    channels: ClassVar[Channels] = Channels.SHARES
    """What the channels of its attributions are to each other."""
    survives_folding: ClassVar[bool] = False
    """Whether it explains a network in which layers are merged as well, and then gets that, for its passes are faster.
    It asks for no layer by name; and its maps are means of gradients at many points, so that none of them decides (in
    float32 a unit next to zero may be on either side of its kink), or look at the last feature maps and behind, which
    stay as they are. Forward passes alone always survive."""
    needs_float32: ClassVar[str] = ""
    """Why its maps do not survive passes in bfloat16, as half a sentence; empty: they do. It is refused there."""

    def needs_of(self, params: P) -> frozenset[Need]:
        """Return what it needs of a network with these parameters: `needs`, unless a parameter asks for more."""
        return self.needs

    def adaptive(self, params: P) -> bool:
        """Return whether what it finds decides how much it does, so that `cost` is an expectation. The default: no.

        Progress is then reported against the same total, and reaches it when the method is done. How long a run takes
        is learnt apart from runs that are as long as they say.
        """
        return False

    def shared_passes(self, params: P) -> Hashable | None:
        """Return what names the passes that it shares with other methods. The default: it shares none.

        Methods that name the same passes for a network run together, one after the other in one process, so that the
        first leaves in ``model.known`` what the others take from there. So `saliency` and `input_x_gradient` share one
        backward pass per target.
        """
        return None

    def check_network(self, network: torch.nn.Module) -> None:
        """Refuse a network that this method cannot explain. The default refuses none.

        A static look, without a forward pass, once for each network: when it is loaded, to tell clients which methods
        explain it, or before the first `explain`.

        Parameters
        ----------
        network
            The lifted network (`torch.fx.GraphModule`) where `needs` has `Need.MODULES`, else the TorchScript copy.
            `explain` gets the same as ``model.network``, or, where the method needs forward passes alone or survives
            folding, a form with the same outputs that runs faster.

        Raises
        ------
        NotApplicable
            If the method cannot explain it; the text names what in the network is the reason.
        """

    @abstractmethod
    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: P, job: Job
    ) -> Iterator[Attribution]:
        """Attribute outputs of a model to the pixels of an image.

        Parameters
        ----------
        model
            The network; calling it with [N, C, H, W] gives the explained outputs [N, L]. Each call is counted, and
            raises `Cancelled` where the job was. Its `spec` says how inputs are normalised, so that a method can
            state a baseline as a brightness: `spec.black`, or ``(brightness - spec.mean) / spec.std``.
        image
            Float32 tensor [1, C, H, W] in the network's input space.
        targets
            Indices of the outputs to explain; at least one, without repetition.
        params
            Validated parameters.
        job
            For progress and cancellation.

        Yields
        ------
        Attribution
            Partial ones as it likes, and exactly one final one per target.

        Raises
        ------
        NotApplicable
            If the method cannot be applied to this network or with these parameters.
        Cancelled
            Passed on from `job.check` or the model.
        """

    @abstractmethod
    def cost(self, params: P, shape: Sequence[int], targets: int) -> int:
        """Return the work for one image, in forward passes or their equivalent (a backward pass counts two).

        Where `adaptive` says so, it is what is to be expected.

        Parameters
        ----------
        params
            Validated parameters.
        shape
            Shape [C, H, W] of the network's input.
        targets
            Number of targets.

        Raises
        ------
        NotApplicable
            If these parameters do not fit this shape.
        """
