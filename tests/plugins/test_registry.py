"""Plugins are loaded one by one; a broken one is named and harms nobody."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from radiolucent.plugins import InvalidParameters, Registry, UnknownMethod, load_registry

BUILT_IN = set(load_registry(()).methods)

GOOD = """
from typing import ClassVar
from pydantic import Field
from radiolucent.plugins import Attribution, Completeness, Method, Need, Parameters, hookimpl

RADIOLUCENT_API_VERSION = 1

class Scaled(Parameters):
    factor: float = Field(default=1.0, gt=0, description="Factor, above 0.")

class Brightness(Method[Scaled]):
    name = "{name}"
    title = "Brightness"
    description = "The image itself."
    reference = "None"
    parameters = Scaled
    needs: ClassVar = frozenset({{Need.FORWARD}})
    signed = True
    completeness = Completeness.NONE

    def explain(self, model, image, targets, params, job):
        for target in targets:
            yield Attribution(target, image[0] * params.factor, 1.0, True)

    def cost(self, params, shape, targets):
        return 0

@hookimpl
def radiolucent_register_methods(register):
    register(Brightness())
"""


class Site:
    """A folder on sys.path with installed packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, code: str, *, target: str | None = None) -> None:
        module = name.replace("-", "_") + "_plugin"
        (self.folder / f"{module}.py").write_text(code)
        info = self.folder / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[radiolucent.plugins]\n{name}-entry = {target or module}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        if name.endswith("_plugin"):
            del sys.modules[name]


def reasons(registry: Registry) -> dict[str, str]:
    return {one.distribution: one.reason for one in registry.broken}


def test_the_built_in_methods_are_there_without_any_metadata() -> None:
    registry = load_registry(())
    assert set(registry.methods) >= {"saliency", "integrated_gradients", "occlusion"}
    assert registry.broken == ()
    assert {origin.distribution for origin in registry.origins.values()} == {"radiolucent"}


def test_the_built_in_methods_are_not_loaded_twice_where_metadata_name_them_too() -> None:
    named = metadata.EntryPoint("builtin", "radiolucent.plugins.methods", "radiolucent.plugins")
    registry = load_registry([named])
    assert set(registry.methods) == BUILT_IN
    assert registry.broken == ()


def test_an_installed_package_brings_a_method(site: Site) -> None:
    site.install("shiny", GOOD.format(name="brightness"))
    registry = load_registry()
    assert set(registry.methods) >= BUILT_IN | {"brightness"}
    assert registry.origins["brightness"].distribution == "shiny"
    assert registry.origins["brightness"].version == "1.2"
    assert registry.parameters("brightness", {"factor": 2}).model_dump() == {"factor": 2.0}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import a_module_that_nobody_has", "cannot be imported: ModuleNotFoundError"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        ("def half(:", "cannot be imported: SyntaxError"),
        ("x = 1", "does not say which contract it keeps; add RADIOLUCENT_API_VERSION = 1"),
        ("RADIOLUCENT_API_VERSION = 2", "was made for version 2 of the contract; this is version 1"),
        ("RADIOLUCENT_API_VERSION = 1", "has no hook"),
        (
            GOOD.replace("register(Brightness())", "1 / 0").format(name="b"),
            "its hook raised ZeroDivisionError",
        ),
        (
            GOOD.replace("(register):", "(registrar):").format(name="b"),
            "its hook raised PluginValidationError",
        ),
        (GOOD.format(name="saliency"), "the method name 'saliency' is taken by the package 'radiolucent'"),
        (GOOD.format(name="Loud-Name"), "must be in snake case, not 'Loud-Name'"),
        (GOOD.replace("register(Brightness())", "register(Brightness)").format(name="b"), "register an instance"),
        (GOOD.replace("register(Brightness())", "register(3)").format(name="b"), "int is not a subclass of"),
        (GOOD.replace('reference = "None"', 'reference = ""').format(name="b"), "reference must not be empty"),
        (GOOD.replace("signed = True", "").format(name="b"), "signed must be set"),
        (
            GOOD.replace(', description="Factor, above 0."', "").format(name="b"),
            "parameter 'factor' needs a description",
        ),
        (GOOD.replace("default=1.0, ", "").format(name="b"), "parameter 'factor' needs a default"),
        (GOOD.replace("parameters = Scaled", "parameters = dict").format(name="b"), "must be a subclass of Parameters"),
        (GOOD.replace("frozenset({{Need.FORWARD}})", "frozenset()").format(name="b"), "must name at least one Need"),
        (GOOD.replace("    def cost", "    def price").format(name="b"), "TypeError"),
    ],
)
def test_a_broken_plugin_is_named_with_its_reason_and_harms_no_other(site: Site, code: str, reason: str) -> None:
    site.install("shiny", GOOD.format(name="brightness"))
    site.install("broken", code)
    registry = load_registry()
    assert set(registry.methods) == BUILT_IN | {"brightness"}
    assert reason in reasons(registry)["broken"]
    assert [one.name for one in registry.broken] == ["broken-entry"]


