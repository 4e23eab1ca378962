"""A port that a private Ray comes back to after it broke."""

from __future__ import annotations

import socket

__all__ = ["LOOPBACK", "ReservedPort"]

LOOPBACK = "127.0.0.1"


class ReservedPort:
    """A TCP port of the loopback interface, which the system gives to nobody else while nothing listens there.

    Attributes
    ----------
    number : int
        The port.
    """

    def __init__(self) -> None:
        self._held = _bound(0)
        self.number: int = self._held.getsockname()[1]

    def free(self) -> bool:
        """Return whether a server may listen there; a program that insists on this very port can still take it."""
        try:
            with _bound(self.number) as probe:
                probe.listen()
        except OSError:
            return False
        return True

    def release(self) -> None:
        """Leave it to others. Safe to call again."""
        self._held.close()


def _bound(port: int) -> socket.socket:
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # So says every gRPC server, too: those that agree may share a port as long as none of them listens.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((LOOPBACK, port))
    except BaseException:
        held.close()
        raise
    return held
