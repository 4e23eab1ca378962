"""Captum's methods as somebody would call them who has a network's TorchScript copy."""

from __future__ import annotations

import time
import warnings
from typing import Any

import torch
from captum.attr import DeepLift, GuidedBackprop, InputXGradient, IntegratedGradients, Occlusion, Saliency

from .ratios import seconds_of

__all__ = ["BATCHES", "attribute", "best_batch", "best_points_at_once", "integrate", "occlude", "seconds_per_window"]

BATCHES = (1, 4, 8, 16)
"""Windows at once among which Captum's best is looked for."""
POINTS_AT_ONCE = (1, 4, 16)
"""Points of integrated gradients, likewise."""


def occlude(
    network: torch.nn.Module, image: torch.Tensor, target: int, window: int, stride: int, black: float, batch: int = 1
) -> torch.Tensor:
    """Return Captum's occlusion of one output: [1, C, H, W]."""
    channels = image.shape[1]
    with torch.no_grad():
        found: torch.Tensor = Occlusion(network).attribute(
            image,
            (channels, window, window),
            strides=(channels, stride, stride),
            baselines=black,
            target=target,
            perturbations_per_eval=batch,
        )
    return found


def seconds_per_window(network: torch.nn.Module, image: torch.Tensor, black: float, batch: int) -> float:
    """Measure Captum's occlusion on few windows.

    Every window costs it the same, wherever it lies and however large it is, so a few large ones tell: 4 one by one, or
    16 in batches. What the image itself costs, once in a run, is taken off.
    """
    side = image.shape[-1] // (2 if batch == 1 else 4)
    windows = (image.shape[-2] // side) * (image.shape[-1] // side)
    with torch.no_grad():
        once = seconds_of(lambda: network(image))
    start = time.perf_counter()
    occlude(network, image, 0, side, side, black, batch)
    return max(0.0, time.perf_counter() - start - once) / windows


def best_batch(network: torch.nn.Module, image: torch.Tensor, black: float, short: bool) -> tuple[int, dict[str, Any]]:
    """Return how many windows at once suit Captum best, and the seconds per window of all that were tried."""
    tried = {
        batch: min(seconds_per_window(network, image, black, batch) for _ in range(1 if short else 2))
        for batch in (BATCHES[::2] if short else BATCHES)
    }
    return min(tried, key=tried.__getitem__), {str(batch): round(seconds, 4) for batch, seconds in tried.items()}


def integrate(
    network: torch.nn.Module, image: torch.Tensor, target: int, black: float, steps: int, rule: str, batch: int | None
) -> tuple[torch.Tensor, float]:
    """Return Captum's integrated gradients of one output, [1, C, H, W], and their convergence delta."""
    values, delta = IntegratedGradients(network).attribute(
        image,
        baselines=torch.full_like(image, black),
        target=target,
        n_steps=steps,
        method=rule,
        internal_batch_size=batch,
        return_convergence_delta=True,
    )
    return values.detach(), float(delta)


def best_points_at_once(network: torch.nn.Module, image: torch.Tensor, target: int, black: float) -> int:
    """Return how many points at once suit Captum's integrated gradients best."""

    def seconds(batch: int) -> float:
        return min(
            seconds_of(lambda: integrate(network, image, target, black, 16, "gausslegendre", batch)) for _ in range(2)
        )

    return min(POINTS_AT_ONCE, key=seconds)


def attribute(method: str, script: torch.nn.Module, lifted: torch.nn.Module, image: torch.Tensor, target: int) -> Any:  # noqa: ANN401
    """Run one of Captum's methods of gradients with its defaults; those that hook layers get the lifted network."""
    points = image.clone().requires_grad_()
    with warnings.catch_warnings():
        # Captum says of every call that it sets hooks and removes them.
        warnings.filterwarnings("ignore", "Setting", UserWarning)
        if method == "saliency":
            return Saliency(script).attribute(points, target=target)
        if method == "input_x_gradient":
            return InputXGradient(script).attribute(points, target=target)
        if method == "guided_backprop":
            return GuidedBackprop(lifted).attribute(points, target=target)
        if method == "deep_lift":
            return DeepLift(lifted).attribute(points, target=target, return_convergence_delta=True)
    raise ValueError(method)
