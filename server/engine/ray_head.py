"""Program that starts the processes of a private Ray, writes down its address, and ends.

A program of its own, since Ray starts processes with code between fork and exec, which must not happen beside gRPC's
threads; a Ray that broke is started again while the gateway serves. It starts what the workers need and nothing else:
no dashboard, no autoscaler, no forwarding of logs, no Ray client.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ray._private.node import Node
from ray._private.parameter import RayParams

from .ray_port import LOOPBACK

ADDRESS = "address"
"""File in the folder with the address of its head, once that is there."""
RAY_FOLDER = "r"
"""Where in the folder Ray keeps its own files: it opens its folder to all users, who must not come this far."""


class _Head(Node):
    """A head without the process that reports how Ray is used, which takes seconds to start and 110 MB."""

    def start_api_server(self, **_: object) -> None:
        self._webui_url = ""


def main() -> None:
    """Start Ray's head."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True, help="of the head")
    parser.add_argument("--cpus", type=int, required=True)
    parser.add_argument("--object-store-bytes", type=int, required=True)
    options = parser.parse_args()
    node = _Head(
        RayParams(
            node_ip_address=LOOPBACK,
            gcs_server_port=options.port,
            num_cpus=options.cpus,
            num_gpus=None,  # those that it finds
            object_store_memory=options.object_store_bytes,
            temp_dir=str(options.folder / RAY_FOLDER),
            include_dashboard=False,
            include_log_monitor=False,
            no_monitor=True,
        ),
        head=True,
        shutdown_at_exit=False,
        spawn_reaper=False,
    )
    written = options.folder / f"{ADDRESS}.new"
    written.write_text(node.gcs_address)
    written.replace(options.folder / ADDRESS)


if __name__ == "__main__":
    main()
