"""Rebuilding a TorchScript copy so that its layers can be seen and hooked one by one."""

from .errors import NotDifferentiable, NotLiftable
from .fidelity import check_fidelity, check_gradient
from .layers import ACTIVATIONS
from .lift import lift

__all__ = ["ACTIVATIONS", "NotDifferentiable", "NotLiftable", "check_fidelity", "check_gradient", "lift"]
