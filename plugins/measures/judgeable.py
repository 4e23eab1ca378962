"""Whether there is anything to judge."""

from __future__ import annotations

import torch

from ..errors import NotApplicable

__all__ = ["check_change", "check_finite", "check_map"]

_ROUNDING = 1e-5
"""Changes of an output below this share of its magnitude are rounding of float32."""


def check_map(heatmap: torch.Tensor) -> None:
    """Refuse a map that says nothing.

    Parameters
    ----------
    heatmap : torch.Tensor
        [H, W].

    Raises
    ------
    NotApplicable
        If it is zero everywhere, or has values that are not numbers.
    """
    check_finite(heatmap)
    if not heatmap.any():
        raise NotApplicable("the map is zero everywhere: it says nothing that could be judged")


def check_finite(heatmap: torch.Tensor) -> None:
    """Refuse a map with values that are not numbers.

    Raises
    ------
    NotApplicable
        If there are some.
    """
    if not torch.isfinite(heatmap).all():
        raise NotApplicable("the map has values that are not finite")


def check_change(change: float, outputs: torch.Tensor, when: str) -> None:
    """Refuse to divide by a change of the output that is none.

    Relative to the outputs, so that a network with ten times larger outputs is refused as often.

    Parameters
    ----------
    change : float
        The change, 0 or more.
    outputs : torch.Tensor
        The outputs that it was found between.
    when : str
        What was done to the image, for the text.

    Raises
    ------
    NotApplicable
        If the change is no more than rounding.
    """
    if change <= _ROUNDING * float(outputs.abs().max()):
        raise NotApplicable(f"the output does not change when {when}, so no map can be judged by it")
