"""Who calls. A job exists for its caller alone, so everything hangs on telling callers apart.

A caller is, in this order:

1. the identity of its TLS client certificate, where the connection has one;
2. the secret in the metadata entry ``radiolucent-caller``: any text of at least 16 characters that the client makes
   up and keeps (a random UUID, say), so that it finds its jobs again from another address. Who knows it is that caller;
3. the address of its machine, without the port, since a client that reconnects has another port. Everyone behind one
   proxy is then one caller: use 1 or 2 there.

Whatever it is, only its SHA-256 is kept, and none of it is ever logged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .errors import InvalidRequest

__all__ = ["METADATA_KEY", "Caller", "identify"]

METADATA_KEY = "radiolucent-caller"
SHORTEST_SECRET = 16


@dataclass(frozen=True)
class Caller:
    """A caller; equal to itself alone.

    Attributes
    ----------
    key
        SHA-256 of what identifies it, hexadecimal. Not shown by `repr`.
    """

    key: str = field(repr=False)

    @classmethod
    def of(cls, kind: str, value: bytes) -> Caller:
        """Return the caller identified by a value of some kind; equal values of different kinds are two callers."""
        return cls(hashlib.sha256(kind.encode() + b"\0" + value).hexdigest())


def identify(
    peer: str,
    metadata: Iterable[tuple[str, str | bytes]],
    identities: Iterable[bytes] | None,
    auth: Mapping[str, Iterable[bytes]],
) -> Caller:
    """Tell who calls.

    Parameters
    ----------
    peer
        Address of the connection as gRPC writes it, for example `ipv4:10.0.0.7:51234`.
    metadata
        Metadata of the call.
    identities
        Identities of the peer by its certificate; None or empty where it has none.
    auth
        The connection's authentication context; says whether a certificate was checked.

    Returns
    -------
    Caller
        The caller.

    Raises
    ------
    InvalidRequest
        If the secret is too short to be one.
    """
    names = [bytes(name) for name in identities or ()]
    if names and "transport_security_type" in auth:
        return Caller.of("tls", b"\0".join(names))
    for key, value in metadata:
        if key == METADATA_KEY:
            secret = value.encode() if isinstance(value, str) else value
            if len(secret) < SHORTEST_SECRET:
                raise InvalidRequest.of(f"metadata {METADATA_KEY}", f"must have at least {SHORTEST_SECRET} characters")
            return Caller.of("secret", secret)
    return Caller.of("address", _without_port(peer).encode())


def _without_port(peer: str) -> str:
    """Drop the port of `ipv4:host:port` and `ipv6:[host]:port`; `unix:path` has none."""
    kind, _, address = peer.partition(":")
    return address.rpartition(":")[0] if kind in {"ipv4", "ipv6"} else peer
