"""Measures of the quality of maps: how faithful, robust, sensitive to the weights and simple an attribution is."""

from .contract import Better, Measure, MeasuredValue, Subject

__all__ = ["Better", "Measure", "MeasuredValue", "Subject"]
