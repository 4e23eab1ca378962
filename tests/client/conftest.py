"""The server of the tests, and the program that asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import grpc
import numpy as np
import pytest
from PIL import Image
from radiolucent.client.program import build
from radiolucent.protos import (
    classification_pb2_grpc,
    explanation_pb2_grpc,
    model_pb2_grpc,
    server_pb2_grpc,
)

from .fake_job import LIKE, UNLIKE, blob
from .fake_server import FakeServer


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    """A server on a free loopback port."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    servicer = FakeServer()
    classification_pb2_grpc.add_ClassificationServiceServicer_to_server(servicer, server)
    explanation_pb2_grpc.add_ExplanationServiceServicer_to_server(servicer, server)
    model_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    server_pb2_grpc.add_ServerServiceServicer_to_server(servicer, server)
    servicer.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield servicer
    servicer.go_on.set()
    server.stop(grace=None).wait()


@pytest.fixture
def xray(tmp_path: Path) -> Path:
    """A small grey PNG."""
    path = tmp_path / "xray.png"
    Image.fromarray((blob(48, 48, 40) * 255).astype(np.uint8)).save(path)
    return path


@dataclass(frozen=True)
class Ran:
    """How a run of the program ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs the program with the client's commands, as if it were started from a shell."""
    points = {
        name: EntryPoint(name, f"radiolucent.client.commands:{name}", "radiolucent.commands")
        for name in ("models", "methods", "card", "classify", "explain", "batch", "profiles")
    }

    def run(*arguments: object) -> Ran:
        words = [str(argument) for argument in arguments]
        code = 0
        try:
            build(points, words)(words, prog_name="radiolucent")
        except SystemExit as left:
            code = int(left.code or 0)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def unlike(fake: FakeServer) -> FakeServer:
    """The server, with a guard that warns of every X-ray."""
    fake.likeness = UNLIKE
    return fake


@pytest.fixture
def like(fake: FakeServer) -> FakeServer:
    """The server, with a guard that warns of none."""
    fake.likeness = LIKE
    return fake
