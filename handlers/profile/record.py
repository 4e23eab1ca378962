"""What is known of a neuron activation profile without its planes."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from ..card import InputSpec
from ..record import Name, Record, Sha256
from ..wording import INTENDED_USE

__all__ = ["FEWEST_SERVED", "ProfileGroup", "ProfileLayer", "ProfileMerge", "ProfileRecord"]

FEWEST_SERVED = 10
"""Patients in a group of a profile that is served: the mean of the input over a few comes near to an X-ray of one."""


class ProfileGroup(Record):
    """A group of films."""

    name: str
    films: int = Field(ge=1)
    patients: int = Field(ge=1)
    """Each weighs the same in the group's means."""


class ProfileMerge(Record):
    """A step of average-linkage clustering: two clusters become one."""

    first: int = Field(ge=0)
    """Below the number of groups it is a group; else the cluster that the (first - groups)th merge made."""
    second: int = Field(ge=0)
    distance: float = Field(ge=0)
    """Average cosine distance, in [0, 2]."""


class ProfileLayer(Record):
    """A layer; its planes are beside it, under its place among the layers."""

    name: str
    """Path in the lifted network; ``input`` is the input itself."""
    channels: int = Field(ge=1)
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    constant: tuple[int, ...]
    """Feature maps that are constant (max - min <= 1e-30) on every film."""
    unvarying: tuple[int, ...]
    """Feature maps without variance over films at any place; padding with zeros hides these from `constant`."""
    order: tuple[int, ...]
    """All feature maps, the largest mean absolute contrast first."""
    distances: tuple[tuple[float, ...], ...] = ()
    """Cosine distance between the contrasts of the groups, in [0, 2]; empty for fewer than three groups."""
    merges: tuple[ProfileMerge, ...] = ()
    """Average-linkage clustering of these."""


class ProfileRecord(Record):
    """One profile of one network."""

    schema_version: Literal[1] = 1
    name: Name
    network: Name
    version: int = Field(ge=0)
    """Of the network; 0 where it was profiled from a run of the training and not from a model set."""
    model_sha256: Sha256
    """Of the TorchScript copy that was profiled; a profile of other weights is not served."""
    input: InputSpec
    data: str
    """The data set, as cards call it."""
    manifest_sha256: Sha256
    split: str
    """Which films: ``train``, ``val``, ``test`` or ``all``."""
    grouping: str
    """How groups were made."""
    alignment: Literal["none", "gradient"] = "none"
    groups: tuple[ProfileGroup, ...] = Field(min_length=2)
    layers: tuple[ProfileLayer, ...] = Field(min_length=1)
    planes_sha256: Sha256
    """Of the file with the planes."""
    created: datetime
    versions: dict[str, str] = Field(default_factory=dict)
    """Of libraries."""
    intended_use: str = INTENDED_USE
