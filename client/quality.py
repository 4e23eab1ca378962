"""What is said of a map beside the map: measures of its quality, and what of it lies outside the lungs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Measure", "MeasuredValue", "Measurement", "Measures", "OutsideLungs", "Segmenter"]

Measures = str | Sequence[str | tuple[str, Mapping[str, Any]]] | Mapping[str, Mapping[str, Any]]
"""Names of measures, pairs of a name and parameters, or parameters by name."""


@dataclass(frozen=True)
class MeasuredValue:
    """A number that a measure gives.

    Parameters
    ----------
    name : str
        For example ``"above_random"``.
    description : str
        What it means, with its unit and range.
    better : str
        Which end is the good one: ``"higher"``, ``"lower"``, or ``"unspecified"`` where it is reported alone.
    """

    name: str
    description: str
    better: str


@dataclass(frozen=True)
class Measure:
    """A measure of the quality of maps.

    Parameters
    ----------
    name : str
        For example ``"deletion"``.
    title, description, reference : str
        For people; the paper behind it.
    variant : str
        Which code of which library computes it, and what is particular about it.
    family : str
        What kind of property it judges: ``"faithfulness"``, ``"robustness"``, ``"randomisation"`` or ``"complexity"``;
        empty from servers that do not tell.
    parameters_schema : dict
        JSON Schema (2020-12) of its parameters, with defaults, units and ranges.
    values : tuple of MeasuredValue
        The numbers that it gives.
    """

    name: str
    title: str
    description: str
    reference: str
    variant: str
    family: str
    parameters_schema: dict[str, Any] = field(hash=False)
    values: tuple[MeasuredValue, ...]


@dataclass(frozen=True)
class Segmenter:
    """What can tell where the lungs are.

    Parameters
    ----------
    name : str
        Its name.
    title, description, reference : str
        For people; what its masks include, and the paper behind it.
    distribution, distribution_version : str
        The distribution that brings it.
    """

    name: str
    title: str
    description: str
    reference: str
    distribution: str
    distribution_version: str


@dataclass(frozen=True)
class Measurement:
    """What a measure says of a map.

    Parameters
    ----------
    measure : str
        Its name.
    parameters : dict
        What it ran with, defaults included.
    values : dict of str to float
        Its numbers by name; the list of methods says what each means. Empty where there are none.
    refusal : str
        Why there are none, in words; empty where there are.
    elapsed_s : float
        Wall-clock time that it took, in seconds.
    """

    measure: str
    parameters: dict[str, Any] = field(hash=False)
    values: dict[str, float] = field(hash=False)
    refusal: str
    elapsed_s: float


@dataclass(frozen=True)
class OutsideLungs:
    """How much of a map's evidence for the label lies outside the lungs.

    Parameters
    ----------
    share : float, optional
        Share of the map's positive values outside, in [0, 1], of the area where the mask says what is lung. None where
        there is none, or it is not known where the lungs are.
    area : float, optional
        Share of that area which is outside, in [0, 1]: what a map without any preference would have.
    sentence : str
        The same to be shown, or why it is not known.
    segmenter : str
        Who drew the lungs; empty where a mask was given.
    """

    share: float | None
    area: float | None
    sentence: str
    segmenter: str
