"""Gradients of a network's outputs with respect to its input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from ..observed import ObservedModel

__all__ = ["IMAGE_GRADIENT", "gradients", "image_gradients", "outputs_and_gradients"]

IMAGE_GRADIENT = "image_gradient"
"""Names the passes of methods that take the gradient at the explained image and nothing else."""


def gradients(model: ObservedModel, batch: torch.Tensor, targets: Sequence[int]) -> Iterator[torch.Tensor]:
    """Differentiate several outputs, sharing one forward pass.

    Parameters
    ----------
    model : ObservedModel
        The network.
    batch : torch.Tensor
        [N, C, H, W].
    targets : sequence of int
        Outputs to differentiate.

    Yields
    ------
    torch.Tensor
        Per target, in their order: [N, C, H, W].
    """
    yield from outputs_and_gradients(model, batch, targets)[1]


def outputs_and_gradients(
    model: ObservedModel, batch: torch.Tensor, targets: Sequence[int]
) -> tuple[torch.Tensor, Iterator[torch.Tensor]]:
    """Differentiate several outputs, and tell them too.

    Parameters
    ----------
    model, batch, targets
        As of `gradients`.

    Returns
    -------
    torch.Tensor
        All outputs: [N, L].
    iterator of torch.Tensor
        As of `gradients`.
    """
    # The samples of a batch do not see each other, so the gradient of their sum is each one's own.
    with torch.enable_grad():
        points = batch.detach().clone().requires_grad_()
        outputs = model(points)

    def one_by_one() -> Iterator[torch.Tensor]:
        last = len(targets) - 1
        for position, target in enumerate(targets):
            with torch.enable_grad():
                chosen = outputs[:, target].sum()
            (gradient,) = torch.autograd.grad(chosen, points, retain_graph=position < last)
            yield gradient

    return outputs.detach(), one_by_one()


def image_gradients(model: ObservedModel, image: torch.Tensor, targets: Sequence[int]) -> Iterator[torch.Tensor]:
    """Differentiate several outputs at the explained image; what is known already costs nothing.

    Parameters
    ----------
    model : ObservedModel
        The network; remembers the gradients.
    image : torch.Tensor
        The explained image, [1, C, H, W].
    targets : sequence of int
        Outputs to differentiate.

    Yields
    ------
    torch.Tensor
        Per target, in their order: [1, C, H, W], not to be written to.
    """
    fresh = gradients(model, image, [target for target in targets if (IMAGE_GRADIENT, target) not in model.known])
    for target in targets:
        key = (IMAGE_GRADIENT, target)
        if key not in model.known:
            model.known[key] = next(fresh)
        yield model.known[key]
