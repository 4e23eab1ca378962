"""One real gateway, with real Triton and real Ray, for all tests of this folder."""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from radiolucent.handlers import InputSpec, Label, XRay, preprocess
from radiolucent.handlers.card import DataRecord, TrainingRecord
from radiolucent.handlers.guard import GUARD_INPUT
from radiolucent.handlers.repository import Repository, new_member_version
from radiolucent.server.engine.task import ItemTask, ModelRef
from torch import nn

CHECKOUT = Path(__file__).parents[2]
SIZES = {"resnet18": 64, "resnet34": 64}
OUTSIDER = "thoracic"
_SMALL = InputSpec(size=64)
_START_SECONDS = 170.0
_SERVE = "import typer; from radiolucent.server.command import serve; typer.run(serve)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests that need the only Triton first, and give those more time that may have to start the gateway."""
    items.sort(key=lambda item: item.get_closest_marker("first") is None)
    for item in items:
        if "gateway" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session", autouse=True)
def ray_token() -> str:
    """The token of every Ray of these tests: Ray remembers the first that a process had, for as long as it lives.

    What the tests start inherits it. It stays when they end, for the same reason.
    """
    os.environ["RAY_AUTH_MODE"] = "token"
    if not os.environ.get("RAY_AUTH_TOKEN"):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    return os.environ["RAY_AUTH_TOKEN"]


@dataclass(frozen=True)
class RunningGateway:
    """A gateway in a process of its own."""

    address: str
    process: subprocess.Popen[bytes]
    repository: Path
    log: Path

    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(self.address, options=[("grpc.max_receive_message_length", -1)])

    def family(self) -> list[psutil.Process]:
        """The process and everything it started."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def triton(self) -> psutil.Process:
        return next(one for one in self.family() if one.name().startswith("tritonserver"))

    def ensemble_runs(self) -> int:
        """How often Triton has run, or tried to run, the ensemble."""
        import tritonclient.grpc

        command = dict(part.split("=", 1) for part in self.triton().cmdline() if part.startswith("--") and "=" in part)
        client = tritonclient.grpc.InferenceServerClient(f"{command['--grpc-address']}:{command['--grpc-port']}")
        try:
            stats = client.get_inference_statistics("chest_xray", as_json=True)["model_stats"][0]["inference_stats"]
            return int(stats["success"].get("count", 0)) + int(stats["fail"].get("count", 0))
        finally:
            client.close()


def start_gateway(folder: Path, repository: Path, *arguments: str, **settings: str) -> RunningGateway:
    ready, log = folder / "ready.json", folder / "server.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RADIOLUCENT_")}
    environment |= {"OMP_NUM_THREADS": "1"} | settings
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", _SERVE, "--port", "0"),
                *("--repository", str(repository), "--ready-file", str(ready)),
                *arguments,
            ],
            env=environment,
            stdout=output,
            stderr=output,
            cwd=folder,
        )
    deadline = time.monotonic() + _START_SECONDS
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"the gateway did not start:\n{log.read_text()}")
        time.sleep(0.05)
    return RunningGateway(json.loads(ready.read_text())["address"], process, repository, log)


@pytest.fixture(scope="session")
def small_network(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    torch.manual_seed(0)
    layers = nn.Sequential(
        *(nn.Conv2d(1, 64, 7), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(1024, 3)),
    )
    path = tmp_path_factory.mktemp("network") / "model.pt"
    torch.jit.trace(layers.eval(), torch.rand(2, 1, _SMALL.size, _SMALL.size)).save(str(path))
    return ModelRef("resnet18", 1, path, hashlib.sha256(path.read_bytes()).hexdigest(), _SMALL)


@pytest.fixture
def make_task(small_network: ModelRef) -> Callable[..., ItemTask]:
    """Make a task: saliency, or another method with windows that are a forward pass each."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(buffer, "PNG")
    task = ItemTask("job", "item", buffer.getvalue(), small_network, "saliency", {}, (0,), partial=True)
    return lambda **changes: replace(task, **changes)


