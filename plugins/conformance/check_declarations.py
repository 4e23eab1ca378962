"""What clients are told of a method."""

from __future__ import annotations

import json

from ..errors import InvalidParameters, RegistrationError
from ..validation import check_method, parameters_schema, validate_parameters
from .breach import Breach
from .subject import Subject

__all__ = ["check_declarations"]


def check_declarations(subject: Subject) -> None:
    """Check class variables and parameters: described, with defaults, and the same after a way through JSON."""
    method = subject.method
    try:
        check_method(method)
    except RegistrationError as error:
        raise Breach(str(error)) from error
    kind = type(method).__name__
    try:
        json.dumps(parameters_schema(method), allow_nan=False)
    except ValueError as error:
        raise Breach(f"{kind}: the JSON Schema of its parameters holds NaN or infinity; use None instead") from error
    defaults = method.parameters()
    try:
        again = validate_parameters(method, defaults.model_dump(mode="json"))
    except InvalidParameters as error:
        raise Breach(f"{kind}: its own defaults are refused when they come as JSON: {error}") from error
    if again != defaults:
        raise Breach(f"{kind}: its defaults are others after a way through JSON: {again!r} instead of {defaults!r}")
    try:
        validate_parameters(method, {"a_parameter_that_nobody_has": 1})
    except InvalidParameters:
        return
    raise Breach(f"{kind}: an unknown parameter is not refused; keep extra='forbid' of Parameters")
