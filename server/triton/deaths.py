"""Deaths of Triton while it loaded something: when that is taken for the fault of what it loaded, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Deaths"]

_ALLOWED = 1
_FIRST_WAIT_SECONDS = 300.0
_LONGEST_WAIT_SECONDS = 24 * 3600.0
Key = tuple[str, int]


@dataclass
class _Record:
    deaths: int = 0
    due: float = 0.0


class Deaths:
    """Counts deaths by model and version since the last time that it was loaded.

    Triton may also die for another reason, as when memory is short, so what is blamed is tried again: after five
    minutes, and after twice as long every time that it does not help, up to a day.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._records: dict[Key, _Record] = {}

    def count(self, key: Key) -> bool:
        """Note a death; True if it is no accident any more."""
        record = self._records.setdefault(key, _Record())
        record.deaths += 1
        blamed = record.deaths - _ALLOWED
        if blamed < 1:
            return False
        record.due = self._clock() + min(_FIRST_WAIT_SECONDS * 2.0 ** min(blamed - 1, 20), _LONGEST_WAIT_SECONDS)
        return True

    def due(self, key: Key) -> bool:
        """Whether it was blamed, and has waited long enough for another try."""
        record = self._records.get(key)
        return record is not None and record.deaths > _ALLOWED and self._clock() >= record.due

    def forget(self, key: Key) -> None:
        """Start again: it was loaded, or is refused for another reason."""
        self._records.pop(key, None)
