"""The wheel, the plugin package of `examples/` and broken ones beside it, installed into a fresh environment.

The gateway of all tests here is the wheel's, outside the checkout: everything it needs is package data.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from radiolucent.client import Client, Failure, FailureReason, Heatmap

EXAMPLE = Path(__file__).parents[2] / "examples" / "blur_integrated_gradients"
METHOD = "blur_integrated_gradients"

MODULE = """
from typing import ClassVar
from pydantic import Field, field_validator
from radiolucent.plugins import Attribution, Completeness, Method, Need, Parameters, hookimpl
RADIOLUCENT_API_VERSION = 1

class Factor(Parameters):
    factor: float = Field(default=1.0, description="Factor.")

    @field_validator("factor")
    @classmethod
    def _is_small(cls, factor):
        return 1 / (factor - 2) and factor

class Mine(Method[Factor]):
    name = "{name}"
    title = description = reference = "Mine"
    parameters = Factor
    needs: ClassVar = frozenset({{Need.FORWARD}})
    signed = True
    completeness = Completeness.NONE

    def explain(self, model, image, targets, params, job):
        {explain}

    def cost(self, params, shape, targets):
        {cost}

@hookimpl
def radiolucent_register_methods(register):
    {register}
"""
SOUND = {
    "name": "sound",
    "explain": "yield from (Attribution(target, image[0], 1.0, True) for target in targets)",
    "cost": "return 1",
    "register": "register(Mine())",
}
STRANGERS = {
    "another-version": MODULE.format(**SOUND).replace("_VERSION = 1", "_VERSION = 99"),
    "not-importable": "import a_module_that_nobody_has",
    "raises-in-hook": MODULE.format(**{**SOUND, "register": "raise SystemExit(3)"}),
    "takes-a-name": MODULE.format(**{**SOUND, "name": METHOD}),
    "raises": MODULE.format(**{**SOUND, "name": "raises", "explain": "raise SystemExit(image.sum())\n        yield"}),
    "rubbish": MODULE.format(**{**SOUND, "name": "rubbish", "explain": "yield image", "cost": "return 'a lot'"}),
    "dies": MODULE.format(**{**SOUND, "name": "dies", "explain": "import os; os._exit(1); yield", "cost": "exit(1)"}),
}


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RADIOLUCENT_", "PYTHONPATH"))}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}


@pytest.fixture(scope="module")
def with_plugins(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The fresh environment, with the example installed as its README says, and with seven broken packages."""
    source = tmp_path_factory.mktemp("source") / EXAMPLE.name
    shutil.copytree(EXAMPLE, source)
    pip = [sys.executable, "-m", "pip", "--python", installed / "python", "install", "--quiet"]
    # What it depends on is there already.
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", source], check=True, capture_output=True, timeout=120)
    [site] = (installed.parent / "lib").glob("python*/site-packages")
    for name, code in STRANGERS.items():
        (site / f"{name.replace('-', '_')}_plugin.py").write_text(code)
        info = site / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[radiolucent.plugins]\nentry = {name.replace('-', '_')}_plugin\n")
    yield installed
    for name in STRANGERS:
        shutil.rmtree(site / f"{name.replace('-', '_')}-1.2.dist-info")


