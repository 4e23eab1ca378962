"""What a caller asks for, free of protobuf."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from enum import Enum
from typing import Any

from ..instance import InstanceReference
from .aggregation import Aggregation
from .task import Output, Precision

__all__ = ["ExplainOrder", "Lungs", "MethodCall", "Priority", "TargetChoice"]


class TargetChoice(Enum):
    """How the labels to explain are chosen."""

    PREDICTED = "predicted"
    ALL = "all"
    NOT_PREDICTED = "not_predicted"
    NAMED = "named"


class Priority(Enum):
    """Whether somebody waits for the answer."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


@dataclass(frozen=True)
class MethodCall:
    """A method or a measure by name, with the parameters that were given for it."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Lungs:
    """Who says where the lungs are: the caller's mask, an encoded file; or, where that is None, a segmenter by name."""

    mask: bytes | None = field(default=None, repr=False)
    segmenter: str = ""


@dataclass(frozen=True)
class ExplainOrder:
    """A request for explanations; nothing of it is checked yet.

    Attributes
    ----------
    request_id
        The caller's identifier, a UUID; empty: one is made.
    image
        The encoded file.
    methods
        What to run.
    instance
        Where the image comes from.
    models
        Networks by name, and `chest_xray` for the vote itself; empty: every network that votes.
    choice, labels
        The labels to explain; `labels` counts where they are named.
    output
        The output to explain. None: the logit of a network, the votes of the ensemble.
    aggregations
        How to take the maps of the networks that vote together.
    partial, attributions, inputs
        Whether partial maps, attributions, and the tensors that the networks saw are wanted.
    keep
        Whether to go on when the client is lost.
    dry_run
        Whether to plan only.
    priority
        Whether somebody waits for the answer.
    measures
        What to measure of the networks' maps.
    lungs
        Where the lungs are. None: maps do not say how much lies outside.
    precision
        In which networks compute what explains and measures; they classify as they are served.
    """

    request_id: str
    image: bytes = field(repr=False)
    methods: tuple[MethodCall, ...]
    instance: InstanceReference | None = None
    models: tuple[str, ...] = ()
    choice: TargetChoice = TargetChoice.PREDICTED
    labels: tuple[str, ...] = ()
    output: Output | None = None
    aggregations: tuple[Aggregation, ...] = ()
    partial: bool = False
    attributions: bool = False
    inputs: bool = False
    keep: bool = False
    dry_run: bool = False
    priority: Priority = Priority.INTERACTIVE
    measures: tuple[MethodCall, ...] = ()
    lungs: Lungs | None = None
    precision: Precision = Precision.FLOAT32

    @property
    def nbytes(self) -> int:
        """What its files take, bytes."""
        mask = self.lungs.mask if self.lungs is not None else None
        return len(self.image) + len(mask or b"")

    def fingerprint(self) -> str:
        """Return a digest of all that decides what is computed and sent: not of `request_id`, `keep`, `priority`."""
        asked = [
            [[call.name, dict(call.parameters)] for call in self.methods],
            self.models,
            self.choice.value,
            self.labels,
            None if self.output is None else self.output.value,
            [str(one) for one in self.aggregations],
            [self.partial, self.attributions, self.inputs, self.dry_run],
            None if self.instance is None else astuple(self.instance),
            [[call.name, dict(call.parameters)] for call in self.measures],
            None if self.lungs is None else [self.lungs.segmenter, _digest(self.lungs.mask)],
            self.precision.value,
        ]
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
        digest.update(self.image)
        return digest.hexdigest()


def _digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()
