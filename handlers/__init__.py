"""What happens to one image at a model: decode, preprocess, vote; and the records that describe models.

Needs neither torch nor gRPC, except :mod:`radiolucent.handlers.torchscript`.
"""

from .card import INTENDED_USE, InputSpec, Label, ModelCard, load_card, save_card
from .decode import decode, inspect
from .errors import CardError, HandlersError, ImageError, ImageProblem, RepositoryError
from .geometry import Affine, Fit, fit
from .image import ImageHeader, XRay
from .preprocess import Prepared, preprocess
from .vote import Vote, probabilities, vote

__all__ = [
    "INTENDED_USE",
    "Affine",
    "CardError",
    "Fit",
    "HandlersError",
    "ImageError",
    "ImageHeader",
    "ImageProblem",
    "InputSpec",
    "Label",
    "ModelCard",
    "Prepared",
    "RepositoryError",
    "Vote",
    "XRay",
    "decode",
    "fit",
    "inspect",
    "load_card",
    "preprocess",
    "probabilities",
    "save_card",
    "vote",
]
