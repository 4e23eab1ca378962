"""The rules of relevance propagation that there are to choose from."""

from __future__ import annotations

from enum import Enum

__all__ = ["Rules"]


class Rules(str, Enum):
    """A rule for each kind of layer."""

    EPSILON_PLUS_FLAT = "epsilon_plus_flat"
    """Flat for the first layer, z+ for convolutions, epsilon for linear layers."""
    EPSILON_PLUS = "epsilon_plus"
    """z+ for convolutions, epsilon for linear layers."""
    EPSILON_ALPHA2_BETA1 = "epsilon_alpha2_beta1"
    """Alpha 2, beta 1 for convolutions, epsilon for linear layers."""
    EPSILON_GAMMA_BOX = "epsilon_gamma_box"
    """The box of black and white for the first convolution, gamma for the others, epsilon for linear layers."""
    EPSILON = "epsilon"
    """Epsilon for all, sums and means too."""

    @property
    def cost(self) -> int:
        """Work of one propagation back, in forward passes: each rule runs its layer forth and back some times."""
        runs = {Rules.EPSILON: 1, Rules.EPSILON_ALPHA2_BETA1: 4, Rules.EPSILON_GAMMA_BOX: 5}.get(self, 2)
        return 2 + 3 * runs
