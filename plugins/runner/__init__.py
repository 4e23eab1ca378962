"""Running a method in this process, without Triton, Ray or a gateway: for notebooks, and for who writes a method.

::

    from radiolucent.plugins.runner import explain

    explanation = explain("chest.png", "model.pt", "saliency", targets="Nodule")
    explanation["Nodule"].heatmap
"""

from .explaining import Explanation, TargetMap, explain
from .images import ImageSource
from .networks import NetworkSource, explainable

__all__ = ["Explanation", "ImageSource", "NetworkSource", "TargetMap", "explain", "explainable"]
