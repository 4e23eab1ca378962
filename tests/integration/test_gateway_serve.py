from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb
from radiolucent.protos.radiolucent.v1 import explanation_pb2_grpc, image_pb2
from radiolucent.server.engine import ray_guard


@pytest.fixture
def nohup() -> Iterator[None]:
    """What is started has the end of the terminal ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


def test_under_nohup_and_on_a_new_ray_sigterm_ends_it_with_a_summary_for_running_jobs_and_nothing_is_left_behind(
    nohup: None, run_gateway: Callable[..., Any], tmp_path: Path, model_repository: Path, png: bytes
) -> None:
    settings = {"RADIOLUCENT_LOG_FORMAT": "json", "RADIOLUCENT_DRAIN_SECONDS": "0.5"}
    gateway = run_gateway(tmp_path, model_repository, "--workers", "1", **settings)
    family = gateway.family()
    try:
        for one in family:
            if os.getpgid(one.pid) == os.getpgid(gateway.process.pid):  # a terminal that is closed tells all of these
                one.send_signal(signal.SIGHUP)
            if one.name() in ray_guard.VITAL:  # the next Ray, too, would put handlers of its own in place
                one.kill()
        ready = json.loads((tmp_path / "ready.json").read_text())
        assert ready == {"address": gateway.address, "pid": gateway.process.pid}
        call = pb.MethodCall(name="occlusion")
        call.parameters.update({"window": 4, "stride": 1, "batch_size": 1})
        asked = pb.ExplainRequest(xray=image_pb2.XRay(file=png), methods=[call], keep_after_disconnect=True)
        asked.xray.instance.sop_instance_uid = "1.2.826.0.1.3680043"
        with gateway.channel() as channel:
            stream = explanation_pb2_grpc.ExplanationServiceStub(channel).Explain(asked, timeout=150)
            for answer in stream:
                if answer.event.WhichOneof("event") == "progress":
                    break
            family += [one for one in gateway.family() if one not in family]
            gateway.process.send_signal(signal.SIGTERM)
            events: list[pb.JobEvent] = []
            with pytest.raises(grpc.RpcError) as caught:
                events.extend(answer.event for answer in stream)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert gateway.process.wait(30) == 0
    finally:
        gateway.process.kill()
    gone, alive = psutil.wait_procs(family, timeout=5)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert len(gone) > 3
    assert not (tmp_path / "ready.json").exists()
    log = gateway.log.read_text()
    assert "Traceback" not in log
    assert "1.2.826.0.1.3680043" not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    ours = [line for line in lines if line["event"] == "call"]
    assert [(line["status"], line["reason"]) for line in ours] == [("UNAVAILABLE", "STOPPING")]
    assert ours[0]["job_id"]


def serve(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import typer; from radiolucent.server.command import serve; typer.run(serve)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RADIOLUCENT_")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
    )


def test_what_stops_a_start_is_said_in_one_line_with_its_remedy(tmp_path: Path, model_repository: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong.toml").write_text("prot = 1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        cases = [
            (3, "radiolucent export", ("--repository", "missing")),
            (3, "radiolucent demo", ("--repository", "empty")),
            (3, "--port", ("--repository", str(model_repository), "--port", port)),
            (2, "prot: Extra inputs are not permitted", ("--config", "wrong.toml")),
            (2, "triton: ", ("--triton", "http://elsewhere")),
        ]
        for status, words, arguments in cases:
            ended = serve(tmp_path, *arguments)
            assert ended.returncode == status, ended.stderr
            assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
            assert words in ended.stderr
            assert ended.stdout == ""


def test_a_closed_terminal_stops_it(tmp_path: Path, model_repository: Path) -> None:
    program = [sys.executable, "-c", "import typer; from radiolucent.server.command import serve; typer.run(serve)"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RADIOLUCENT_")}
    log, ready = tmp_path / "server.log", tmp_path / "ready.json"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*program, "--port", "0", "--workers", "1",
             "--repository", str(model_repository), "--ready-file", str(ready)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True,
        )  # fmt: skip
    family: list[psutil.Process] = []
    try:
        deadline = time.monotonic() + 170
        while not ready.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        parent = psutil.Process(process.pid)
        family = [parent, *parent.children(recursive=True)]
        os.killpg(process.pid, signal.SIGHUP)  # as a terminal does: to everything that runs in it
        assert process.wait(40) == 0
    finally:
        process.kill()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
    assert not ready.exists()
    assert "Traceback" not in log.read_text()
