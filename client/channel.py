"""How a client reaches its server: limits, keepalive, TLS, and the key that says whose jobs are whose."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Union

import grpc

from .requests import MAX_SEND_BYTES

__all__ = ["CALLER_KEY_VARIABLE", "OPTIONS", "Certificates", "Metadata", "caller_metadata", "channel_credentials"]

CALLER_KEY_VARIABLE = "RADIOLUCENT_CALLER_KEY"
"""Environment variable that holds the caller key."""

Certificates = Union[bytes, str, "os.PathLike[str]"]
"""Root certificates: PEM bytes, or the path of a PEM file."""

Metadata = tuple[tuple[str, str], ...]
"""gRPC metadata."""

SHORTEST_KEY = 16

MAX_RECEIVE_BYTES = 128 * 1024 * 1024

OPTIONS: list[tuple[str, int]] = [
    # A float32 map of 1024 x 1024 is over gRPC's default of 4 MiB, and an event may hold a map and its attribution.
    ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
    ("grpc.max_send_message_length", MAX_SEND_BYTES + 1024 * 1024),
    # A dead server is noticed on a silent stream. The server's heartbeats reset its count of pings, so that pinging
    # at this rate never ends in "too many pings"; an idle channel is left alone.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # After a server's restart its next incarnation is found quickly.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
]

# One per process: jobs of one client are visible to the others of the same process, and to nobody else.
_PROCESS_KEY = secrets.token_urlsafe(32)


def caller_metadata(caller_key: str | None) -> Metadata:
    """Return the metadata that names the caller.

    Parameters
    ----------
    caller_key : str, optional
        A secret; a job is visible to callers with the key that started it. None: the environment's
        ``RADIOLUCENT_CALLER_KEY``, else a random one of this process.

    Returns
    -------
    tuple of pairs
        What every call carries.

    Raises
    ------
    ValueError
        The key is too short to be a secret.
    """
    key = caller_key or os.environ.get(CALLER_KEY_VARIABLE) or _PROCESS_KEY
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"a caller key is a secret of at least {SHORTEST_KEY} characters")
    return (("radiolucent-caller", key),)


def channel_credentials(
    credentials: grpc.ChannelCredentials | None, root_certificates: Certificates | None
) -> grpc.ChannelCredentials | None:
    """Choose the credentials of a channel.

    Parameters
    ----------
    credentials : grpc.ChannelCredentials, optional
        Used as they are.
    root_certificates : bytes or path, optional
        PEM certificates that the server's is checked against.

    Returns
    -------
    grpc.ChannelCredentials or None
        None asks for a channel without TLS.

    Raises
    ------
    ValueError
        Both were given.
    OSError
        The certificates cannot be read.
    """
    if credentials is not None and root_certificates is not None:
        raise ValueError("give either credentials or root_certificates")
    if root_certificates is None:
        return credentials
    pem = root_certificates if isinstance(root_certificates, bytes) else Path(root_certificates).read_bytes()
    return grpc.ssl_channel_credentials(root_certificates=pem)
