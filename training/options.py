"""From the words of a command line to settings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from .settings import RunSettings

__all__ = ["changed", "changes_of", "choose_networks", "choose_weights", "read_hierarchy", "split_commas"]


def split_commas(items: Iterable[str] | None) -> list[str]:
    """Return the parts of options that may be comma-separated or repeated."""
    return [part.strip() for item in items or () for part in item.split(",") if part.strip()]


def choose_networks(asked: Iterable[str] | None) -> tuple[str, ...]:
    """Return the networks that ``--networks`` names, in the order of the five; all of them by default."""
    from .networks import NETWORKS

    wanted = split_commas(asked)
    unknown = [name for name in wanted if name not in NETWORKS]
    if unknown:
        raise typer.BadParameter(f"unknown networks {', '.join(unknown)}; there are {', '.join(NETWORKS)}")
    return tuple(name for name in NETWORKS if not wanted or name in wanted)


def read_hierarchy(pairs: Sequence[str] | None) -> Mapping[str, str]:
    """Return the hierarchy that ``--implies`` gives; the paper's by default."""
    from ..datasets import PAPER_HIERARCHY

    if pairs is None:
        return PAPER_HIERARCHY
    hierarchy: dict[str, str] = {}
    for pair in pairs:
        child, equals, parent = (part.strip() for part in pair.partition("="))
        if not (child and equals and parent):
            raise typer.BadParameter(f"--implies {pair!r} is not CHILD=PARENT")
        if hierarchy.setdefault(child, parent) != parent:
            raise typer.BadParameter(f"--implies gives {child!r} two parents, {hierarchy[child]!r} and {parent!r}")
    return hierarchy


def choose_weights(asked: Sequence[str] | None, networks: Sequence[str]) -> dict[str, str]:
    """Return where each network starts, as far as ``--weights`` says.

    Each of its values is ``none``, ``imagenet``, a file (for one network), a folder with ``<network>.safetensors``, or
    NETWORK=FILE.
    """
    found: dict[str, str] = {}
    for item in asked or ():
        name, equals, value = item.partition("=")
        if equals and name in networks:
            found[name] = value
        elif item in ("none", "imagenet"):
            found |= dict.fromkeys(networks, item)
        elif Path(item).is_dir():
            files = {name: Path(item) / f"{name}.safetensors" for name in networks}
            missing = [str(path) for path in files.values() if not path.is_file()]
            if missing:
                raise typer.BadParameter(f"--weights {item}: there is no {', no '.join(missing)}")
            found |= {name: str(path) for name, path in files.items()}
        elif len(networks) == 1:
            found[networks[0]] = item
        else:
            raise typer.BadParameter("a file of weights is one network's: name it with --networks, or say NETWORK=FILE")
    return found


def changes_of(field: str, values: Iterable[object] | None, networks: Sequence[str]) -> list[tuple[str, str]]:
    """Turn an option's values, VALUE or NETWORK=VALUE, into changes of a field of `NetworkSettings`."""
    changes = []
    for item in map(str, values or ()):
        name, equals, value = item.partition("=")
        if not equals:
            changes += [(f"networks.{network}.{field}", item) for network in networks]
        elif name in networks:
            changes.append((f"networks.{name}.{field}", value))
        else:
            raise typer.BadParameter(f"--{field.replace('_', '-')} {item}: {name!r} is not among the networks")
    return changes


def changed(settings: RunSettings, changes: Iterable[tuple[str, str]]) -> RunSettings:
    """Return settings of which some values are others.

    Parameters
    ----------
    settings : RunSettings
        A preset's.
    changes : iterable of (str, str)
        Path of a value, such as ``augmentation.rotation`` or ``networks.*.optimizer``, and the value as JSON; what is
        no JSON is text.

    Raises
    ------
    typer.BadParameter
        If there is no such value, or it cannot be this.
    """
    from pydantic import ValidationError

    document = settings.model_dump()
    for path, text in changes:
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        _put(document, path.split("."), value, path)
    try:
        return type(settings).model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise typer.BadParameter(f"{where}: {first['msg']}") from None


def _put(document: dict[str, Any], parts: Sequence[str], value: object, path: str) -> None:
    first, *rest = parts
    for name in list(document) if first == "*" else [first]:
        inner = document.get(name)
        if name not in document or (rest and not isinstance(inner, dict)):
            raise typer.BadParameter(f"there is no setting {path!r}; there are {', '.join(document)}")
        if rest:
            _put(document[name], rest, value, path)
        else:
            document[name] = value
