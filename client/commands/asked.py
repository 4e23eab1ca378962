"""From the words of the command line to the arguments of an explanation."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from ..aggregates import AGGREGATES, ENSEMBLE, Aggregation, Agreement
from ..client import Client
from ..errors import InvalidRequest

__all__ = [
    "chosen_aggregates",
    "chosen_measures",
    "chosen_methods",
    "chosen_models",
    "chosen_targets",
    "parse_settings",
]

ALL = "all"
_CHOICES = (ALL, "predicted", "not_predicted")


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


def chosen_methods(
    client: Client,
    names: Sequence[str],
    settings: Sequence[str],
    models: Sequence[str] = (),
    measures: Collection[str] = (),
) -> dict[str, dict[str, Any]]:
    """Say which methods to run, with which parameters.

    Parameters
    ----------
    client : Client
        Is asked what "all" are.
    names : sequence of str
        Method names, or "all".
    settings : sequence of str
        As :func:`parse_settings` reads them.
    models : sequence of str
        As :func:`chosen_models` returns them: where nothing but the vote is explained, "all" are those that can.
    measures : collection of str
        The measures, whose settings are not for methods.

    Returns
    -------
    dict
        Parameters by method, in order.

    Raises
    ------
    InvalidRequest
        A setting is for a method that does not run, or there is no method.
    """
    parameters = parse_settings(settings)
    wanted = list(dict.fromkeys(names))
    if ALL in names:
        vote_alone = list(models) == [ENSEMBLE]
        listed = client.list_methods().methods
        wanted = [method.name for method in listed if not vote_alone or set(method.needs) <= {"forward"}]
        if not wanted:
            raise InvalidRequest("the server has no method" + (f" that explains {ENSEMBLE}" if vote_alone else ""))
    for method in parameters:
        if method not in wanted and method not in measures:
            there = ", ".join([*wanted, *measures])
            what = "methods and measures" if measures else "methods"
            raise InvalidRequest(f"--set {method}.…: {method} is not among the {what} asked for: {there}")
    return {name: parameters.get(name, {}) for name in wanted}


def chosen_measures(client: Client, names: Sequence[str], settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Say which measures to take, with which parameters.

    Parameters
    ----------
    client : Client
        Is asked what "all" are.
    names : sequence of str
        Names of measures, or "all".
    settings : sequence of str
        As :func:`parse_settings` reads them; those of methods are left out.

    Returns
    -------
    dict
        Parameters by measure, in order.

    Raises
    ------
    InvalidRequest
        "all" are asked for, and the server has none.
    """
    parameters = parse_settings(settings)
    wanted = list(dict.fromkeys(names))
    if ALL in names:
        wanted = [measure.name for measure in client.list_methods().measures]
        if not wanted:
            raise InvalidRequest("the server has no measure of quality")
    return {name: parameters.get(name, {}) for name in wanted}


def chosen_models(client: Client, names: Sequence[str]) -> list[str]:
    """Say which networks to explain; an empty list means every one that votes. The vote itself is not among "all"."""
    if ALL not in names:
        return list(dict.fromkeys(names))
    if ENSEMBLE not in names:
        return []
    serving = client.list_models().serving
    return [*(member.name for member in serving.members), ENSEMBLE] if serving is not None else [ENSEMBLE]


def chosen_aggregates(words: Sequence[str], networks: int, top_share: float) -> list[Aggregation]:
    """Say how the networks' maps are taken together.

    Parameters
    ----------
    words : sequence of str
        Of :data:`~radiolucent.client.aggregates.AGGREGATES`.
    networks, top_share
        See :class:`~radiolucent.client.Agreement`.

    Raises
    ------
    InvalidRequest
        There is no such way, or an agreement is described and none is asked for.
    """
    for word in words:
        if word not in AGGREGATES:
            raise InvalidRequest(f"--aggregate {word}: there are {', '.join(AGGREGATES)}")
    asked = [AGGREGATES[word] for word in dict.fromkeys(words)]
    usual = Agreement()
    described = (networks, top_share) != (usual.networks, usual.top_share)
    if described and not any(isinstance(one, Agreement) for one in asked):
        raise InvalidRequest("--agreement-k and --agreement-top are of --aggregate agreement, which is not asked for")
    return [
        replace(one, networks=networks, top_share=top_share) if isinstance(one, Agreement) else one for one in asked
    ]


def chosen_targets(names: Sequence[str]) -> str | list[str]:
    """Say which labels to explain: "predicted", "not_predicted", "all", or the labels named.

    Raises
    ------
    InvalidRequest
        A word that stands for a choice is mixed with labels.
    """
    words = list(dict.fromkeys(names)) or ["predicted"]
    if len(words) == 1 and words[0] in _CHOICES:
        return words[0]
    for word in _CHOICES:
        if word in words:
            raise InvalidRequest(f"--target {word} cannot be combined with other targets")
    return words
