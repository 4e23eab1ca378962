"""Whether a method can be registered, and whether parameters fit it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import to_json

from .contract import Channels, Completeness, Method, Need, Parameters
from .errors import InvalidParameters, RegistrationError
from .segmenter import Segmenter

if TYPE_CHECKING:
    from .measures.contract import Measure

__all__ = ["check_method", "check_segmenter", "parameters_schema", "validate_parameters"]

_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_EXACT = 2.0**53


def parameters_schema(method: Method[Any] | Measure[Any]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the parameters of a method or a measure."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **method.parameters.model_json_schema()}


def validate_parameters(
    method: Method[Any] | Measure[Any], values: Mapping[str, Any], kind: str = "method"
) -> Parameters:
    """Read the parameters of a method or a measure from JSON values; what is absent takes its default.

    Types are strict, as the schema says them: a text is no number and neither is true. A number without a fraction is
    an integer, as JSON Schema has it, since a Struct knows no integers.

    Raises
    ------
    InvalidParameters
        If one does not exist or has a wrong value.
    """
    try:
        # As JSON, where a strict model still reads an enumeration from its text.
        text = to_json({name: _whole(value) for name, value in values.items()}, inf_nan_mode="constants")
        return method.parameters.model_validate_json(text, strict=True)
    except ValidationError as error:
        problems = [
            (".".join(str(part) for part in problem["loc"]), problem["msg"])
            for problem in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise InvalidParameters(method.name, problems, method.parameters.model_fields, kind) from None
    except (Exception, SystemExit) as error:  # a stranger's validators
        problem = f"its check of them raised {type(error).__name__}"
        raise InvalidParameters(method.name, [("", problem)], method.parameters.model_fields, kind) from error


def _whole(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Write floats without a fraction as integers; those that a float cannot tell from their neighbours stay."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    if isinstance(value, Mapping):
        return {name: _whole(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole(one) for one in value]
    return value


def check_method(method: object) -> None:
    """Check that something is a method that can be served.

    Raises
    ------
    RegistrationError
        If it is not; the text names what to mend.
    """
    if isinstance(method, type) and issubclass(method, Method):
        raise RegistrationError(f"register an instance, not the class: register({method.__name__}())")
    if not isinstance(method, Method):
        raise RegistrationError(f"{type(method).__name__} is not a subclass of radiolucent.plugins.Method")
    kind = type(method).__name__
    _check_declarations(method, _DECLARATIONS)
    if not method.needs or not all(isinstance(need, Need) for need in method.needs):
        raise RegistrationError(f"{kind}.needs must name at least one Need, not {method.needs!r}")
    if not isinstance(method.parameters, type) or not issubclass(method.parameters, Parameters):
        raise RegistrationError(f"{kind}.parameters must be a subclass of Parameters, not {method.parameters!r}")
    _check_parameters(kind, method)


def check_segmenter(segmenter: object) -> None:
    """Check that something is a segmenter that can be served.

    Raises
    ------
    RegistrationError
        If it is not; the text names what to mend.
    """
    if isinstance(segmenter, type) and issubclass(segmenter, Segmenter):
        raise RegistrationError(f"register an instance, not the class: register({segmenter.__name__}())")
    if not isinstance(segmenter, Segmenter):
        raise RegistrationError(f"{type(segmenter).__name__} is not a subclass of radiolucent.plugins.Segmenter")
    _check_declarations(segmenter, _TEXTS)


def _check_declarations(one: Method[Any] | Segmenter, declared: Mapping[str, type]) -> None:
    kind = type(one).__name__
    for name, types in declared.items():
        value = getattr(one, name, None)
        if not isinstance(value, types):
            raise RegistrationError(f"{kind}.{name} must be set, to {types.__name__}, not {value!r}")
        if isinstance(value, str) and not value.strip():
            raise RegistrationError(f"{kind}.{name} must not be empty")
    if not _SNAKE_CASE.fullmatch(one.name):
        raise RegistrationError(f"{kind}.name must be in snake case, not {one.name!r}")


def _check_parameters(kind: str, method: Method[Any]) -> None:
    for name, field in method.parameters.model_fields.items():
        if field.is_required():
            raise RegistrationError(f"{kind}: parameter {name!r} needs a default")
        if not (field.description or "").strip():
            raise RegistrationError(f"{kind}: parameter {name!r} needs a description, with its unit and range")
    try:
        json.dumps(parameters_schema(method), allow_nan=False)
        method.parameters().model_dump_json()
    except Exception as error:  # pydantic has many ways to refuse a schema
        raise RegistrationError(f"{kind}: its parameters have no JSON Schema: {error}") from error


_TEXTS: dict[str, type] = dict.fromkeys(("name", "title", "description", "reference"), str)
_DECLARATIONS: dict[str, type] = {
    **_TEXTS,
    "parameters": type,
    "needs": frozenset,
    "signed": bool,
    "completeness": Completeness,
    "channels": Channels,
}
