"""A dendrogram, drawn from the merges that were served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .profiles import ProfileMerge

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["dendrogram", "leaves"]

_COLOUR = "0.2"
_ROOM = 1.06


def leaves(merges: Sequence[ProfileMerge], groups: int) -> tuple[int, ...]:
    """Return the groups in the order in which no two lines cross.

    Parameters
    ----------
    merges : sequence of ProfileMerge
        The steps of the clustering, which join all groups.
    groups : int
        How many groups there are.
    """
    clusters: list[tuple[int, ...]] = [(group,) for group in range(groups)]
    for merge in merges:
        clusters.append(clusters[merge.first] + clusters[merge.second])
    return clusters[-1]


def dendrogram(axes: Axes, merges: Sequence[ProfileMerge], names: Sequence[str]) -> None:
    """Draw which groups are close: they are named at the left, and joined where their distance is on the axis below.

    Parameters
    ----------
    axes : Axes
        Where.
    merges : sequence of ProfileMerge
        The steps of the clustering, which join all groups.
    names : sequence of str
        Of the groups.
    """
    order = leaves(merges, len(names))
    places = [(0.0, float(order.index(group))) for group in range(len(names))]
    for merge in merges:
        (first, above), (second, below) = places[merge.first], places[merge.second]
        axes.plot(
            [first, merge.distance, merge.distance, second], [above, above, below, below], color=_COLOUR, linewidth=1.2
        )
        places.append((merge.distance, (above + below) / 2))
    far = max(merge.distance for merge in merges)
    axes.set_xlim(0, far * _ROOM or 1.0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [names[group] for group in order], parse_math=False)
    axes.tick_params(labelsize=8, length=2)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("cosine distance between the contrasts of groups; average linkage", fontsize=8)
