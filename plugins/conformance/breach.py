"""What a check says of a method that does not keep its contract."""

from __future__ import annotations

__all__ = ["Breach"]


class Breach(AssertionError):
    """A method does not keep the contract; the text says how it shows, and what to mend."""
