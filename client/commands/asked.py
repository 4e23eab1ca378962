"""From the words of the command line to the arguments of an explanation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..client import Client
from ..errors import InvalidRequest

__all__ = ["chosen_methods", "chosen_models", "chosen_targets", "parse_settings"]

ALL = "all"


def parse_settings(settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read ``method.parameter=value`` settings.

    Parameters
    ----------
    settings : sequence of str
        Values are JSON where they can be (``50``, ``0.5``, ``true``, ``null``, ``[1, 2]``), else text.

    Returns
    -------
    dict
        Parameters by name, by method.

    Raises
    ------
    InvalidRequest
        A setting has another form.
    """
    parameters: dict[str, dict[str, Any]] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        method, dot, parameter = name.strip().partition(".")
        if not (equals and dot and method and parameter):
            raise InvalidRequest(f"--set {setting}: must look like method.parameter=value")
        try:
            value = json.loads(text, parse_constant=_no_json)
        except ValueError:
            value = text
        parameters.setdefault(method, {})[parameter] = value
    return parameters


def _no_json(word: str) -> None:
    raise ValueError(word)


def chosen_methods(client: Client, names: Sequence[str], settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Say which methods to run, with which parameters.

    Parameters
    ----------
    client : Client
        Is asked what "all" are.
    names : sequence of str
        Method names, or "all".
    settings : sequence of str
        As :func:`parse_settings` reads them.

    Returns
    -------
    dict
        Parameters by method, in order.

    Raises
    ------
    InvalidRequest
        A setting is for a method that does not run.
    """
    parameters = parse_settings(settings)
    wanted = [method.name for method in client.list_methods().methods] if ALL in names else list(dict.fromkeys(names))
    for method in parameters:
        if method not in wanted:
            raise InvalidRequest(f"--set {method}.…: {method} is not among the methods asked for: {', '.join(wanted)}")
    return {name: parameters.get(name, {}) for name in wanted}


def chosen_models(names: Sequence[str]) -> list[str]:
    """Say which networks to explain; an empty list means every one that votes."""
    return [] if ALL in names else list(dict.fromkeys(names))


def chosen_targets(names: Sequence[str]) -> str | list[str]:
    """Say which labels to explain: "predicted", "all", or the labels named.

    Raises
    ------
    InvalidRequest
        A word that stands for a choice is mixed with labels.
    """
    words = list(dict.fromkeys(names)) or ["predicted"]
    if len(words) == 1 and words[0] in (ALL, "predicted"):
        return words[0]
    for word in (ALL, "predicted"):
        if word in words:
            raise InvalidRequest(f"--target {word} cannot be combined with other targets")
    return words
