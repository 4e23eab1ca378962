"""A measure of quality on its way to a worker, and what it said on its way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["MeasureTask", "Measurement"]


@dataclass(frozen=True)
class MeasureTask:
    """A measure by name, with its parameters as JSON values, validated before."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """What a measure says of a map.

    Parameters
    ----------
    measure : str
        Its name.
    parameters : mapping
        What it ran with, defaults included, as JSON values.
    values : mapping of str to float
        Its numbers by name; empty where there are none.
    refusal : str
        Why there are none, in words; without anything of the patient or of the machine.
    elapsed_s : float
        Seconds that it took.
    passes : int
        Work that it was, in forward passes or their equivalent: without what an earlier map had paid for.
    error_id : str, optional
        Under which the server's log has the details of a refusal; where there are any.
    processor_s : float
        Seconds of the processor that it took, all threads together.
    details : str, optional
        For that log: the error's type and where it was raised, but not its words, which may quote the image.
    """

    measure: str
    parameters: Mapping[str, Any]
    values: Mapping[str, float] = field(default_factory=dict)
    refusal: str = ""
    elapsed_s: float = 0.0
    error_id: str | None = None
    details: str | None = field(default=None, repr=False)
    passes: int = 0
    processor_s: float = 0.0
