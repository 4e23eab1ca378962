"""Layer-wise relevance propagation: the output handed back from layer to layer, each input getting its share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, cast

import torch
from pydantic import Field

from ..contract import Attribution, Completeness, Job, Method, Need, Output, Parameters
from ..errors import NotApplicable
from ..observed import ObservedModel
from .private_copy import discarded, swapped
from .relevance_choice import Rules

__all__ = ["Lrp", "LrpParameters"]

_ROUNDING = 1e-3
"""Largest difference that merging normalisations may make to the outputs, of the largest output."""


class LrpParameters(Parameters):
    """By which rules the relevance is shared."""

    composite: Rules = Field(
        default=Rules.EPSILON_PLUS_FLAT,
        description="The rules: epsilon_plus_flat (z+ for convolutions, flat for the first, epsilon for linear "
        "layers), epsilon_plus (z+ for the first too), epsilon_alpha2_beta1 (alpha 2, beta 1 for convolutions), "
        "epsilon_gamma_box (gamma for convolutions, the box from black to white for the first) or epsilon for all.",
    )
    epsilon: float = Field(
        default=1e-6,
        gt=0,
        le=10,
        description="Of the epsilon rule: added to a layer's output before the division, in its units, 0 to 10; the "
        "larger, the more small and contradictory relevance is dropped.",
    )
    gamma: float = Field(
        default=0.25, ge=0, le=100, description="Of the gamma rule: extra weight of positive weights, 0 to 100."
    )


class Lrp(Method[LrpParameters]):
    """Zennit's rules on a copy of the lifted network in which normalisations are merged, and sums and scalings layers.

    The relevance of an output is the output itself. It is complete but for what biases and stabilisers take.
    """

    name = "lrp"
    title = "Layer-wise relevance propagation"
    description = (
        "Each pixel's share of the output, handed back from layer to layer, in units of the output. The shares sum to "
        "the output, less what the network's biases take, which may be most of it: the map's fact absorbed, in the "
        "same units."
    )
    reference = (
        "Bach, Binder, Montavon, Klauschen, Müller, Samek: On Pixel-Wise Explanations for Non-Linear Classifier "
        "Decisions by Layer-Wise Relevance Propagation. PLOS ONE 2015. doi:10.1371/journal.pone.0130140. Composites: "
        "Kohlbrenner et al., arXiv:1910.09840"
    )
    parameters = LrpParameters
    needs: ClassVar[frozenset[Need]] = frozenset({Need.FORWARD, Need.GRADIENT, Need.MODULES})
    needs_float32 = "its rules rebuild the network out of layers of one type, and bfloat16 mixes two"
    signed = True
    completeness = Completeness.NONE

    def check_network(self, network: torch.nn.Module) -> None:
        """Refuse a network with parts that have no rule (gates, attention, layer normalisation), by their names."""
        from .relevance_network import check_rules

        check_rules(network)

    def explain(
        self, model: ObservedModel, image: torch.Tensor, targets: Sequence[int], params: LrpParameters, job: Job
    ) -> Iterator[Attribution]:
        """Yield one final map per target; they share one forward pass."""
        # Not at the top: zennit imports torchvision, which takes longer than all other methods together.
        from .relevance_network import relevance_network
        from .relevance_rules import composite_of

        if model.output is not Output.LOGIT:
            raise NotApplicable("the relevance of a probability is not defined; let the logit be explained")
        total = self.cost(params, image.shape[1:], len(targets))
        composite = composite_of(params.composite, model.spec, epsilon=params.epsilon, gamma=params.gamma)
        with discarded(relevance_network(cast("torch.fx.GraphModule", model.network))) as network:
            with torch.no_grad():
                expected = model(image)
            job.progress(1, total)
            with swapped(model, network), composite.context(network):
                with torch.enable_grad():
                    points = image.detach().clone().requires_grad_()
                    outputs = model(points)
                _check_outputs(outputs.detach(), expected)
                for position, target in enumerate(targets):
                    start = torch.zeros_like(outputs)
                    start[0, target] = expected[0, target]
                    (relevance,) = torch.autograd.grad(outputs, points, start, retain_graph=position < len(targets) - 1)
                    job.progress(2 + (position + 1) * params.composite.cost, total)
                    values = relevance[0].detach()
                    absorbed = float(expected[0, target]) - float(values.double().sum())
                    yield Attribution(target, values, fraction=1.0, final=True, facts={"absorbed": absorbed})
                    job.check()

    def cost(self, params: LrpParameters, shape: Sequence[int], targets: int) -> int:
        """Return the cost of a pass of the network, one of its copy, and a propagation back per target."""
        return 2 + targets * params.composite.cost


def _check_outputs(outputs: torch.Tensor, expected: torch.Tensor) -> None:
    difference = float((outputs - expected).abs().max() / expected.abs().max().clamp(min=1e-30))
    if not difference <= _ROUNDING:
        raise NotApplicable(
            f"the network cannot be rewritten for relevance propagation: its outputs change by {difference:.1e} of the "
            "largest"
        )
