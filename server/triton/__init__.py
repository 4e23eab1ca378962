"""Triton: the embedded process or an external one, the model sets it serves, and the questions it is asked."""

from .answers import EnsembleAnswer, NetworkAnswer
from .client import ClientLimits, TritonClient
from .embedded import EmbeddedOptions, EmbeddedTriton
from .errors import (
    ModelNotLoaded,
    NoModelSet,
    TritonCannotRun,
    TritonError,
    TritonFailed,
    TritonOverloaded,
    TritonRefusedImage,
    TritonStartFailed,
    TritonTimeout,
    TritonUnavailable,
)
from .serving import TritonOptions, TritonServing
from .status import Refused, ServingStatus

__all__ = [
    "ClientLimits",
    "EmbeddedOptions",
    "EmbeddedTriton",
    "EnsembleAnswer",
    "ModelNotLoaded",
    "NetworkAnswer",
    "NoModelSet",
    "Refused",
    "ServingStatus",
    "TritonCannotRun",
    "TritonClient",
    "TritonError",
    "TritonFailed",
    "TritonOptions",
    "TritonOverloaded",
    "TritonRefusedImage",
    "TritonServing",
    "TritonStartFailed",
    "TritonTimeout",
    "TritonUnavailable",
]
