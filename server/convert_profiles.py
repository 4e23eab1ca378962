"""From profiles to messages. Nothing is decided here."""

from __future__ import annotations

from ..handlers.profile import ProfileLayer
from ..protos.radiolucent.v1 import profile_pb2
from .convert import tensor, timestamp, version
from .profile_catalog import BrokenProfile, ServedProfile
from .profile_maps import StrongestMaps

__all__ = ["broken", "head", "layer"]


def head(profile: ServedProfile) -> profile_pb2.ProfileHead:
    """Convert what a profile is of."""
    record = profile.record
    return profile_pb2.ProfileHead(
        name=record.name,
        model=version(record.network, profile.version),
        groups=[
            profile_pb2.ProfileGroup(name=group.name, films=group.films, patients=group.patients)
            for group in record.groups
        ],
        layers=[_facts(one) for one in record.layers],
        alignment=record.alignment,
        grouping=record.grouping,
        data=record.data,
        split=record.split,
        created_time=timestamp(record.created),
        intended_use=record.intended_use,
    )


def _facts(one: ProfileLayer) -> profile_pb2.ProfileLayerFacts:
    return profile_pb2.ProfileLayerFacts(
        name=one.name,
        channels=one.channels,
        height=one.height,
        width=one.width,
        constant=len(set(one.constant)),
        unvarying=len(set(one.unvarying)),
        distances=[distance for row in one.distances for distance in row],
        merges=[
            profile_pb2.Merge(first=merge.first, second=merge.second, distance=merge.distance) for merge in one.merges
        ],
    )


def layer(maps: StrongestMaps) -> profile_pb2.ProfileLayer:
    """Convert the strongest maps of a layer."""
    return profile_pb2.ProfileLayer(
        name=maps.layer, channels=maps.channels, contrasts=tensor(maps.contrasts), means=tensor(maps.means)
    )


def broken(profile: BrokenProfile) -> profile_pb2.BrokenProfile:
    """Convert a profile that cannot be served; a file's name may be no text at all."""
    return profile_pb2.BrokenProfile(
        name=_text(profile.name), network=_text(profile.network), reason=_text(profile.reason)
    )


def _text(value: str) -> str:
    return value.encode(errors="replace").decode()
