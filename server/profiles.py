"""The profile service."""

from __future__ import annotations

from typing import Any

from ..protos.radiolucent.v1 import profile_pb2, profile_pb2_grpc
from . import convert_profiles
from .profile_catalog import ProfileCatalog

__all__ = ["ProfileServicer"]


class ProfileServicer(profile_pb2_grpc.ProfileServiceServicer):
    """Converts for the catalog of profiles.

    Parameters
    ----------
    profiles
        Who decides.
    """

    def __init__(self, profiles: ProfileCatalog) -> None:
        self._profiles = profiles

    async def ListProfiles(  # noqa: D102 - the contract describes and names it
        self,
        request: profile_pb2.ListProfilesRequest,
        context: Any,  # noqa: ANN401 - grpc.aio's own is generic in messages
    ) -> profile_pb2.ListProfilesResponse:
        found = await self._profiles.list()
        return profile_pb2.ListProfilesResponse(
            profiles=[convert_profiles.head(one) for one in found.profiles],
            broken_profiles=[convert_profiles.broken(one) for one in found.broken],
        )

    # A coroutine that writes to its context, for the reason that `ExplanationServicer` has.
    async def StreamProfile(self, request: profile_pb2.StreamProfileRequest, context: Any) -> None:  # type: ignore[override]  # noqa: ANN401, D102
        with self._profiles.turn():
            profile, layers = await self._profiles.read(
                request.name, request.network, tuple(request.layers), request.strongest
            )
            await context.write(profile_pb2.StreamProfileResponse(head=convert_profiles.head(profile)))
            for layer in layers:
                await context.write(profile_pb2.StreamProfileResponse(layer=convert_profiles.layer(layer)))
