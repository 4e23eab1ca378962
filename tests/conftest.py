"""What all tests share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# A shell that runs the tests in the background has them ignore Ctrl-C, and nohup the end of the terminal; what they
# start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

_SERVERS = ("tests/integration/", "tests/server/triton/test_triton_leftovers.py")
"""Start servers, or processes that pass for some: beside any other Triton the warden removes no folders."""


class _ServersTogether(LoadScopeScheduling):
    """Tests that start servers run in one process, one after the other; each other one where there is room."""

    def _split_scope(self, nodeid: str) -> str:
        return "servers" if nodeid.startswith(_SERVERS) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    # Not xdist's own groups: pytest 9.2 computes the identifiers that xdist 3.8 writes them into, and they are lost.
    return _ServersTogether(config, log)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real X-rays, which lie beside the checkout and are never copied into it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("needs the real X-rays of ../shared, which are not here")
    return folder
