"""Which failed calls are repeated, after how long, and until when: for both clients, with tenacity.

- A full queue (:class:`~radiolucent.client.Busy` with a time to come back) took nothing on, so repeating is safe. It is
  waited for as long as the server says, longer if it stays full, until the caller's time is over: then the refusal is
  raised.
- An outage (:class:`~radiolucent.client.Unavailable`) is waited for about a minute, in which a server restarts.
"""

from __future__ import annotations

import logging
import random
import time
from typing import Any

from tenacity import RetryCallState, wait_exponential

from .errors import Busy, Unavailable

__all__ = ["patience"]

_LOG = logging.getLogger(__name__)

_ATTEMPTS = 16
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
# Callers that were sent away together shall not come back together.
_SPREAD = 0.25

_backoff = wait_exponential(multiplier=_FIRST_WAIT_S, max=_LONGEST_WAIT_S)


def patience(*, deadline: float | None, busy: bool, outages: bool) -> dict[str, Any]:
    """Return the arguments of tenacity's ``Retrying``.

    Parameters
    ----------
    deadline : float, optional
        When the caller's time is over, by ``time.monotonic``; no wait is begun that would end later.
    busy, outages : bool
        Whether a full queue and whether an outage are waited for.

    Returns
    -------
    dict
        For one call, or for one event of a stream.
    """
    return {
        "retry": _Worth(busy=busy, outages=outages),
        "stop": _Over(deadline),
        "wait": _wait,
        "before_sleep": _say,
        "reraise": True,
    }


class _Worth:
    """Whether the call may do better if repeated."""

    def __init__(self, *, busy: bool, outages: bool) -> None:
        self._busy = busy
        self._outages = outages

    def __call__(self, state: RetryCallState) -> bool:
        error = _error(state)
        if isinstance(error, Busy):
            return self._busy and error.retry_after_s is not None
        return self._outages and isinstance(error, Unavailable)


class _Over:
    """Whether it is too late to repeat. A server that is busy is there: only outages are counted."""

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._outages = 0

    def __call__(self, state: RetryCallState) -> bool:
        self._outages += isinstance(_error(state), Unavailable)
        if self._outages >= _ATTEMPTS:
            return True
        return self._deadline is not None and time.monotonic() + state.upcoming_sleep >= self._deadline


def _wait(state: RetryCallState) -> float:
    error = _error(state)
    said = (error.retry_after_s or 0.0) if isinstance(error, Busy) else 0.0
    return max(said, _backoff(state)) * random.uniform(1, 1 + _SPREAD)  # noqa: S311  - no secret


def _say(state: RetryCallState) -> None:
    _LOG.info("%s; asking again in %.1f s", _error(state), state.upcoming_sleep)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
