"""The server service."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib import metadata
from typing import Any

from .. import __version__
from ..handlers.card import INTENDED_USE
from ..protos.radiolucent.v1 import server_pb2, server_pb2_grpc
from . import convert
from .settings import Settings

__all__ = ["InfoServicer", "component_versions"]

_COMPONENTS = ("captum", "grpcio", "numpy", "onnxruntime", "protobuf", "pydicom", "ray", "torch")


class InfoServicer(server_pb2_grpc.ServerServiceServicer):
    """Says what the server is.

    Parameters
    ----------
    settings
        How it runs.
    versions
        Versions of what it is made of.
    """

    def __init__(self, settings: Settings, versions: dict[str, str]) -> None:
        self._answer = server_pb2.GetServerInfoResponse(
            version=__version__,
            component_versions=versions,
            max_upload_bytes=settings.max_upload_bytes,
            max_image_pixels=settings.max_image_pixels,
            max_jobs=settings.max_jobs,
            result_retention=convert.duration(settings.retention_seconds),
            result_retention_bytes=settings.retention_bytes,
            explanation_workers=settings.worker_count,
            heartbeat_interval=convert.duration(settings.heartbeat_seconds),
            intended_use=INTENDED_USE,
        )

    async def GetServerInfo(  # noqa: D102
        self,
        request: server_pb2.GetServerInfoRequest,
        context: Any,  # noqa: ANN401
    ) -> server_pb2.GetServerInfoResponse:
        return self._answer


def component_versions(triton: str) -> dict[str, str]:
    """Return the versions of what the server is made of.

    Parameters
    ----------
    triton
        Version that Triton says it has.
    """
    versions = {"python": platform.python_version(), "triton": triton}
    for name in _COMPONENTS:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
