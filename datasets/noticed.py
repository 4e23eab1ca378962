"""What to know of a data set before training on it: look-alikes, rare labels, sources that give labels away."""

from __future__ import annotations

from .counts import warn_of_counts
from .film import DataSet

__all__ = ["notice", "notice_anew"]

_NAMED = 10


def notice(data_set: DataSet) -> tuple[str, ...]:
    """Return warnings on a data set as it is split."""
    return (*_look_alikes(data_set), *warn_of_counts(data_set))


def notice_anew(made: DataSet, before: DataSet) -> tuple[str, ...]:
    """Return warnings on a data set that was made of another by selection or resampling.

    Parameters
    ----------
    made : DataSet
        The new one.
    before : DataSet
        The one it was made of, whose warnings on how it was read still hold.
    """
    noticed = notice(before)
    return (*(warning for warning in before.warnings if warning not in noticed), *notice(made))


def _look_alikes(data_set: DataSet) -> list[str]:
    """Warn of films of different groups that look alike, most of all of those in two splits."""
    films = {film.file: film for film in data_set.films}
    pairs = [(films[one], films[two]) for one, two in data_set.look_alikes if one in films and two in films]
    across = [
        f"{one.file!r} ({one.split}) and {two.file!r} ({two.split})" for one, two in pairs if one.split != two.split
    ]
    warnings = [f"{pair} look alike" for pair in across[:_NAMED]]
    if len(across) > _NAMED:
        warnings.append(f"{len(across) - _NAMED} more pairs of films in different splits look alike")
    if across:
        warnings.append("look-alikes of one patient belong in one group: give them the same group_id")
    if len(pairs) > len(across):
        warnings.append(f"{len(pairs) - len(across)} pairs of films of different groups look alike within a split")
    return warnings
