"""What happens to one image at a model: decode, preprocess, vote; and the records that describe models.

Needs neither torch nor gRPC, except :mod:`radiolucent.handlers.torchscript`.
"""

from .calibration import Calibration
from .card import INTENDED_USE, InputSpec, Label, ModelCard, load_card, save_card
from .decode import decode, inspect
from .ensemble_card import EnsembleCard, EnsembleFacts
from .errors import CardError, HandlersError, ImageError, ImageProblem, RepositoryError
from .geometry import Affine, Fit, fit
from .image import ImageHeader, XRay
from .preprocess import Prepared, preprocess
from .vote import Vote, probabilities, served_probabilities, vote

__all__ = [
    "INTENDED_USE",
    "Affine",
    "Calibration",
    "CardError",
    "EnsembleCard",
    "EnsembleFacts",
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
    "served_probabilities",
    "vote",
]
