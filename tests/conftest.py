"""What all tests share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

# A shell that runs the tests in the background has them ignore Ctrl-C, and nohup the end of the terminal; what they
# start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Tests that start servers run group by group, each in one process. No two groups share a server: two may run at once.
_GROUPS = {
    # Triton alone, and processes that pass for it: beside any other Triton the warden removes no folders.
    "triton": ("integration/triton/", "server/triton/test_triton_leftovers"),
    # Ray alone, in the process of the tests.
    "pools": (
        "integration/test_workers",
        *(f"integration/faults/test_ray_{of}" for of in ("head", "store", "cluster", "disk")),
    ),
    # The gateway that many modules share.
    "gateway": (
        *(f"integration/test_{of}" for of in ("client", "command", "gateway")),
        *(f"integration/faults/test_{of}" for of in ("cancellation", "triton")),
    ),
    # Gateways of a module's or a test's own.
    "gateways": ("integration/",),
}

_FIRST = (
    "triton",
    "tests/training/test_learning.py",  # half a minute, in which the first of Triton's tests have it for themselves
    "pools",
    "tests/training/test_untrained.py",
    "gateway",
    "gateways",
    "tests/evaluation/shortcuts/test_real_xrays.py",
    "tests/training/test_epochs.py",
    "tests/training/test_export.py",
    "tests/training/test_fit.py",
)
"""What takes long for its number of tests, in the order in which it is given out."""


class _LongestFirst(LoadScopeScheduling):
    """Modules and classes as they are, servers in their groups; what takes longest first."""

    def _split_scope(self, nodeid: str) -> str:
        inside, whole = nodeid.removeprefix("tests/"), str(super()._split_scope(nodeid))
        return next((group for group, starts in _GROUPS.items() if inside.startswith(starts)), whole)

    def _assign_work_unit(self, node: WorkerController) -> None:
        for scope in _FIRST:
            if scope in self.workqueue:
                self.workqueue.move_to_end(scope, last=False)
                break
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    # Not xdist's own groups: pytest 9.2 computes the identifiers that xdist 3.8 writes them into, and they are lost.
    return _LongestFirst(config, log)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real X-rays, which lie beside the checkout and are never copied into it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("needs the real X-rays of ../shared, which are not here")
    return folder
