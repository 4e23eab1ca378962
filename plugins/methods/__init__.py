"""The methods that are built in, brought like anyone's."""

from __future__ import annotations

from ..contract import API_VERSION
from ..hookspec import Register, hookimpl
from .expected_gradients import ExpectedGradients
from .gradient_shap import GradientShap
from .input_x_gradient import InputXGradient
from .integrated_gradients import IntegratedGradients
from .noise_tunnel_integrated_gradients import NoiseTunnelIntegratedGradients
from .occlusion import Occlusion
from .saliency import Saliency
from .smooth_grad import SmoothGrad
from .smooth_grad_squared import SmoothGradSquared
from .var_grad import VarGrad

__all__ = [
    "ExpectedGradients",
    "GradientShap",
    "InputXGradient",
    "IntegratedGradients",
    "NoiseTunnelIntegratedGradients",
    "Occlusion",
    "Saliency",
    "SmoothGrad",
    "SmoothGradSquared",
    "VarGrad",
    "radiolucent_register_methods",
]

RADIOLUCENT_API_VERSION = API_VERSION


@hookimpl
def radiolucent_register_methods(register: Register) -> None:
    """Bring the built-in methods."""
    register(ExpectedGradients())
    register(GradientShap())
    register(InputXGradient())
    register(IntegratedGradients())
    register(NoiseTunnelIntegratedGradients())
    register(Occlusion())
    register(Saliency())
    register(SmoothGrad())
    register(SmoothGradSquared())
    register(VarGrad())
