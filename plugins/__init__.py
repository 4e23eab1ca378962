"""Explanation methods: their contract, the hook that brings them, and those that are built in."""

from .contract import (
    API_VERSION,
    Attribution,
    Channels,
    Completeness,
    Job,
    Method,
    Need,
    Output,
    Parameters,
    Precision,
)
from .errors import (
    Cancelled,
    InvalidParameters,
    InvalidResult,
    NotApplicable,
    PluginsError,
    RegistrationError,
    UnknownMeasure,
    UnknownMethod,
)
from .explainable import Applicability, ExplainableNetwork
from .heatmap import heatmap
from .hookspec import hookimpl
from .observed import ObservedModel
from .order import low_discrepancy_order, stages
from .reduced import ReducedNetwork
from .registry import BrokenPlugin, Origin, Registry, load_registry
from .results import checked, facts_of
from .segmenter import Segmenter, checked_mask
from .validation import parameters_schema, validate_parameters

__all__ = [
    "API_VERSION",
    "Applicability",
    "Attribution",
    "BrokenPlugin",
    "Cancelled",
    "Channels",
    "Completeness",
    "ExplainableNetwork",
    "InvalidParameters",
    "InvalidResult",
    "Job",
    "Method",
    "Need",
    "NotApplicable",
    "ObservedModel",
    "Origin",
    "Output",
    "Parameters",
    "PluginsError",
    "Precision",
    "ReducedNetwork",
    "RegistrationError",
    "Registry",
    "Segmenter",
    "UnknownMeasure",
    "UnknownMethod",
    "checked",
    "checked_mask",
    "facts_of",
    "heatmap",
    "hookimpl",
    "load_registry",
    "low_discrepancy_order",
    "parameters_schema",
    "stages",
    "validate_parameters",
]
