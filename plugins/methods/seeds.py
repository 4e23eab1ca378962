"""The seed of a method that draws random numbers."""

from __future__ import annotations

from pydantic import Field

__all__ = ["seed_field"]


def seed_field(of: str, gives: str = "map") -> int:
    """Declare the seed of a method or a measure.

    Parameters
    ----------
    of : str
        What is drawn, for the description.
    gives : str
        What it decides, for the description.
    """
    seed: int = Field(
        default=0,
        ge=0,
        lt=2**32,
        description=f"Seed of {of}, 0 to 4294967295: the same seed gives the same {gives}, bit by bit.",
    )
    return seed