def test_a_name_belongs_to_one_of_two_packages_and_the_other_is_told_whose_it_is(site: Site) -> None:
    site.install("first", GOOD.format(name="brightness"))
    site.install("second", GOOD.format(name="brightness"))
    registry = load_registry()
    assert registry.origins["brightness"].distribution == "first"
    assert reasons(registry) == {"second": "the method name 'brightness' is taken by the package 'first'"}


def test_one_bad_method_leaves_the_good_ones_of_its_package(site: Site) -> None:
    site.install("mixed", GOOD.replace("register(Br", "register(None)\n    register(Br").format(name="brightness"))
    registry = load_registry()
    assert "brightness" in registry.methods
    assert "NoneType is not a subclass" in reasons(registry)["mixed"]


def test_nothing_of_a_package_stays_when_its_hook_raises_half_way(site: Site) -> None:
    site.install("half", GOOD.format(name="brightness") + "    raise KeyError('later')\n")
    registry = load_registry()
    assert "brightness" not in registry.methods
    assert "KeyError" in reasons(registry)["half"]


def test_an_entry_point_may_name_an_object_of_the_module(site: Site) -> None:
    code = GOOD.replace(
        "@hookimpl\ndef radio", "class Plugin:\n    RADIOLUCENT_API_VERSION = 1\n    @hookimpl\n    def radio"
    )
    code = code.replace("(register):\n    register(", "(self, register):\n        register(") + "\nplugin = Plugin()\n"
    site.install("objects", code.format(name="brightness"), target="objects_plugin:plugin")
    registry = load_registry()
    assert registry.broken == ()
    assert "brightness" in registry.methods


def test_an_unknown_method_is_answered_with_those_there_are() -> None:
    with pytest.raises(UnknownMethod, match=r"'salience'; there are: .*integrated_gradients, .*occlusion, .*saliency"):
        load_registry(()).method("salience")


@pytest.mark.parametrize(
    ("method", "values", "text"),
    [
        ("integrated_gradients", {"step": 3}, "step: .*its parameters are: baseline, .*, steps"),
        ("integrated_gradients", {"steps": 1}, "steps: .*greater than or equal to 2"),
        ("integrated_gradients", {"steps": float("nan")}, "steps: "),
        ("integrated_gradients", {"steps": 2.5}, "steps: "),
        ("integrated_gradients", {"baseline": "pink"}, "baseline: .*'black', 'mid_grey', .* or 'uniform_noise'"),
        ("occlusion", {"window": 1.5}, "window: .*whole number"),
        ("occlusion", {"window": 0}, "window: "),
        ("occlusion", {"window": float("inf")}, "window: "),
        ("occlusion", {"window": 8, "stride": 9}, "stride must not be above window"),
        ("saliency", {"window": 8}, "window: .*it has no parameters"),
    ],
)
def test_wrong_parameters_are_named(method: str, values: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidParameters, match=text):
        load_registry(()).parameters(method, values)


def test_whole_numbers_may_come_as_floats_as_json_has_no_others() -> None:
    registry = load_registry(())
    assert registry.parameters("integrated_gradients", {"steps": 20.0}).model_dump()["steps"] == 20
    assert registry.parameters("occlusion", {"window": 50.0, "stride": 4.0}).model_dump()["window"] == 50


@pytest.mark.parametrize(
    ("method", "parameter", "value"),
    [
        ("occlusion", "window", True),
        ("occlusion", "window", "50"),
        ("occlusion", "stride", False),
        ("occlusion", "batch_size", "4"),
        ("occlusion", "batch_size", True),
        ("occlusion", "baseline", 1),
        ("integrated_gradients", "steps", "20"),
        ("integrated_gradients", "steps", 20.5),
        ("integrated_gradients", "steps", 1e300),
        ("occlusion", "window", float("nan")),
        ("occlusion", "window", [50]),
    ],
)
def test_a_value_of_another_type_is_refused_and_not_converted(method: str, parameter: str, value: object) -> None:
    with pytest.raises(InvalidParameters) as caught:
        load_registry(()).parameters(method, {parameter: value})
    assert [name for name, _ in caught.value.problems] == [parameter]


@pytest.mark.parametrize("baseline", ["black", "mid_grey", "mean"])
def test_a_choice_is_read_from_its_name(baseline: str) -> None:
    assert (
        load_registry(()).parameters("occlusion", {"baseline": baseline}).model_dump(mode="json")["baseline"]
        == baseline
    )