@pytest.fixture(scope="module")
def address(with_plugins: Path, model_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("plugins")
    ready, log = folder / "ready.json", folder / "server.log"
    serve = [with_plugins / "radiolucent", "serve", "--port", "0", "--workers", "1", "--ready-file", ready]
    with log.open("wb") as output:
        gateway = subprocess.Popen(
            [*serve, "--repository", model_repository], cwd=folder, env=environment(), stdout=output, stderr=output
        )
    deadline = time.monotonic() + 170
    while not ready.exists():
        assert gateway.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    yield json.loads(ready.read_text())["address"]
    gateway.send_signal(signal.SIGTERM)
    try:
        assert gateway.wait(timeout=60) == 0
    finally:
        gateway.kill()


@pytest.fixture(scope="module")
def radiolucent(with_plugins: Path, address: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the program of the fresh environment against its gateway."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [with_plugins / "radiolucent", *map(str, arguments), "--address", address]
        return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, env=environment())

    return run


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from radiolucent.training.phantoms import draw_phantom

    path = tmp_path_factory.mktemp("phantom") / "phantom.png"
    Image.fromarray(draw_phantom(seed=3, index=0).pixels).save(path)
    return path


ASK = """
import sys
from pathlib import Path
import radiolucent
from radiolucent.client import Client
print(Path(radiolucent.__file__).parent)
with Client(sys.argv[1]) as client:
    answer = client.classify(sys.argv[2])
    heatmaps = client.explain(sys.argv[2], "saliency", targets="No Finding").result().heatmaps
print(len(answer.answers), len(heatmaps))
"""


@pytest.mark.timeout(420)
def test_the_wheel_serves_and_asks_outside_the_checkout(
    installed: Path, address: str, phantom: Path, tmp_path: Path
) -> None:
    asked = subprocess.run(
        [installed / "python", "-c", ASK, address, phantom],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    package, counts = asked.stdout.split("\n")[:2]
    assert Path(package).is_relative_to(installed.parent)
    assert counts == "2 2"


@pytest.mark.timeout(300)
def test_the_plugin_proves_itself_with_the_kit_of_the_wheel(
    installed: Path, with_plugins: Path, tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    code = "import radiolucent.plugins.conformance as kit; print(kit.__file__)"
    where = subprocess.run(
        [installed / "python", "-c", code], capture_output=True, text=True, check=True, timeout=60, env=environment()
    )
    assert Path(where.stdout.strip()).is_relative_to(installed.parent)
    pytest_ = [with_plugins / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    ran = subprocess.run(
        pytest_, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False, env=environment()
    )
    assert ran.returncode == 0, ran.stdout
    assert "31 passed" in ran.stdout


@pytest.mark.timeout(300)
def test_the_method_is_listed_with_its_package(radiolucent: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    ran = radiolucent("methods", "--json")
    assert ran.returncode == 0, ran.stderr
    methods = {method["name"]: method for method in json.loads(ran.stdout)}
    assert {"saliency", METHOD, "raises", "rubbish", "dies"} <= set(methods)
    assert methods[METHOD]["distribution"] == "radiolucent-blur-ig"
    assert methods[METHOD]["distribution_version"] == "1.0.0"
    assert methods[METHOD]["parameters_schema"]["properties"]["steps"]["default"] == 50


@pytest.mark.timeout(300)
def test_the_method_explains_a_phantom_through_the_gateway(
    radiolucent: Callable[..., subprocess.CompletedProcess[str]], phantom: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = radiolucent(
        "explain", phantom, "--method", METHOD, "--set", f"{METHOD}.steps=200", "--target", "COVID-19", "--out", out
    )
    assert ran.returncode == 0, ran.stderr
    maps = sorted(out.rglob(f"{METHOD}.npz"))
    assert [path.parts[-3:-1] for path in maps] == [("resnet18", "COVID-19"), ("resnet34", "COVID-19")]
    for path in maps:
        with np.load(path) as arrays:
            assert np.abs(arrays["heatmap"]).max() > 0
            np.testing.assert_allclose(arrays["heatmap"], arrays["attribution"].sum(axis=0), atol=1e-6)


@pytest.mark.timeout(300)
def test_broken_plugins_are_named_with_their_reason(
    radiolucent: Callable[..., subprocess.CompletedProcess[str]], address: str
) -> None:
    with Client(address) as client:
        broken = {plugin.distribution: plugin.reason for plugin in client.list_methods().broken_plugins}
    expected = {
        "another-version": "was made for version 99 of the contract; this is version 1",
        "not-importable": "cannot be imported: ModuleNotFoundError",
        "raises-in-hook": "its hook raised SystemExit: 3",
        "takes-a-name": f"the method name {METHOD!r} is taken by the package 'radiolucent-blur-ig'",
    }
    assert set(broken) == set(expected)
    shown = " ".join(radiolucent("methods").stderr.split())
    for package, reason in expected.items():
        assert reason in broken[package]
        assert f"broken plugin: entry ({package}): {reason.split(':')[0]}" in shown


@pytest.mark.timeout(300)
def test_methods_that_raise_die_or_return_rubbish_are_named_and_harm_no_other(address: str, phantom: Path) -> None:
    methods = {"raises": {}, "rubbish": {}, "dies": {}, METHOD: {"steps": 4}, "saliency": {}}
    with Client(address) as client:
        events = list(client.explain(phantom, methods=methods, models=["resnet18"], targets="COVID-19"))
    failures = {event.item.method: event for event in events if isinstance(event, Failure)}
    assert set(failures) == {"raises", "rubbish", "dies"}
    assert "the method 'raises' of the package raises 1.2 raised SystemExit" in failures["raises"].message
    assert "the method 'rubbish' of the package rubbish 1.2 breaks its contract: explain must yield" in (
        failures["rubbish"].message
    )
    assert failures["rubbish"].reason is FailureReason.INVALID_RESULT
    assert failures["dies"].reason is FailureReason.WORKER
    assert {event.method for event in events if isinstance(event, Heatmap) and event.final} == {METHOD, "saliency"}


@pytest.mark.timeout(300)
def test_who_asks_for_a_method_of_a_broken_plugin_is_told_of_it(
    radiolucent: Callable[..., subprocess.CompletedProcess[str]], phantom: Path
) -> None:
    ran = radiolucent("explain", phantom, "--method", "sound")
    assert ran.returncode != 0
    assert "unknown method" in ran.stderr
    for package in ("another-version", "not-importable", "raises-in-hook"):
        assert package in " ".join(ran.stderr.split())


@pytest.mark.timeout(300)
def test_a_validator_that_raises_makes_a_bad_parameter_and_no_internal_error(
    radiolucent: Callable[..., subprocess.CompletedProcess[str]], phantom: Path
) -> None:
    ran = radiolucent("explain", phantom, "--method", "rubbish", "--set", "rubbish.factor=2")
    assert ran.returncode != 0
    assert "its check of them raised ZeroDivisionError" in " ".join(ran.stderr.split())
