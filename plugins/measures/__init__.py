"""Measures of the quality of maps: how faithful, robust, sensitive to the weights and simple an attribution is."""

from .contract import Better, Family, Measure, MeasuredValue, OtherNetwork, Shared, Subject
from .registry import MEASURES, measure_by_name, measure_parameters
from .reruns import Reruns, runs_together

__all__ = [
    "MEASURES",
    "Better",
    "Family",
    "Measure",
    "MeasuredValue",
    "OtherNetwork",
    "Reruns",
    "Shared",
    "Subject",
    "measure_by_name",
    "measure_parameters",
    "runs_together",
]
