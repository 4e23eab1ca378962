"""Gradients in which every ReLU passes back something else than its slope: guided backprop and deconvolution."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from torch import fx, nn

from ...handlers.lifting import ACTIVATIONS
from ..contract import Attribution, Completeness, Job, Method, Need, Parameters
from ..errors import NotApplicable
from ..observed import ObservedModel
from .signal_path import AFFINE_OPERATORS, PRODUCTS, operator_name, signal

__all__ = ["Deconvolution", "GuidedBackprop", "ReluGradient", "ReluGradientParameters"]

_OTHERS = tuple(kind for kind in ACTIVATIONS if kind not in (nn.ReLU, nn.Sigmoid, nn.LogSigmoid))
"""Activations that stand where the methods want a ReLU; a sigmoid is a gate or the output."""


class ReluGradientParameters(Parameters):
    """The method has no parameters."""


class ReluGradient(Method[ReluGradientParameters]):
    """One of Captum's methods that replace the gradient of ReLUs, on the lifted network."""

    parameters = ReluGradientParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT, Need.MODULES})
    signed = True
    completeness = Completeness.NONE
    captums: ClassVar[str]
    """Name of Captum's class."""

    def check_network(self, network: torch.nn.Module) -> None:
        """Refuse a network with activations for which the method is not defined, by their names.

        A ReLU written as another operator (a clamp, a maximum with zero, a product with a mask) would get its plain
        gradient, so every operator on the signal's way that is neither affine nor a product is refused as well.
        """
        kinds = {type(layer) for layer in network.modules()}
        others = {kind.__name__ for kind in kinds if issubclass(kind, _OTHERS)}
        if isinstance(network, fx.GraphModule):
            operators = {operator_name(node) for node, _ in signal(network) if node.op == "call_function"}
            others |= {f"aten::{name}" for name in operators - AFFINE_OPERATORS - PRODUCTS}
        if others:
            raise NotApplicable(f"{self.title} is defined for ReLU; this network has {', '.join(sorted(others))}")
        if nn.ReLU not in kinds:
            raise NotApplicable(f"{self.title} is defined for ReLU, and this network has none")

    def explain(
        self,
        model: ObservedModel,
        image: torch.Tensor,
        targets: Sequence[int],
        params: ReluGradientParameters,
        job: Job,
    ) -> Iterator[Attribution]:
        """Yield one final map per target."""
        total = self.cost(params, image.shape[1:], len(targets))
        for position, target in enumerate(targets):
            values = self.gradient(model, image, target)[0]
            job.progress(3 * (position + 1), total)
            yield Attribution(target, values, fraction=1.0, final=True)

    def gradient(self, model: ObservedModel, images: torch.Tensor, target: int) -> torch.Tensor:
        """Return the maps [N, C, H, W] of one output for several images."""
        import captum.attr  # not at the top: it brings pandas and matplotlib

        method = getattr(captum.attr, self.captums)(model)
        with warnings.catch_warnings():
            # Captum says of every call that it sets hooks and removes them.
            warnings.filterwarnings("ignore", "Setting backward hooks on ReLU", UserWarning)
            values: torch.Tensor = method.attribute(images.clone().requires_grad_(), target=target)
        return values.detach()

    def cost(self, params: ReluGradientParameters, shape: Sequence[int], targets: int) -> int:
        """Return the cost of a pass forth and back per target."""
        return 3 * targets


class GuidedBackprop(ReluGradient):
    """The gradient along the paths on which nothing negative flows back."""

    name = "guided_backprop"
    title = "Guided backprop"
    description = (
        "The gradient with every ReLU passing back positive gradients alone: sharp, but it shows edges nearly whatever "
        "the network learnt (Adebayo et al., arXiv:1810.03292), so that it must not rank models."
    )
    reference = (
        "Springenberg, Dosovitskiy, Brox, Riedmiller: Striving for Simplicity: The All Convolutional Net. "
        "ICLR Workshop 2015. arXiv:1412.6806"
    )
    captums = "GuidedBackprop"


class Deconvolution(ReluGradient):
    """The signal sent back through the network with a ReLU in place of each ReLU's slope."""

    name = "deconvolution"
    title = "Deconvolution"
    description = (
        "The output sent back through the network, every ReLU applied to what comes back instead of to what went "
        "forward. Like guided backprop it shows edges nearly whatever the network learnt."
    )
    reference = "Zeiler, Fergus: Visualizing and Understanding Convolutional Networks. ECCV 2014. arXiv:1311.2901"
    captums = "Deconvolution"
