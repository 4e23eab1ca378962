"""How long work of the evaluation tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Progress", "silent"]

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told the name of a task, how much of it is done, and all of it; ``done == total`` ends the task."""


def silent(task: str, done: int, total: int) -> None:
    """Show nothing."""
