"""The parts of the benchmarks, by name and in the order in which they are told."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Protocol, cast

from .context import Context

__all__ = ["NAMES", "Part", "part"]

NAMES = (
    "occlusion",
    "approximate_occlusion",
    "approximation_error",
    "integrated_gradients",
    "grid",
    "latency",
    "precision",
    "folding",
    "passes",
    "classification",
    "estimates",
    "gateway",
)
"""Each is a module beside this one."""


class Part(Protocol):
    """What such a module has."""

    TITLE: str

    def measure(self, context: Context) -> dict[str, Any]:
        """Measure; returns what JSON can hold. Runs in a fresh process."""

    def markdown(self, measured: Mapping[str, Any]) -> str:
        """Write what was measured: parameters, tables, the aim and whether it is reached."""


def part(name: str) -> Part:
    """Return a part.

    Raises
    ------
    KeyError
        If there is no part of that name.
    """
    if name not in NAMES:
        raise KeyError(name)
    return cast(Part, importlib.import_module(f"{__package__}.{name}"))
