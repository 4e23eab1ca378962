"""How far off maps say that they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..events import MISSED_SHARE, Heatmap
from ..precision import Precision

__all__ = ["doubtful", "doubts"]

_ESTIMATED = "estimated_error"


def doubtful(heatmap: Heatmap) -> bool:
    """Return whether a map misses much of the change of the output, or estimates its error."""
    return (heatmap.missed_share or 0) > MISSED_SHARE or _ESTIMATED in heatmap.facts


def doubts(maps: Sequence[Heatmap]) -> Iterator[str]:
    """Say of each map what it misses and what helps, and of each method the largest estimated error.

    Parameters
    ----------
    maps : sequence of Heatmap
        Final ones, in any order.
    """
    for one in maps:
        if (one.missed_share or 0) > MISSED_SHARE:
            yield (
                f"{one.method} of {one.label} on {one.model.name} misses {one.missed_share:.0%} of the change of the "
                f"output ({one.facts['output_change']:.3g}): {_help(one)}"
            )
    estimated: dict[str, list[float]] = {}
    for one in maps:
        if _ESTIMATED in one.facts:
            estimated.setdefault(one.method, []).append(one.facts[_ESTIMATED])
    for method, errors in estimated.items():
        yield f"{method}: estimated error of at most {max(errors):.1%} of a map's range"


def _help(heatmap: Heatmap) -> str:
    if heatmap.precision is Precision.BFLOAT16:
        return "rounding in bfloat16 is part of it; ask for float32"
    if "converged" in heatmap.facts and "max_steps" in heatmap.parameters:
        return "raise max_steps"
    return "ask for more steps or samples"
