"""The built wheel, installed outside the checkout, serves: everything it needs is package data."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]

CLASSIFY = """
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


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin folder of a fresh environment with the wheel; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    # By way of the source distribution: what an earlier build left in the checkout cannot slip in.
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(CHECKOUT)]
    subprocess.run(build, check=True, capture_output=True, timeout=240)
    [wheel] = folder.glob("radiolucent-*.whl")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    scripts = folder / "venv" / "bin"
    [site] = (folder / "venv" / "lib").glob("python*/site-packages")
    python = scripts / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=120)
    # Behind its own packages, so that the wheel's radiolucent is found first.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    assert (site / "radiolucent" / "protos" / "radiolucent" / "v1" / "explanation.proto").is_file()
    assert (site / "radiolucent" / "model_repository" / "chest_xray" / "config.pbtxt").is_file()
    assert (site / "radiolucent" / "server" / "triton" / "backends" / "onnxruntime" / "model.py").is_file()
    assert not {"client", "server", "handlers", "plugins", "protos"} & {path.name for path in site.iterdir()}
    return scripts


@pytest.mark.timeout(420)
def test_the_wheel_serves_outside_the_checkout(
    installed: Path, model_repository: Path, png: bytes, tmp_path: Path
) -> None:
    xray = tmp_path / "xray.png"
    xray.write_bytes(png)
    ready = tmp_path / "ready.json"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    python = installed / "python"
    serve = [installed / "radiolucent", "serve", "--port", "0", "--ready-file", ready]
    gateway = subprocess.Popen([*serve, "--repository", model_repository], cwd=tmp_path, env=environment)
    try:
        _wait_for(ready.exists, gateway, seconds=90)
        address = json.loads(ready.read_text())["address"]
        asked = subprocess.run(
            [python, "-c", CLASSIFY, address, xray],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=90,
        )
    finally:
        gateway.send_signal(signal.SIGTERM)
        try:
            gateway.wait(timeout=30)
        finally:
            gateway.kill()
    package, counts = asked.stdout.split("\n")[:2]
    assert Path(package).is_relative_to(installed.parent)
    assert counts == "2 2"
    assert gateway.returncode == 0


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the gateway ended"
        assert time.monotonic() < deadline, "the gateway did not become ready"
        time.sleep(0.1)
