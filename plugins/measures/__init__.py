"""Measures of the quality of maps: how faithful, robust, sensitive to the weights and simple an attribution is."""

from .contract import Better, Measure, MeasuredValue, Subject
from .registry import MEASURES, measure, parameters

__all__ = ["MEASURES", "Better", "Measure", "MeasuredValue", "Subject", "measure", "parameters"]
