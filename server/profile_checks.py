"""Whether the record of a profile can be true: what is drawn from it would be wrong, or break, otherwise."""

from __future__ import annotations

from ..handlers.profile import ProfileLayer, ProfileRecord

__all__ = ["contradiction"]


def contradiction(record: ProfileRecord) -> str | None:
    """Say how a record contradicts itself.

    Parameters
    ----------
    record
        As it was read.

    Returns
    -------
    str or None
        The first contradiction, None where there is none.
    """
    names = [layer.name for layer in record.layers]
    if len(set(names)) < len(names):
        return "two layers have one name"
    return next((f"{layer.name}: {why}" for layer in record.layers if (why := _of(layer, len(record.groups)))), None)


def _of(layer: ProfileLayer, groups: int) -> str | None:
    maps = set(range(layer.channels))
    if len(layer.order) != layer.channels or set(layer.order) != maps:
        return "its order does not name each feature map once"
    if not (set(layer.constant) | set(layer.unvarying)) <= maps:
        return "a feature map that does not exist is dead"
    if layer.distances and [len(row) for row in layer.distances] != [groups] * groups:
        return "its distances are not one for each pair of groups"
    if layer.merges and not _joins_all(layer, groups):
        return "its merges do not join all groups"
    return None


def _joins_all(layer: ProfileLayer, groups: int) -> bool:
    """Return whether each step joins two clusters that are there, until one is left."""
    there = set(range(groups))
    for step, merge in enumerate(layer.merges):
        if merge.first == merge.second or not {merge.first, merge.second} <= there:
            return False
        there = (there - {merge.first, merge.second}) | {groups + step}
    return len(there) == 1
