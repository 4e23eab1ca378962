"""Results as plain JSON values: what ``--json`` prints and ``result.json`` holds. Arrays are left to other files."""

from __future__ import annotations

import dataclasses
import math
from datetime import datetime
from enum import Enum
from typing import Any

import numpy as np

from .events import Classified, Event, Failure, Heatmap, ModelInput, Summary

__all__ = ["Record", "plain"]

_PLACE = frozenset({"job_id", "request_id", "sequence"})


def plain(value: object) -> Any:  # noqa: ANN401  - any JSON value
    """Turn a result into JSON values.

    Parameters
    ----------
    value : object
        A result, an event, or what they are made of.

    Returns
    -------
    object
        Dataclasses as objects, enums as their words, times in ISO 8601; arrays are left out, and numbers that JSON
        does not know are null.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not isinstance(getattr(value, field.name), np.ndarray)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class Record:
    """What a job said, event by event, without its arrays: however many maps there are, it stays small.

    Parameters
    ----------
    file : str
        The X-ray's file, as the caller named it.
    """

    def __init__(self, file: str) -> None:
        self._job: dict[str, Any] = {"job_id": None, "request_id": None}
        self._intended_use = ""
        self._file = file
        self._classified: dict[str, Any] = {
            "classification": None,
            "targets": [],
            "items": [],
            "estimates": [],
            "estimated_work_s": None,
            "estimated_wait_s": None,
        }
        self._heatmaps: list[dict[str, Any]] = []
        self._inputs: list[dict[str, Any]] = []
        self._failures: list[dict[str, Any]] = []
        self._summary: dict[str, Any] | None = None

    def add(self, event: Event, files: dict[str, str] | None = None) -> None:
        """Take an event in; progress and partial maps leave no trace.

        Parameters
        ----------
        event : Event
            The event.
        files : dict, optional
            Files that hold its arrays, by what they hold; relative to the record's own.
        """
        self._job = {"job_id": event.job_id, "request_id": event.request_id}
        entry = {key: value for key, value in plain(event).items() if key not in _PLACE}
        if files is not None:
            entry["files"] = files
        if isinstance(event, Classified):
            self._intended_use = event.classification.intended_use
            entry.pop("time")
            self._classified = entry
        elif isinstance(event, Heatmap) and event.final:
            entry.pop("attribution", None)
            self._heatmaps.append({**entry, "range": plain([float(event.values.min()), float(event.values.max())])})
        elif isinstance(event, ModelInput):
            self._inputs.append({**entry, "shape": list(event.values.shape)})
        elif isinstance(event, Failure):
            self._failures.append(entry)
        elif isinstance(event, Summary):
            self._intended_use = event.intended_use or self._intended_use
            self._summary = entry

    def as_document(self, **also: object) -> dict[str, Any]:
        """Return everything so far.

        Parameters
        ----------
        also : object
            More to say, put at the end.

        Returns
        -------
        dict
            JSON values. ``state`` is how the job ended, or "interrupted" where its end was not seen.
        """
        return {
            "intended_use": self._intended_use,
            "file": self._file,
            **self._job,
            "state": self._summary["state"] if self._summary else "interrupted",
            **self._classified,
            "heatmaps": self._heatmaps,
            "inputs": self._inputs,
            "failures": self._failures,
            "summary": self._summary,
            **{key: plain(value) for key, value in also.items()},
        }
