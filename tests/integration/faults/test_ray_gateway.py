"""The Ray of a real gateway: what its ports tell a stranger, and what is left of it."""

from __future__ import annotations

import http.client
import ipaddress
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import grpc
import psutil
import pytest
from radiolucent.protos.radiolucent.v1 import classification_pb2, classification_pb2_grpc, image_pb2
from radiolucent.server.engine import ray_guard

pytestmark = pytest.mark.timeout(300)

# A method of each service that some process of Ray serves.
METHODS = (
    "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo",
    "/ray.rpc.NodeManagerService/GetNodeStats",
    "/ray.rpc.ObjectManagerService/Pull",
    "/ray.rpc.CoreWorkerService/GetCoreWorkerStats",
)
# A request to each of the paths that Ray's HTTP services have.
PATHS = (
    ("POST", "/get_runtime_envs_info"),
    ("POST", "/get_or_create_runtime_env"),
    ("GET", "/api/jobs/"),
    ("GET", "/logs"),
    ("GET", "/metrics"),
    ("GET", "/"),
)
BOUND_SECONDS = 20.0
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - looked at only
REFUSED = grpc.StatusCode.UNAUTHENTICATED


class Gateway(Protocol):
    """A gateway in a process of its own."""

    address: str
    process: subprocess.Popen[bytes]

    def family(self) -> list[psutil.Process]: ...
    def channel(self) -> grpc.Channel: ...


@pytest.fixture(scope="module")
def own_gateway(
    tmp_path_factory: pytest.TempPathFactory, run_gateway: Callable[..., Gateway], model_repository: Path
) -> Iterator[Gateway]:
    # It has to make a token of its own.
    none = {"RAY_AUTH_TOKEN": "", "RAY_AUTH_MODE": "disabled"}
    running = run_gateway(tmp_path_factory.mktemp("own"), model_repository, "--workers", "2", **none)
    yield running
    running.process.kill()
    running.process.wait()


def ray_folder(gateway: Gateway) -> Path:
    for process in gateway.family():
        if process.name() == "gcs_server":
            return Path(process.environ()[ray_guard.MARK])
    raise AssertionError("it has no Ray")


def has_ray(gateway: Gateway) -> bool:
    return any(process.name() == "raylet" for process in gateway.family())


def open_ports(gateway: Gateway) -> dict[int, tuple[str, str]]:
    """Return the ports that listen: address, and name of the process."""
    ports = {}
    for process in gateway.family():
        for connection in process.net_connections("inet"):
            if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE):
                ports[connection.laddr.port] = (connection.laddr.ip, process.name())
    return ports


def is_loopback(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return ((ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None) or ip).is_loopback


def ask_grpc(port: int, method: str, token: str | None) -> grpc.StatusCode:
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            channel.unary_unary(method)(b"", timeout=10, metadata=metadata)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def ask_http(port: int, verb: str, path: str, token: str | None) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(verb, path, headers={"authorization": f"Bearer {token}"} if token else {})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def test_nothing_but_the_gateways_own_port_is_reached_from_other_machines(own_gateway: Gateway) -> None:
    own = int(own_gateway.address.rpartition(":")[2])
    ports = open_ports(own_gateway)
    assert own in ports
    assert {name for address, name in ports.values()} >= {"gcs_server", "raylet"}
    assert {port: found for port, found in ports.items() if port != own and not is_loopback(found[0])} == {}


@pytest.mark.parametrize("token", [None, "0" * 64], ids=["no token", "a wrong token"])
def test_each_port_of_ray_refuses_who_has_no_token(own_gateway: Gateway, token: str | None) -> None:
    own = int(own_gateway.address.rpartition(":")[2])
    for port, (_, name) in open_ports(own_gateway).items():
        if port == own:
            continue
        codes = {method: ask_grpc(port, method, token) for method in METHODS}
        statuses = {path: ask_http(port, *path, token) for path in PATHS}
        speaks_grpc = REFUSED in codes.values()
        assert speaks_grpc or 401 in statuses.values() or 403 in statuses.values(), (port, name, codes, statuses)
        # What a port does not serve, it does not know.
        harmless = {REFUSED, grpc.StatusCode.UNIMPLEMENTED} | (set() if speaks_grpc else {grpc.StatusCode.UNAVAILABLE})
        assert set(codes.values()) <= harmless, (port, name, codes)
        assert set(statuses.values()) <= {None, 401, 403, 404, 405}, (port, name, statuses)


def test_the_methods_asked_are_real(own_gateway: Gateway, ray_token: str) -> None:
    """Whoever has the token gets an answer, so what refuses a stranger is the token."""
    head = next(process for process in own_gateway.family() if process.name() == "gcs_server")
    token = head.environ()["RAY_AUTH_TOKEN"]
    answers = [ask_grpc(port, METHODS[0], token) for port, found in open_ports(own_gateway).items()]
    assert grpc.StatusCode.OK in answers
    assert token != ray_token, "the gateway made its own"


def test_no_stranger_comes_into_the_folder_of_ray(own_gateway: Gateway) -> None:
    """Ray opens its own folder to all: the one above it is closed, and what the gateway trusts is there."""
    folder = ray_folder(own_gateway)
    assert {path.name for path in folder.iterdir()} == {"owner", "address", "start.log", "r"}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.stat().st_uid == os.getuid()
    assert (folder / "r" / "session_latest").is_dir()


def test_a_gateway_outlives_its_ray_and_classifies_meanwhile(own_gateway: Gateway, png: bytes) -> None:
    before = ray_folder(own_gateway)
    begin = time.monotonic()
    for process in own_gateway.family():
        if process.name() in ray_guard.VITAL:
            process.kill()
    with own_gateway.channel() as channel:
        stub = classification_pb2_grpc.ClassificationServiceStub(channel)
        while before.exists() or not has_ray(own_gateway):
            assert time.monotonic() - begin < 90
            stub.Classify(classification_pb2.ClassifyRequest(xray=image_pb2.XRay(file=png)), timeout=20)
            time.sleep(0.2)
    assert own_gateway.process.poll() is None
    assert ray_folder(own_gateway) != before


def test_soon_nothing_of_a_killed_gateways_ray_is_left(own_gateway: Gateway) -> None:
    folder = ray_folder(own_gateway)
    begin = time.monotonic()
    while (
        len(ray_guard.marked(folder)) < 4
    ):  # a store, a raylet, two workers: the last of a new Ray start after it answers
        assert time.monotonic() - begin < 60
        time.sleep(0.1)
    guard = next(one for one in own_gateway.family() if ray_guard.__file__ in one.cmdline())
    shared = set(os.listdir(SHARED_MEMORY))
    own_gateway.process.send_signal(signal.SIGKILL)
    own_gateway.process.wait()
    begin = time.monotonic()
    while ray_guard.marked(folder) or folder.exists() or guard.is_running():
        assert time.monotonic() - begin < BOUND_SECONDS
        time.sleep(0.01)
    print(f"gone after {time.monotonic() - begin:.2f} s")  # noqa: T201
    while {name for name in os.listdir(SHARED_MEMORY) if not name.startswith("radiolucent_")} - shared:
        assert time.monotonic() - begin < BOUND_SECONDS  # others' Ray has files there for a moment
        time.sleep(0.05)
