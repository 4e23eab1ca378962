"""What the text of a licence says about commercial use."""

from __future__ import annotations

import re

__all__ = ["allows_commercial_use"]

_FORBIDS = re.compile(r"\bnc\b|non[- ]?commercial|research (use )?only|academic", re.IGNORECASE)
_ALLOWS = re.compile(
    r"\bcc[- ]?0\b|\bcc[- ]by\b|public domain|\bpddl\b|\bmit\b|apache|\bbsd\b|no restrictions", re.IGNORECASE
)


def allows_commercial_use(licence: str) -> bool | None:
    """Tell whether a licence allows commercial use.

    Parameters
    ----------
    licence : str
        Its name, such as ``CC BY-NC-SA 4.0``.

    Returns
    -------
    bool or None
        None: its name does not say. Not legal advice.
    """
    if _FORBIDS.search(licence):
        return False
    return True if _ALLOWS.search(licence) else None
