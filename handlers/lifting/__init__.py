"""Rebuilding a TorchScript copy so that its layers can be seen and hooked one by one, or so that it runs faster."""

from .errors import NotDifferentiable, NotLiftable
from .fidelity import check_fidelity, check_folding, check_gradient, check_reduced
from .folding import fold
from .layers import ACTIVATIONS
from .lift import lift
from .reducing import reduce_precision

__all__ = [
    "ACTIVATIONS",
    "NotDifferentiable",
    "NotLiftable",
    "check_fidelity",
    "check_folding",
    "check_gradient",
    "check_reduced",
    "fold",
    "lift",
    "reduce_precision",
]
