"""Whether the Ray cluster that this process joined is still there."""

from __future__ import annotations

import socket
from typing import Any

__all__ = ["ClusterProbe"]

_ANSWER_SECONDS = 3.0
_PATIENCE = 3
"""Answers of a busy head that may be missing one after the other."""


class ClusterProbe:
    """Asks the head who it is, and this machine's raylet whether it listens. Its calls block.

    Ray itself waits for a lost head for a minute, then ends the process; and it has no words for a head that was
    started again, which knows nothing of what the old one did.
    """

    def __init__(self) -> None:
        from ray._private import worker
        from ray._private.grpc_utils import init_grpc_channel
        from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

        node = worker._global_node
        self._raylet: str = node.raylet_socket_name
        self._cluster: bytes = node.cluster_id.binary()
        self._missing = 0
        self._channel: Any = init_grpc_channel(node.gcs_address)
        self._head: Any = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(self._channel)
        self._question: Any = gcs_service_pb2.GetClusterIdRequest()

    def alive(self) -> bool:
        """Return whether the cluster is still the one that was joined."""
        import grpc

        try:
            with socket.socket(socket.AF_UNIX) as raylet:
                raylet.settimeout(_ANSWER_SECONDS)
                raylet.connect(self._raylet)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            pass  # It is busy.
        try:
            answer = self._head.GetClusterId(self._question, timeout=_ANSWER_SECONDS)
        except grpc.RpcError:
            self._missing += 1
            return self._missing < _PATIENCE
        self._missing = 0
        return bool(answer.cluster_id == self._cluster)

    def head_answers(self) -> bool:
        """Return whether some head answers where the cluster was joined, this one or another."""
        import grpc

        try:
            self._head.GetClusterId(self._question, timeout=_ANSWER_SECONDS)
        except grpc.RpcError:
            return False
        return True

    def close(self) -> None:
        """Let go of the connection."""
        self._channel.close()
