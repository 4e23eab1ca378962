"""The methods that are built in, brought like anyone's."""

from __future__ import annotations

from ..contract import API_VERSION
from ..hookspec import Register, hookimpl
from .integrated_gradients import IntegratedGradients
from .occlusion import Occlusion
from .saliency import Saliency

__all__ = ["IntegratedGradients", "Occlusion", "Saliency", "radiolucent_register_methods"]

RADIOLUCENT_API_VERSION = API_VERSION


@hookimpl
def radiolucent_register_methods(register: Register) -> None:
    """Bring the built-in methods."""
    register(IntegratedGradients())
    register(Occlusion())
    register(Saliency())
