"""What an audit leaves out so that it ends within an hour or two, unless more is asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

__all__ = ["AFFORDABLE", "in_words", "workers_of_ours"]

AFFORDABLE: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # Windows side by side: 65 passes instead of 226; and more at once, which bfloat16 likes.
        "occlusion": {"stride": 0.125, "batch_size": 16},
        # On radiographs 23 points on average instead of 47; what they miss is one of the audit's numbers.
        "integrated_gradients": {"max_error": 0.05, "max_steps": 64},
        # The same of both: they share their random orders.
        "deletion": {"steps": 6},
        "insertion": {"steps": 6},
        # Each runs the method again: 2 and 4 times instead of 4 and 16.
        "max_sensitivity": {"perturbations": 2},
        "smooth_mprt": {"samples": 2, "stages": 1},
    }
)
"""Parameters of methods and measures that an audit asks for where its user sets no other of the same: the dearest of
the paper's methods and of the measures with fewer passes than by default. Tables and report name them."""


def in_words(ran: Mapping[str, Mapping[str, Any]] = AFFORDABLE) -> str:
    """Return those that ran as ``--set`` takes them, empty where none did.

    Parameters
    ----------
    ran : mapping
        Parameters by method and measure.
    """
    same = [
        f"{name}.{parameter}={value}"
        for name, cheap in AFFORDABLE.items()
        for parameter, value in cheap.items()
        if ran.get(name, {}).get(parameter) == value
    ]
    return ", ".join(same)


def workers_of_ours() -> int:
    """Return how many explanation workers a server has that an audit starts; 0: what its setting says.

    One per processor core: an audit has always more to do, and two workers of one thread do more than one of two.
    """
    return 0 if os.environ.get("RADIOLUCENT_WORKERS") else len(os.sched_getaffinity(0))
