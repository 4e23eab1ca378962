"""The method under test, and its runs on the kit's networks."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..contract import Attribution, Method, Parameters
from ..errors import InvalidParameters, InvalidResult, NotApplicable
from ..results import checked
from ..runner.networks import explainable
from ..validation import validate_parameters
from .breach import Breach
from .networks import Case, ordinary
from .witness import WatchedJob, Witness

__all__ = ["Recording", "Run", "Subject", "TARGETS"]

TARGETS = (1, 3)
"""Outputs of the ordinary network that are explained where it does not matter which."""


@dataclass(frozen=True, eq=False)
class Run:
    """A method about to run: its network, its image and its job, all the kit's own.

    Parameters
    ----------
    model : Witness
        What the method sees.
    image : torch.Tensor
        The image that it gets.
    job : WatchedJob
        Its job.
    maps : iterator of Attribution
        What it yields, checked against the contract.
    raw : iterator of Attribution
        The same, unchecked; close it to have the method stop at its last map.
    """

    model: Witness
    image: torch.Tensor
    job: WatchedJob
    maps: Iterator[Attribution]
    raw: Iterator[Attribution]


@dataclass(frozen=True, eq=False)
class Recording:
    """A whole run.

    Parameters
    ----------
    run : Run
        The run, over.
    maps : list of Attribution
        All maps, partial ones too.
    passes : list of int
        Samples that had gone forward when each of them came.
    """

    run: Run
    maps: list[Attribution] = field(default_factory=list)
    passes: list[int] = field(default_factory=list)

    def final(self, target: int) -> Attribution:
        """Return the final map of a target."""
        return next(one for one in self.maps if one.target == target and one.final)


class Subject:
    """A method with parameters, on networks of some channels.

    Parameters
    ----------
    method : Method
        The method.
    parameters : mapping
        Parameters by name; what is absent takes its default.
    channels : int
        Of the networks: 1 or 3.
    streams : bool
        Whether long runs must yield partial maps.
    """

    def __init__(
        self, method: Method[Any], parameters: Mapping[str, Any], channels: int, *, streams: bool = True
    ) -> None:
        self.method = method
        self.channels = channels
        self.streams = streams
        self._parameters = dict(parameters)
        self._networks: dict[Case, torch.nn.Module] = {}
        self._whole: Recording | None = None
        self._alone: dict[int, Recording] = {}

    def params(self, **changes: object) -> Parameters:
        """Return the parameters, some of them changed."""
        try:
            return validate_parameters(self.method, {**self._parameters, **changes})
        except InvalidParameters as error:
            raise Breach(f"the parameters of the test do not fit: {error}") from error

    def cost(self, case: Case, targets: int) -> int:
        """Return what the method says that it costs."""
        return self.method.cost(self.params(), case.image.shape[1:], targets)

    def network(self, case: Case) -> torch.nn.Module:
        """Return a case's network: traced, and lifted where the method needs modules."""
        if case not in self._networks:
            self._networks[case] = explainable(case.network, self.method, self.params(), case.image, case.spec)
        return self._networks[case]

    def start(
        self,
        case: Case,
        targets: Sequence[int] = TARGETS,
        *,
        cancel_at: int | None = None,
        changes: Mapping[str, object] | None = None,
        known: MutableMapping[Hashable, Any] | None = None,
    ) -> Run:
        """Prepare a run, up to the method's first step."""
        job = WatchedJob()
        model = Witness(
            self.network(case), job, spec=case.spec, image=case.image.clone(), cancel_at=cancel_at, known=known
        )
        image = case.image.clone()
        try:
            self.method.check_network(model.network)
            raw = iter(self.method.explain(model, image, targets, self.params(**changes or {}), job))
        except NotApplicable as error:
            raise Breach(_REFUSED.format(error)) from error
        return Run(model, image, job, checked(self.method, raw, targets, image.shape[1:]), raw)

    def record(
        self,
        case: Case,
        targets: Sequence[int] = TARGETS,
        known: MutableMapping[Hashable, Any] | None = None,
        **changes: object,
    ) -> Recording:
        """Run the method to its end.

        Raises
        ------
        Breach
            If what it yields is not what the contract says, or it refuses the network.
        """
        recording = Recording(self.start(case, targets, changes=changes, known=known))
        try:
            for attribution in recording.run.maps:
                recording.maps.append(attribution)
                recording.passes.append(recording.run.model.forward_passes)
        except InvalidResult as error:
            raise Breach(str(error)) from error
        except NotApplicable as error:
            raise Breach(_REFUSED.format(error)) from error
        return recording

    @property
    def whole(self) -> Recording:
        """A run on the ordinary network, made once."""
        if self._whole is None:
            self._whole = self.record(ordinary(self.channels))
        return self._whole

    def alone(self, target: int) -> Recording:
        """Return a run on the ordinary network with one target, made once."""
        if target not in self._alone:
            self._alone[target] = self.record(ordinary(self.channels), (target,))
        return self._alone[target]


_REFUSED = (
    "the method refuses a network of convolutions, batch norm, ReLU, max pooling and a linear layer: {}; mend it, or "
    "set `parameters` of the test class to what fits an input of 48 x 48 pixels"
)
