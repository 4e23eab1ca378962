"""Measures of the quality of maps: how faithful, robust, sensitive to the weights and simple an attribution is."""

from .contract import Better, Family, Measure, MeasuredValue, Shared, Subject
from .registry import MEASURES, measure_by_name, measure_parameters

__all__ = [
    "MEASURES",
    "Better",
    "Family",
    "Measure",
    "MeasuredValue",
    "Shared",
    "Subject",
    "measure_by_name",
    "measure_parameters",
]
