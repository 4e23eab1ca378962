"""The built wheel, installed outside the checkout, serves: everything it needs is package data."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

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
