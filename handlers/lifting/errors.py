"""What lifting raises."""

from __future__ import annotations

from ..errors import HandlersError

__all__ = ["NotDifferentiable", "NotLiftable"]


class NotLiftable(HandlersError):
    """A TorchScript copy whose layers cannot be rebuilt faithfully; the text says why, and names no file."""


class NotDifferentiable(HandlersError):
    """A TorchScript copy without a gradient with respect to its input; the text says why, and names no file."""
