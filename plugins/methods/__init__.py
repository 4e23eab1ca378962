"""The methods that are built in, brought like anyone's."""

from __future__ import annotations

from ..contract import API_VERSION
from ..hookspec import Register, hookimpl
from .approximate_occlusion import ApproximateOcclusion
from .class_activation_map import ClassActivationMap
from .deep_lift import DeepLift
from .deep_lift_shap import DeepLiftShap
from .expected_gradients import ExpectedGradients
from .feature_ablation import FeatureAblation
from .grad_cam import GradCam
from .grad_cam_plus_plus import GradCamPlusPlus
from .gradient_shap import GradientShap
from .guided_grad_cam import GuidedGradCam
from .input_x_gradient import InputXGradient
from .integrated_gradients import IntegratedGradients
from .kernel_shap import KernelShap
from .layer_cam import LayerCam
from .lime import Lime
from .lrp import Lrp
from .noise_tunnel_integrated_gradients import NoiseTunnelIntegratedGradients
from .occlusion import Occlusion
from .relu_gradients import Deconvolution, GuidedBackprop
from .rise import Rise
from .saliency import Saliency
from .score_cam import ScoreCam
from .smooth_grad import SmoothGrad
from .smooth_grad_squared import SmoothGradSquared
from .var_grad import VarGrad
from .xrai import Xrai

__all__ = [
    "ApproximateOcclusion",
    "ClassActivationMap",
    "Deconvolution",
    "DeepLift",
    "DeepLiftShap",
    "ExpectedGradients",
    "FeatureAblation",
    "GradCam",
    "GradCamPlusPlus",
    "GradientShap",
    "GuidedBackprop",
    "GuidedGradCam",
    "InputXGradient",
    "IntegratedGradients",
    "KernelShap",
    "LayerCam",
    "Lime",
    "Lrp",
    "NoiseTunnelIntegratedGradients",
    "Occlusion",
    "Rise",
    "Saliency",
    "ScoreCam",
    "SmoothGrad",
    "SmoothGradSquared",
    "VarGrad",
    "Xrai",
    "radiolucent_register_methods",
]

RADIOLUCENT_API_VERSION = API_VERSION


@hookimpl
def radiolucent_register_methods(register: Register) -> None:
    """Bring the built-in methods."""
    register(ApproximateOcclusion())
    register(ClassActivationMap())
    register(Deconvolution())
    register(DeepLift())
    register(DeepLiftShap())
    register(ExpectedGradients())
    register(FeatureAblation())
    register(GradCam())
    register(GradCamPlusPlus())
    register(GradientShap())
    register(GuidedBackprop())
    register(GuidedGradCam())
    register(InputXGradient())
    register(IntegratedGradients())
    register(KernelShap())
    register(LayerCam())
    register(Lime())
    register(Lrp())
    register(NoiseTunnelIntegratedGradients())
    register(Occlusion())
    register(Rise())
    register(Saliency())
    register(ScoreCam())
    register(SmoothGrad())
    register(SmoothGradSquared())
    register(VarGrad())
    register(Xrai())
