"""A model set is published, refused, removed while explanations run: one gateway, told in this order."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from radiolucent.handlers.repository import Repository, read_set
from radiolucent.protos.radiolucent.v1 import model_pb2, model_pb2_grpc

from .asking import Maps, Running, assert_not_served, assert_same, busy_worker, classify, request, serves, wait_until

pytestmark = pytest.mark.timeout(300)
METHODS = ("saliency", "occlusion")
SIZES = {"resnet18": 64, "resnet34": 64}


class Life:
    """A gateway with one worker, which keeps one network loaded, and its repository."""

    def __init__(self, folder: Path, first: Path, run_gateway: Callable[..., Any]) -> None:
        from radiolucent.training.untrained import build_untrained_set

        self.folder = folder
        self.repository = Repository(folder / "models")
        self.stock = Repository(shutil.copytree(first, folder / "stock"))
        build_untrained_set(self.stock.root, sizes=SIZES, seed=2)
        self.maps: dict[int, Maps] = {}
        self._run_gateway = run_gateway
        self.publish(1)
        self.start()

    def start(self) -> None:
        folder = Path(self.folder, f"run{len(list(self.folder.glob('run*')))}")
        folder.mkdir()
        settings = {"RADIOLUCENT_REFRESH_SECONDS": "0.3", "RADIOLUCENT_WARM_BYTES": "1"}
        self.gateway = self._run_gateway(folder, self.repository.root, "--workers", "1", **settings)
        self.channel = self.gateway.channel()
        self.models = model_pb2_grpc.ModelServiceStub(self.channel)

    def stop(self) -> None:
        self.channel.close()
        self.gateway.process.send_signal(signal.SIGTERM)
        assert self.gateway.process.wait(40) == 0

    def parts(self, version: int) -> dict[str, int]:
        """Version folders of a set, that of the set itself last."""
        members = read_set(self.stock, version).members
        return {**members, "preprocess": version, "vote": version, "chest_xray": version}

    def publish(self, version: int, damage: str | None = None) -> None:
        for name, number in self.parts(version).items():
            fresh = shutil.copytree(self.stock.version_dir(name, number), self.folder / "fresh")
            if name == damage:
                with (fresh / "model.onnx").open("r+b") as file:
                    file.seek(1000)
                    file.write(b"\0\1\2\3" * 20)
            target = self.repository.version_dir(name, number)
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh.rename(target)

    def remove(self, version: int) -> None:
        for name, number in reversed(self.parts(version).items()):
            shutil.rmtree(self.repository.version_dir(name, number))

    def listed(self) -> model_pb2.ListModelsResponse:
        return self.models.ListModels(model_pb2.ListModelsRequest(), timeout=10)

    def wait_for_set(self, version: int) -> None:
        wait_until(lambda: self.listed().serving.version == version)

    def explain(self, png: bytes) -> Running:
        return Running(self.channel, request(png, *METHODS))


@pytest.fixture(scope="module")
def life(
    tmp_path_factory: pytest.TempPathFactory, model_repository: Path, run_gateway: Callable[..., Any]
) -> Iterator[Life]:
    life = Life(tmp_path_factory.mktemp("life"), model_repository, run_gateway)
    yield life
    life.stop()


def test_what_a_set_classified_is_explained_by_it_while_a_new_one_takes_over(life: Life, png: bytes) -> None:
    life.maps[1] = life.explain(png).maps()
    assert {version for _, version, _, _ in life.maps[1]} == {1}
    with busy_worker(life.channel, png) as long:
        waiting = life.explain(png)
        assert waiting.model_set == 1
        life.publish(2)
        life.wait_for_set(2)
        later = life.explain(png)
        assert later.model_set == 2
        seen = long.job().last_sequence
        wait_until(lambda: long.job().last_sequence > seen)
    assert_same(waiting.maps(), life.maps[1])
    life.maps[2] = later.maps()
    assert {version for _, version, _, _ in life.maps[2]} == {2}


def test_a_removed_set_explains_what_it_classified_to_the_end_also_on_networks_that_no_worker_has_loaded(
    life: Life, png: bytes
) -> None:
    with busy_worker(life.channel, png) as long:
        assert long.model_set == 2
        waiting = life.explain(png)  # on resnet34 too, and the worker has room for one network
        assert waiting.model_set == 2
        life.remove(2)
        life.wait_for_set(1)
        assert {model.model.version for model in life.listed().models} == {1}
        with pytest.raises(grpc.RpcError) as caught:
            life.models.GetModel(model_pb2.GetModelRequest(name="resnet34", version=2), timeout=10)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        later = life.explain(png)
        assert later.model_set == classify(life.channel, png).model_set.version == 1
        seen = long.job().last_sequence
        wait_until(lambda: long.job().last_sequence > seen)
        assert deleted_files_open(life)
    assert_same(waiting.maps(), life.maps[2])
    assert_same(later.maps(), life.maps[1])
    wait_until(lambda: not deleted_files_open(life))


def test_without_a_set_left_what_it_classified_is_finished_and_nothing_else_is_served(life: Life, png: bytes) -> None:
    with busy_worker(life.channel, png):
        waiting = life.explain(png)
        life.remove(1)
        wait_until(lambda: not serves(life.channel))
        assert_not_served(life.channel, png)
        assert not life.listed().models
        assert not life.listed().HasField("serving")
    assert_same(waiting.maps(), life.maps[1])
    life.publish(1)
    wait_until(lambda: serves(life.channel))
    assert_same(life.explain(png).maps(), life.maps[1])


def test_a_corrupt_set_is_refused_with_its_reason_and_the_last_good_one_serves_also_after_a_restart(
    life: Life, png: bytes
) -> None:
    life.publish(2, damage="resnet34")
    for restarted in (False, True):
        if restarted:
            life.stop()
            life.start()
        refusals = wait_until(lambda: life.listed().refused)
        assert [(one.name, one.version) for one in refusals] == [("chest_xray", 2)]
        assert refusals[0].reason == ("resnet34/2/model.onnx: is not the file that was published (checksum differs)")
        assert classify(life.channel, png).model_set.version == 1
    assert_same(life.explain(png).maps(), life.maps[1])
    life.remove(2)
    wait_until(lambda: not life.listed().refused)


def deleted_files_open(life: Life) -> list[str]:
    """Deleted TorchScript copies that the gateway holds."""
    folder = Path(f"/proc/{life.gateway.process.pid}/fd")
    targets = [str(one.readlink()) for one in folder.iterdir() if one.is_symlink()]
    return [one for one in targets if one.endswith("model.pt (deleted)")]
