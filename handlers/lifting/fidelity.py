"""What a TorchScript copy can do, and whether its lifted form computes the same."""

from __future__ import annotations

import torch
from torch import nn

from ..card import InputSpec
from ..out_of_memory import ran_out
from ..torchscript import device_of
from .errors import NotDifferentiable, NotLiftable

__all__ = ["check_fidelity", "check_folding", "check_gradient", "check_reduced"]

_BATCHES = (1, 3)
_TOLERANCE = 1e-6
"""Largest difference, as a share of the largest value. The same kernels run, so it is 0 as a rule."""
_FOLDED_TOLERANCE = 1e-5
"""The same for outputs of a folded network, whose sums are rounded in another order: it is below 1e-6 as a rule."""
_FOLDED_GRADIENT_TOLERANCE = 0.1
"""Largest distance of the gradient through a folded network, as a share of its length: units next to zero change sides,
which is below 0.01 as a rule, and another network's gradient is as far away as it is long."""

_REDUCED_TOLERANCE = 0.2
"""The same for outputs in bfloat16: what is above is another network. Each image's own is in its result."""


def check_gradient(script: nn.Module, spec: InputSpec, *, seed: int = 0) -> None:
    """Differentiate the outputs with respect to a random image.

    Parameters
    ----------
    script : torch.nn.Module
        A TorchScript copy.
    spec : InputSpec
        What it expects to see.
    seed : int
        Of the random image.

    Raises
    ------
    NotDifferentiable
        If there is no gradient, or it is not finite.
    """
    try:
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            _, gradient = _outputs(script, _images(spec, 1, torch.Generator().manual_seed(seed)))
    except RuntimeError as error:
        if ran_out(error):
            raise
        raise NotDifferentiable("has no gradient with respect to its input") from error
    if not bool(gradient.isfinite().all()):
        raise NotDifferentiable("has a gradient that is not finite")


def check_fidelity(
    lifted: nn.Module, script: nn.Module, spec: InputSpec, *, size: tuple[int, int] | None = None, seed: int = 0
) -> None:
    """Compare outputs and input gradients on random images, in batches of one and of three.

    Parameters
    ----------
    lifted : torch.nn.Module
        What `lift` made.
    script : torch.nn.Module
        The TorchScript copy it was made of.
    spec : InputSpec
        What both expect to see.
    size : tuple of int, optional
        Height and width of the random images; by default those of the spec.
    seed : int
        Of the random images.

    Raises
    ------
    NotLiftable
        If they differ by more than rounding, or the lifted one fails. The text says by how much.
    """
    generator = torch.Generator().manual_seed(seed)
    for count in _BATCHES:
        images = _images(spec, count, generator, size)
        # TorchScript's profiling executor would rewrite the graph between one run and the next.
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            expected = _outputs(script, images)
        try:
            got = _outputs(lifted, images)
        except (RuntimeError, TypeError, ValueError) as error:
            if ran_out(error):
                raise
            raise NotLiftable(f"cannot be lifted: its layers do not run on a batch of {count}") from error
        for what, ours, theirs in zip(("outputs", "gradients"), got, expected, strict=True):
            difference = float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-30))
            if not difference <= _TOLERANCE:
                raise NotLiftable(
                    f"cannot be lifted faithfully: its {what} on a random batch of {count} differ by {difference:.1e} "
                    "of the largest"
                )


def check_folding(folded: nn.Module, script: nn.Module, spec: InputSpec, *, seed: int = 0) -> None:
    """Compare outputs on two random images, and the gradient of one of them where there is any.

    The gradient is compared as a whole: where a unit is next to zero, rounding alone decides on which side of a kink it
    is, and moves some pixels.

    Parameters
    ----------
    folded : torch.nn.Module
        What `fold` made.
    script : torch.nn.Module
        The TorchScript copy that it stands for.
    spec : InputSpec
        What both expect to see.
    seed : int
        Of the random images.

    Raises
    ------
    NotLiftable
        If outputs differ by more than 1e-5 of the largest, or the gradient by more than a tenth of its length, or the
        folded one fails.
    """
    difference = _difference(folded, script, spec, seed, "cannot be folded: its layers do not run")
    if not difference <= _FOLDED_TOLERANCE:
        raise NotLiftable(f"cannot be folded: its outputs differ by {difference:.1e} of the largest")
    image = _images(spec, 1, torch.Generator().manual_seed(seed))
    try:
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            _, expected = _outputs(script, image)
    except RuntimeError as error:
        if ran_out(error):
            raise
        return  # there is none that could be wrong
    try:
        _, gradient = _outputs(folded, image)
    except (RuntimeError, TypeError, ValueError) as error:
        if ran_out(error):
            raise
        raise NotLiftable("cannot be folded: it has no gradient then") from error
    distance = float((gradient - expected).norm() / expected.norm().clamp(min=1e-30))
    if not distance <= _FOLDED_GRADIENT_TOLERANCE:
        raise NotLiftable(f"cannot be folded: its gradient differs by {distance:.0%}")


def check_reduced(reduced: nn.Module, script: nn.Module, spec: InputSpec, *, seed: int = 0) -> None:
    """Look whether a network survives bfloat16, on two random images.

    Parameters
    ----------
    reduced : torch.nn.Module
        What `reduce_precision` made.
    script : torch.nn.Module
        The TorchScript copy that it stands for.
    spec : InputSpec
        What both expect to see.
    seed : int
        Of the random images.

    Raises
    ------
    NotLiftable
        If its layers do not run in bfloat16, or outputs differ by more than a fifth of the largest output.
    """
    difference = _difference(reduced, script, spec, seed, "has layers that do not run in bfloat16")
    if not difference <= _REDUCED_TOLERANCE:
        raise NotLiftable(
            f"does not survive bfloat16: its outputs on random images differ by {difference:.0%} of the largest"
        )


def _difference(form: nn.Module, script: nn.Module, spec: InputSpec, seed: int, broken: str) -> float:
    """Return the largest difference of outputs on two random images, as a share of the largest output."""
    images = _images(spec, 2, torch.Generator().manual_seed(seed)).to(device_of(script))
    with torch.no_grad(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        expected = script(images)
        try:
            return float((form(images) - expected).abs().max() / expected.abs().max().clamp(min=1e-30))
        except (RuntimeError, TypeError, ValueError) as error:
            if ran_out(error):
                raise
            raise NotLiftable(broken) from error


def _images(
    spec: InputSpec, count: int, generator: torch.Generator, size: tuple[int, int] | None = None
) -> torch.Tensor:
    height, width = size or (spec.size, spec.size)
    brightness = torch.rand(count, spec.channels, height, width, generator=generator)
    return (brightness - spec.mean) / spec.std


def _outputs(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.enable_grad():
        points = images.to(device_of(network), copy=True).requires_grad_()
        outputs = network(points)
        (gradient,) = torch.autograd.grad(outputs.square().sum(), points)
    return outputs.detach(), gradient
