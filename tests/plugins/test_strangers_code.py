"""What a stranger's method raises while it is looked at stays its own affair."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from pydantic import Field, field_validator
from radiolucent.plugins import InvalidParameters, Method, Origin, Parameters, Registry, validate_parameters
from radiolucent.plugins.errors import RegistrationError
from radiolucent.plugins.methods import Saliency
from radiolucent.plugins.validation import check_method


class Raising(Parameters):
    factor: float = Field(default=1.0, description="Factor.")

    @field_validator("factor")
    @classmethod
    def _inverted(cls, factor: float) -> float:
        if factor < 0:
            raise SystemExit(3)
        return 1 / factor


class WithRaising(Saliency):
    name = "with_raising"
    parameters: ClassVar = Raising


class Infinite(Parameters):
    factor: float = Field(default=float("inf"), description="Factor.")


class WithInfinite(Saliency):
    parameters: ClassVar = Infinite


@pytest.mark.parametrize(("factor", "error"), [(0.0, "ZeroDivisionError"), (-1.0, "SystemExit")])
def test_a_validator_that_raises_is_a_bad_parameter(factor: float, error: str) -> None:
    with pytest.raises(InvalidParameters, match=f"its check of them raised {error}; its parameters are: factor"):
        validate_parameters(WithRaising(), {"factor": factor})


def test_a_schema_that_is_no_json_is_refused() -> None:
    with pytest.raises(RegistrationError, match="no JSON Schema"):
        check_method(WithInfinite())


def test_an_error_names_the_package_of_a_method_that_is_not_built_in() -> None:
    methods: dict[str, Method[Any]] = {"saliency": Saliency(), "with_raising": WithRaising()}
    origins = {"saliency": Origin("radiolucent", "0.1"), "with_raising": Origin("shiny", "1.2")}
    registry = Registry(methods, origins, ())
    assert registry.named("saliency") == "the method 'saliency'"
    assert registry.named("with_raising") == "the method 'with_raising' of the package shiny 1.2"
