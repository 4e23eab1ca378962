"""Run a command of the `radiolucent` program as a person would, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

from .errors import StepFailed


def run_command(*arguments: str) -> None:
    """Run ``radiolucent ARGUMENTS`` on the same terminal, so that its progress shows.

    Training and serving stay processes of their own: their memory goes with them, and Ctrl-C reaches them.

    Raises
    ------
    StepFailed
        If it ends with an error.
    """
    done = subprocess.run([sys.executable, "-m", "radiolucent.client.program", *arguments], check=False)  # noqa: S603
    if done.returncode:
        raise StepFailed(" ".join(arguments), done.returncode)
