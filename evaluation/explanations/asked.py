"""What was asked of an audit: what must be the same where it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["AuditAsked"]


class AuditAsked(BaseModel):
    """``asked.json``: a folder holds one audit, and goes on only as the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    """Name of the data set."""
    manifest_sha256: str
    """Of the manifest."""
    split: str
    """Whose films are explained."""
    labels: tuple[str, ...]
    """Labels that are explained where they are true."""
    films: int | None
    """How many are drawn; None: all."""
    seed: int
    """Of the draw."""
    model_set: int
    """Version of the served set."""
    networks: dict[str, int]
    """Version of each network, in voting order."""
    weights: dict[str, str]
    """Checksum of each network's weights."""
    methods: dict[str, dict[str, Any]]
    """Parameters that were asked for, by method, in order."""
    measures: dict[str, dict[str, Any]]
    """The same of the measures."""
    robustness_films: int | None
    """Films, from the first drawn on, on which robustness is measured; None: all."""
    randomisation_films: int | None
    """The same of randomisation."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """In which the networks are explained and measured."""
    float32_films: int = 0
    """Films, from the first drawn on, whose maps are computed in float32 too, and compared."""

    def measures_at(self, place: int, families: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """Return the measures of a film.

        Parameters
        ----------
        place : int
            Of the film in the draw, from 0.
        families : mapping
            What kind of property each measure judges, by name.
        """
        most = {"robustness": self.robustness_films, "randomisation": self.randomisation_films}
        return {
            name: parameters
            for name, parameters in self.measures.items()
            if (limit := most.get(families[name])) is None or place < limit
        }

    def differences(self, other: AuditAsked) -> list[str]:
        """Say in what another audit differs: a sentence each."""
        mine, others = self.model_dump(mode="json"), other.model_dump(mode="json")
        return [
            f"{name.replace('_', ' ')}: {_short(mine[name])} there, {_short(others[name])} asked for"
            for name in mine
            # The order of methods and measures is part of what was asked; that of JSON objects is kept.
            if mine[name] != others[name] or _order(mine[name]) != _order(others[name])
        ]


def _order(value: Any) -> list[str]:  # noqa: ANN401  - any JSON value
    return list(value) if isinstance(value, dict) else []


def _short(value: Any) -> str:  # noqa: ANN401  - any JSON value
    if value is None:
        return "all"
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" if item or item == 0 else key for key, item in value.items()) or "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
