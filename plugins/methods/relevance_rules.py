"""Which rule of relevance propagation goes to which layer: composites, as zennit has them."""

from __future__ import annotations

import torch
from zennit import composites
from zennit.core import BasicHook, Composite, ParamMod, stabilize
from zennit.rules import Epsilon, Norm, Pass
from zennit.types import Linear

from ...handlers.card import InputSpec
from .relevance_choice import Rules
from .relevance_layers import Affine, Mean, Scale

__all__ = ["STABILIZER", "composite_of"]

STABILIZER = 1e-6
"""Added, with its sign, to what other rules than epsilon divide by; zennit's default."""


def composite_of(rules: Rules, spec: InputSpec, *, epsilon: float, gamma: float) -> Composite:
    """Make the composite.

    Parameters
    ----------
    rules : Rules
        Which.
    spec : InputSpec
        What the network expects to see: where black and white lie.
    epsilon : float
        Of the epsilon rule.
    gamma : float
        Of the gamma rule.

    Returns
    -------
    zennit.core.Composite
        For a network that `relevance_network` made; its maximum poolings get no rule, so that the largest takes
        all.
    """
    if rules is Rules.EPSILON:
        sums = Norm(stabilizer=epsilon)
        rule = Epsilon(epsilon=epsilon)
        own = [(Scale, Pass()), (Mean, sums), (Affine, rule)]
        return composites.LayerMapComposite([*own, *composites.layer_map_base(epsilon), (Linear, rule)])
    own = [(Scale, Pass()), (Mean, Norm(stabilizer=STABILIZER)), (Affine, _Share())]
    options = {"epsilon": epsilon, "stabilizer": STABILIZER, "layer_map": own}
    if rules is Rules.EPSILON_GAMMA_BOX:
        low, high = ((level - spec.mean) / spec.std for level in (0.0, 1.0))
        return composites.EpsilonGammaBox(low=low, high=high, gamma=gamma, **options)
    return composites.COMPOSITES[rules.value](**options)


class _Share(BasicHook):
    """Split relevance between a factor's product and the bias by their magnitudes.

    Under z+ and its kin a normalisation in front of a convolution would take all, or twice as much as there is,
    depending on signs; so each share lies in [0, 1] and no sign is turned.
    """

    def __init__(self) -> None:
        super().__init__(
            input_modifiers=[torch.abs],
            param_modifiers=[ParamMod(lambda parameter, _: parameter.abs())],
            output_modifiers=[lambda output: output],
            gradient_mapper=lambda gradient, outputs: gradient / stabilize(outputs[0], STABILIZER),
            reducer=lambda inputs, gradients: inputs[0] * gradients[0],
        )

    def copy(self) -> _Share:
        return _Share()
