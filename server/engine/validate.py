"""Whether what a caller asks for exists. Every error names the field, and lists what there is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...handlers.card import ModelCard
from ...handlers.repository import ENSEMBLE
from ...plugins import InvalidParameters, Method, NotApplicable, Parameters, Registry, UnknownMethod
from ..catalog import explainable
from ..errors import InvalidRequest, Violation
from .aggregation import Agreement
from .order import ExplainOrder, MethodCall, TargetChoice
from .task import Output
from .vote import refusal

__all__ = [
    "CheckedCall",
    "check_applicable",
    "check_methods",
    "check_models",
    "check_request_id",
    "check_votable",
    "listed",
    "shown",
    "wrong_parameters",
]


_LONGEST_NAME = 64
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True)
class CheckedCall:
    """A method with its parameters, defaults included."""

    method: Method[Any]
    parameters: Parameters


def check_request_id(request_id: str) -> None:
    """Check that a request's identifier is a UUID in its usual form (RFC 9562), in either case, or empty.

    Raises
    ------
    InvalidRequest
        If it is not.
    """
    if not request_id:
        return
    if not _UUID.fullmatch(request_id):
        raise InvalidRequest.of("request_id", "must be a UUID, written in groups of 8-4-4-4-12 digits, or empty")


def check_methods(calls: tuple[MethodCall, ...], registry: Registry) -> tuple[CheckedCall, ...]:
    """Find the methods and read their parameters.

    Raises
    ------
    InvalidRequest
        If there is no method, an unknown one, one twice, or wrong parameters.
    """
    if not calls:
        raise InvalidRequest.of("methods", f"name at least one of: {listed(registry.methods)}")
    violations: list[Violation] = []
    checked: list[CheckedCall] = []
    for index, call in enumerate(calls):
        field = f"methods[{index}]"
        if any(call.name == earlier.name for earlier in calls[:index]):
            violations.append(Violation(f"{field}.name", "is named twice; make a request for each set of parameters"))
            continue
        try:
            checked.append(CheckedCall(registry.method(call.name), registry.parameters(call.name, call.parameters)))
        except UnknownMethod as error:
            what = f"unknown method; there are: {listed(error.known)}{_broken(registry)}"
            violations.append(Violation(f"{field}.name", what))
        except InvalidParameters as error:
            violations += wrong_parameters(field, error)
    if violations:
        raise InvalidRequest(violations)
    return tuple(checked)


def check_models(order: ExplainOrder, served: Mapping[str, ModelCard], voting: Iterable[str]) -> tuple[str, ...]:
    """Return the networks to explain, each of which knows a label that was asked for; `chest_xray` is the vote itself.

    Parameters
    ----------
    order
        What is asked for.
    served
        Cards of the networks that are served.
    voting
        Those that are meant where none is named.

    Raises
    ------
    InvalidRequest
        If a network or label is unknown, or the output or an aggregation does not fit the networks.
    """
    voting = tuple(voting)
    names = order.models or voting
    violations = [*_wrong_models(order.models, served, voting), *_wrong_outputs(order.output, names)]
    if not violations:
        networks = dict.fromkeys(
            [*(name for name in names if name != ENSEMBLE), *(voting if ENSEMBLE in names else ())]
        )
        violations = list(_wrong_labels(order, {name: served[name] for name in networks}))
        violations += _wrong_aggregations(order, [name for name in names if name in voting])
    if violations:
        raise InvalidRequest(violations)
    return names


def check_votable(calls: Iterable[CheckedCall]) -> None:
    """Check that a method can explain a vote, where nothing but the vote is explained.

    Raises
    ------
    InvalidRequest
        If a method needs more than forward passes.
    """
    reasons = [(index, refusal(call.method)) for index, call in enumerate(calls)]
    violations = [Violation(f"methods[{index}].name", reason) for index, reason in reasons if reason is not None]
    if violations:
        raise InvalidRequest(violations)


def check_applicable(calls: Iterable[CheckedCall], cards: Iterable[ModelCard]) -> None:
    """Check that each method can be applied to one of the networks at least; the others get a failure each.

    Parameters
    ----------
    calls
        The methods.
    cards
        Those of the networks to explain.

    Raises
    ------
    InvalidRequest
        If a method says of every network that its parameters do not fit it.
    """
    cards = tuple(cards)
    violations = []
    for index, call in enumerate(calls):
        reasons = [_reason_against(call, card) for card in cards]
        if all(reasons):
            violations.append(
                Violation(f"methods[{index}].parameters", "; ".join(dict.fromkeys(filter(None, reasons))))
            )
    if violations:
        raise InvalidRequest(violations)


def _reason_against(call: CheckedCall, card: ModelCard) -> str | None:
    size = card.input.size
    try:
        call.method.cost(call.parameters, (card.input.channels, size, size), 1)
    except NotApplicable as error:
        return str(error) or "cannot be applied"
    except (Exception, SystemExit):  # noqa: BLE001 - a stranger's code; the plan notes it
        return None
    return None


def _wrong_models(
    names: tuple[str, ...], served: Mapping[str, ModelCard], voting: tuple[str, ...]
) -> Iterator[Violation]:
    for index, name in enumerate(names):
        field = f"models[{index}]"
        if name in names[:index]:
            yield Violation(field, "is named twice")
        elif name == ENSEMBLE:
            blind = [one for one in voting if not explainable(served[one])]
            if blind:
                yield Violation(field, f"cannot be explained: {listed(blind)} has no TorchScript copy")
        elif name not in served:
            yield Violation(field, f"unknown model; there are: {listed(served)}; and {ENSEMBLE}, their vote")
        elif not explainable(served[name]):
            yield Violation(field, "has no TorchScript copy, so it cannot be explained")


def _wrong_labels(order: ExplainOrder, cards: Mapping[str, ModelCard]) -> Iterator[Violation]:
    if order.choice is not TargetChoice.NAMED:
        return
    known = dict.fromkeys(label for card in cards.values() for label in card.label_names)
    if not order.labels:
        yield Violation("targets.labels.names", f"name at least one of: {listed(known)}")
    unknown = [index for index, label in enumerate(order.labels) if label not in known]
    for index in unknown:
        yield Violation(f"targets.labels.names[{index}]", f"unknown label; there are: {listed(known)}")
    if order.labels and not unknown:
        for name, card in cards.items():
            if not set(order.labels) & set(card.label_names):
                yield Violation("models", f"{name} has none of these labels; it has: {listed(card.label_names)}")


def _wrong_outputs(output: Output | None, names: tuple[str, ...]) -> Iterator[Violation]:
    if output is Output.VOTES and set(names) != {ENSEMBLE}:
        yield Violation("output", f"only {ENSEMBLE} has votes; leave the output unspecified, or explain nothing else")
    if output is Output.LOGIT and ENSEMBLE in names:
        yield Violation("output", f"{ENSEMBLE} has no logit: explain its votes, the default, or its probability")


def _wrong_aggregations(order: ExplainOrder, voters: list[str]) -> Iterator[Violation]:
    seen: set[str] = set()
    for index, one in enumerate(order.aggregations):
        field = f"aggregations[{index}]"
        if one.name in seen:
            yield Violation(field, f"{one.name} is asked for twice")
        seen.add(one.name)
        if len(voters) < 2:
            what = f"takes the maps of two networks that vote at least, and {len(voters)} of these would be explained"
            yield Violation(field, f"{what}; leave the models empty to explain all of them")
        elif isinstance(one, Agreement):
            if one.networks > len(voters):
                what = f"must be at most the {len(voters)} networks that vote and are explained"
                yield Violation(f"{field}.agreement.networks", what)
            if not 0 < one.top_share < 1:  # nor NaN
                yield Violation(f"{field}.agreement.top_share", "must be above 0 and below 1")


def wrong_parameters(field: str, error: InvalidParameters) -> Iterator[Violation]:
    """Say what is wrong with the parameters of a method or a measure, which is called in a field of the request."""
    there = f"; its parameters are: {listed(error.known)}" if error.known else "; it has no parameters"
    for name, problem in error.problems:
        known = name in error.known
        what = problem if known or not name else f"{shown(name)}: {problem}"
        yield Violation(f"{field}.parameters" + (f".{name}" if known else ""), what + there)


def shown(name: str) -> str:
    """Return a name that a caller made up, fit to be shown: quoted, printable, 64 characters at most."""
    printable = "".join(character if character.isprintable() else "?" for character in name[:_LONGEST_NAME])
    return f"'{printable}{'…' if len(name) > _LONGEST_NAME else ''}'"


def _broken(registry: Registry) -> str:
    """Say whose methods might be missed."""
    packages = dict.fromkeys(one.distribution for one in registry.broken)
    return f"; not all could be loaded that these packages bring: {listed(packages)}" if packages else ""


def listed(names: Iterable[str]) -> str:
    """Say the names that there are."""
    return ", ".join(names) or "none"
