"""From the contract's messages to this package's neuron activation profiles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import profiles
from .convert import model_version, optional_time
from .convert_events import array
from .errors import InternalError, Unsupported

if TYPE_CHECKING:
    from ..protos import profile_pb2

__all__ = ["ProfileReader", "catalogue", "older_servers_named"]


@contextmanager
def older_servers_named() -> Iterator[None]:
    """Say in plain words that a server does not know profiles."""
    try:
        yield
    except Unsupported as error:
        raise Unsupported("the server is older than neuron activation profiles: it has no ProfileService") from error


def catalogue(message: profile_pb2.ListProfilesResponse) -> profiles.ProfileCatalogue:
    """Read what is stored."""
    return profiles.ProfileCatalogue(
        profiles=tuple(_head(one) for one in message.profiles),
        broken_profiles=tuple(
            profiles.BrokenProfile(one.name, one.network, one.reason) for one in message.broken_profiles
        ),
    )


class ProfileReader:
    """Puts a profile together from the parts that are streamed.

    Parameters
    ----------
    request : StreamProfileRequest
        What was asked for.
    """

    def __init__(self, request: profile_pb2.StreamProfileRequest) -> None:
        self._asked = set(request.layers)
        self._head: profiles.ProfileHead | None = None
        self._layers: dict[str, profiles.ProfileLayer] = {}

    def add(self, part: profile_pb2.StreamProfileResponse) -> None:
        """Take a part in; kinds of part that this client does not know yet are left out.

        Raises
        ------
        InternalError
            It does not fit what came before.
        """
        kind = part.WhichOneof("part")
        if kind == "head":
            self._head = _head(part.head)
        elif kind == "layer":
            if self._head is None:
                raise InternalError("the server sent a layer of a profile before its head")
            self._layers[part.layer.name] = _layer(part.layer, self._head)

    def result(self) -> profiles.Profile:
        """Return the profile when its stream has ended.

        Raises
        ------
        InternalError
            Something of it never came.
        """
        if self._head is None:
            raise InternalError("the server sent no profile")
        wanted = [facts.name for facts in self._head.layers if not self._asked or facts.name in self._asked]
        missing = [name for name in wanted if name not in self._layers]
        if missing:
            raise InternalError(f"the server left out layers of the profile: {', '.join(missing)}")
        return profiles.Profile(self._head, tuple(self._layers[name] for name in wanted))


def _head(message: profile_pb2.ProfileHead) -> profiles.ProfileHead:
    return profiles.ProfileHead(
        name=message.name,
        model=model_version(message.model),
        groups=tuple(profiles.ProfileGroup(one.name, one.films, one.patients) for one in message.groups),
        layers=tuple(_facts(one, len(message.groups)) for one in message.layers),
        alignment=message.alignment,
        grouping=message.grouping,
        data=message.data,
        split=message.split,
        created_time=optional_time(message, "created_time"),
        intended_use=message.intended_use,
    )


def _facts(message: profile_pb2.ProfileLayerFacts, groups: int) -> profiles.ProfileLayerFacts:
    distances = tuple(message.distances)
    if len(distances) not in (0, groups**2):
        raise InternalError(f"the server sent {len(distances)} distances between {groups} groups")
    return profiles.ProfileLayerFacts(
        name=message.name,
        channels=message.channels,
        height=message.height,
        width=message.width,
        constant=message.constant,
        unvarying=message.unvarying,
        distances=tuple(distances[start : start + groups] for start in range(0, len(distances), groups or 1)),
        merges=tuple(profiles.ProfileMerge(one.first, one.second, one.distance) for one in message.merges),
    )


def _layer(message: profile_pb2.ProfileLayer, head: profiles.ProfileHead) -> profiles.ProfileLayer:
    facts = next((facts for facts in head.layers if facts.name == message.name), None)
    if facts is None:
        raise InternalError(f"the server sent a layer that the profile does not have: {message.name}")
    layer = profiles.ProfileLayer(
        facts=facts,
        channels=tuple(message.channels),
        contrasts=array(message.contrasts, 4),
        means=array(message.means, 3),
    )
    maps = (len(layer.channels), facts.height, facts.width)
    if layer.contrasts.shape != (len(head.groups), *maps) or layer.means.shape != maps:
        raise InternalError(f"the server sent feature maps of {message.name} of another size than it says")
    return layer
