"""What was measured, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .parts import NAMES, part

__all__ = ["told"]


def told(document: Mapping[str, Any], names: Iterable[str] = NAMES) -> str:
    """Write some parts of the document, in their order; a part that is not in it says so.

    Parameters
    ----------
    document : mapping
        By part, as `one_part` made it.
    names : iterable of str
        Which parts.
    """
    return "\n\n".join(_part(name, document.get(name)) for name in names)


def _part(name: str, entry: Mapping[str, Any] | None) -> str:
    chosen = part(name)
    title = f"## {chosen.TITLE}"
    if entry is None:
        return f"{title}\n\nNot measured: `make bench PARTS={name}`."
    return "\n\n".join([title, chosen.markdown(entry["measured"]).strip(), f"*{_circumstances(entry)}*"])


def _circumstances(entry: Mapping[str, Any]) -> str:
    parameters = dict(entry["parameters"])
    short = parameters.pop("short", False)
    day = f"Measured on {entry['measured_on']}" if "measured_on" in entry else "Measured"
    took = f" in {_duration(entry['seconds'])}" if "seconds" in entry else ""
    run = " (a short run: few networks, few repetitions, wide spreads)" if short else ""
    blocks = (_pairs(block) for block in (parameters, entry["machine"], entry["versions"]) if block)
    return f"{day}{took}{run}. {'. '.join(blocks)}."


def _pairs(block: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in block.items())


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
