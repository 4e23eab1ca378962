"""Neuron activation profiles as the client hands them out: what feature maps of a network do on groups of X-rays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from .results import ModelVersion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BrokenProfile",
    "Profile",
    "ProfileCatalogue",
    "ProfileGroup",
    "ProfileHead",
    "ProfileLayer",
    "ProfileLayerFacts",
    "ProfileMerge",
]


@dataclass(frozen=True)
class ProfileGroup:
    """A group of X-rays.

    Parameters
    ----------
    name : str
        Its name.
    films, patients : int
        How many X-rays, and of how many patients; each patient weighs the same.
    """

    name: str
    films: int
    patients: int


@dataclass(frozen=True)
class ProfileMerge:
    """A step of average-linkage clustering: two clusters become one.

    Parameters
    ----------
    first, second : int
        Below the number of groups a group; else the cluster that the (number - groups)th merge made.
    distance : float
        Average cosine distance, in [0, 2].
    """

    first: int
    second: int
    distance: float


@dataclass(frozen=True)
class ProfileLayerFacts:
    """What is known of a layer without its feature maps.

    Parameters
    ----------
    name : str
        Path in the lifted network; ``"input"`` is the input itself.
    channels : int
        Number of feature maps.
    height, width : int
        Size of a feature map, in its own pixels.
    constant : int
        Feature maps that are constant on every X-ray.
    unvarying : int
        Feature maps that do not vary over X-rays at any place; padding with zeros hides these from `constant`.
    distances : tuple of tuple of float
        Cosine distances between the groups' contrasts, groups x groups, each in [0, 2]; empty for fewer than three
        groups, since two contrasts are always opposite.
    merges : tuple of ProfileMerge
        Average-linkage clustering of these, the closest first.
    """

    name: str
    channels: int
    height: int
    width: int
    constant: int
    unvarying: int
    distances: tuple[tuple[float, ...], ...]
    merges: tuple[ProfileMerge, ...]


@dataclass(frozen=True)
class ProfileHead:
    """What a profile is of.

    Parameters
    ----------
    name : str
        Its name.
    model : ModelVersion
        The network, and the version of its weights.
    groups : tuple of ProfileGroup
        In the order of every stack of maps.
    layers : tuple of ProfileLayerFacts
        In the order in which the network computes them.
    alignment : str
        What was done to activations before they were averaged: ``"none"``, or ``"gradient"``.
    grouping : str
        How groups were made.
    data : str
        The data set, as cards call it.
    split : str
        Which films of it: ``"train"``, ``"val"``, ``"test"`` or ``"all"``.
    created_time : datetime, optional
        When it was computed.
    intended_use : str
        "Research use only. Not for diagnosis."
    """

    name: str
    model: ModelVersion
    groups: tuple[ProfileGroup, ...]
    layers: tuple[ProfileLayerFacts, ...]
    alignment: str
    grouping: str
    data: str
    split: str
    created_time: datetime | None
    intended_use: str


@dataclass(frozen=True, eq=False)
class ProfileLayer:
    """The strongest feature maps of a layer.

    Parameters
    ----------
    facts : ProfileLayerFacts
        The layer.
    channels : tuple of int
        Numbers of the feature maps, the largest mean absolute contrast first.
    contrasts : ndarray of float32, shape (groups, channels, height, width)
        Mean activation by group minus the mean over groups. Read-only.
    means : ndarray of float32, shape (channels, height, width)
        Mean activation over groups. Read-only.
    """

    facts: ProfileLayerFacts
    channels: tuple[int, ...]
    contrasts: NDArray[np.float32]
    means: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Profile:
    """A profile of one network.

    Parameters
    ----------
    head : ProfileHead
        What it is of.
    layers : tuple of ProfileLayer
        The layers that were asked for, in the order in which the network computes them.
    """

    head: ProfileHead
    layers: tuple[ProfileLayer, ...]


@dataclass(frozen=True)
class BrokenProfile:
    """A stored profile that cannot be served.

    Parameters
    ----------
    name, network : str
        Its name, and the network it was said to be of.
    reason : str
        Why.
    """

    name: str
    network: str
    reason: str


@dataclass(frozen=True)
class ProfileCatalogue:
    """What is stored with the model set that is served. Iterating it yields the heads.

    Parameters
    ----------
    profiles : tuple of ProfileHead
        By name, then by network in voting order.
    broken_profiles : tuple of BrokenProfile
        Those that are stored and cannot be served.
    """

    profiles: tuple[ProfileHead, ...]
    broken_profiles: tuple[BrokenProfile, ...]

    def __iter__(self) -> Iterator[ProfileHead]:
        return iter(self.profiles)

    def __len__(self) -> int:
        return len(self.profiles)