@pytest.fixture(scope="session")
def misbehaving_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH in which a package with methods that misbehave is installed."""
    site = tmp_path_factory.mktemp("site")
    (site / "misbehaving_plugin.py").write_text((Path(__file__).parent / "misbehaving_plugin.py").read_text())
    info = site / "misbehaving-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[radiolucent.plugins]\nmisbehaving = misbehaving_plugin\n")
    return site


@pytest.fixture(scope="session")
def run_gateway() -> Callable[..., RunningGateway]:
    """Start another gateway: ``run_gateway(folder, repository, *arguments, **environment)``; the test stops it."""
    return start_gateway


@pytest.fixture(scope="session")
def model_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model set of two small networks with random weights, and a network outside of it. Never written to.

    The guard of the set was fitted on made-up X-rays like that of the fixture ``png``.
    """
    from radiolucent.training.export import Exportable, write_version
    from radiolucent.training.guard import fit_guard
    from radiolucent.training.networks import build_network
    from radiolucent.training.untrained import build_untrained_set

    root = tmp_path_factory.mktemp("gateway") / "models"
    films = [made_up_xray(seed) / np.float32(255) for seed in range(150)]
    small = np.stack([preprocess(XRay(film, "png"), GUARD_INPUT).tensor for film in films])
    guard = fit_guard(small[:100], small[100:])
    assert guard is not None
    build_untrained_set(root, sizes=SIZES, guard=guard)
    labels = (Label(name="Mass", threshold=0.0), Label(name="Effusion", threshold=1.0))
    record = TrainingRecord(
        preset="untrained",
        data=DataRecord(name="none", checksum="0" * 64),
        epochs=0,
        steps=0,
        seed=0,
        initial_weights="random",
        seconds=0,
    )
    network = build_network("resnet18", len(labels))
    outsider = Exportable(OUTSIDER, "A network of one's own", network, labels, InputSpec(size=48), record)
    with new_member_version(Repository(root), OUTSIDER) as (folder, version):
        write_version(folder, version, outsider)
    return root


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, model_repository: Path) -> Iterator[RunningGateway]:
    """The gateway: two networks that vote, `thoracic` outside the set, two workers, heartbeats every 0.3 s."""
    folder = tmp_path_factory.mktemp("server")
    settings = {"RADIOLUCENT_HEARTBEAT_SECONDS": "0.3", "RADIOLUCENT_REFRESH_SECONDS": "0.5"}
    running = start_gateway(folder, model_repository, "--workers", "2", **settings)
    yield running
    running.process.send_signal(signal.SIGTERM)
    try:
        running.process.wait(30)
    except subprocess.TimeoutExpired:
        running.process.kill()
        raise


@pytest.fixture
def channel(gateway: RunningGateway) -> Iterator[grpc.Channel]:
    with gateway.channel() as channel:
        yield channel


@pytest.fixture(scope="session")
def png() -> bytes:
    """A made-up X-ray of 120 rows and 100 columns."""
    return encoded(made_up_xray())


@pytest.fixture(scope="session")
def inverted_png() -> bytes:
    """The same with black and white exchanged."""
    return encoded(255 - made_up_xray())


def made_up_xray(seed: int | None = None) -> np.ndarray:
    """Draw it, uint8 [120, 100]; with a seed, another one like it."""
    rows, columns = np.mgrid[0:120, 0:100]
    down, across, noise = np.zeros(3) if seed is None else (*np.random.default_rng(seed).normal(0, 2, 2), 10)
    pixels = 120 + 80 * np.sin((rows + down) / 17) * np.cos((columns + across) / 11)
    pixels += np.random.default_rng(seed).normal(0, 1, pixels.shape) * noise
    return pixels.clip(0, 255).astype(np.uint8)


def encoded(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment with the wheel; its dependencies are those of this environment."""
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
