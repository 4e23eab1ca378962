"""Every built-in method tells clients what its parameters are."""

from __future__ import annotations

import jsonschema
import pytest
from radiolucent.plugins import NotApplicable, Registry, load_registry, parameters_schema

METHODS = sorted(load_registry(()).methods)


@pytest.mark.parametrize("name", METHODS)
def test_the_schema_is_valid_and_accepts_the_defaults(registry: Registry, name: str) -> None:
    schema = parameters_schema(registry.method(name))
    jsonschema.Draft202012Validator.check_schema(schema)
    defaults = registry.parameters(name, {}).model_dump(mode="json")
    jsonschema.Draft202012Validator(schema).validate(defaults)
    assert set(schema.get("properties", {})) == set(defaults)


@pytest.mark.parametrize("name", METHODS)
def test_every_parameter_is_described_and_unknown_ones_are_refused(registry: Registry, name: str) -> None:
    schema = parameters_schema(registry.method(name))
    assert all(one["description"] for one in schema.get("properties", {}).values())
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"window": 50}, "window of 50 pixels does not fit"),
        ({"window": 1e300}, r"window of 1e\+300 pixels does not fit"),
        ({"window": 0.5, "stride": 1e300}, r"stride of 1e\+300 pixels is above the window of 20"),
        ({"window": 8, "stride": 0.9}, "stride of 36 pixels is above the window of 8"),
    ],
)
def test_a_window_that_does_not_fit_the_network_is_refused_before_any_work(
    registry: Registry, values: dict[str, object], text: str
) -> None:
    params = registry.parameters("occlusion", values)
    with pytest.raises(NotApplicable, match=text):
        registry.method("occlusion").cost(params, (1, 40, 40), 1)


def test_the_papers_occlusion_has_13_689_positions(registry: Registry) -> None:
    params = registry.parameters("occlusion", {"window": 50, "stride": 4})
    assert registry.method("occlusion").cost(params, (1, 512, 512), 5) == 1 + 13_689 == 1 + 117**2
