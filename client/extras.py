"""Which commands can run here: entry points whose extras are installed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

__all__ = ["COMMANDS_GROUP", "commands", "missing"]

COMMANDS_GROUP = "radiolucent.commands"
"""Entry-point group: name of the command = function for typer, with the extras it needs in brackets."""


def commands() -> dict[str, metadata.EntryPoint]:
    """Return the entry points of all commands by name; our own win over another distribution's of the same name."""
    found = metadata.entry_points(group=COMMANDS_GROUP)
    return {point.name: point for point in sorted(found, key=_is_ours)}


def _is_ours(point: metadata.EntryPoint) -> bool:
    return point.dist is not None and canonicalize_name(point.dist.name) == "radiolucent"


def missing(point: metadata.EntryPoint) -> tuple[str, ...]:
    """Say what an entry point's extras ask for and is not installed.

    Parameters
    ----------
    point : EntryPoint
        Of any distribution.

    Returns
    -------
    tuple of str
        Requirements, for example ``"ray>=2.50"`` (with the version there is, where that is the wrong one); empty
        where the command can run.
    """
    if point.dist is None or not point.extras:
        return ()
    return tuple(dict.fromkeys(_missing(point.dist, frozenset(point.extras), seen=set())))


def _missing(dist: metadata.Distribution, extras: frozenset[str], seen: set[tuple[str, str]]) -> Iterator[str]:
    own = canonicalize_name(dist.name)
    for extra in sorted(extras):
        if (own, extra) in seen:
            continue
        seen.add((own, extra))
        for requirement in _requirements(dist, extra):
            if canonicalize_name(requirement.name) == own:  # an extra made of others
                yield from _missing(dist, frozenset(requirement.extras), seen)
                continue
            try:
                version = metadata.version(requirement.name)
            except metadata.PackageNotFoundError:
                yield f"{requirement.name}{requirement.specifier}"
                continue
            if not requirement.specifier.contains(version, prereleases=True):
                yield f"{requirement.name}{requirement.specifier} (there is {version})"


def _requirements(dist: metadata.Distribution, extra: str) -> Iterator[Requirement]:
    for line in dist.requires or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:  # somebody else's metadata is not ours to judge
            continue
        # What the distribution needs anyway was installed with it.
        if requirement.marker is not None and requirement.marker.evaluate({"extra": extra}):
            yield requirement
