"""The Python models with a stand-in for the module that only exists in Triton; tests/integration has the real one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from radiolucent.datasets import Film
from radiolucent.evaluation.tables import Decision, Predictions, PredictionsHead
from radiolucent.handlers import Calibration, InputSpec, decode, preprocess, probabilities
from radiolucent.handlers.card import DataRecord
from radiolucent.handlers.guard import Guard
from radiolucent.handlers.repository import Repository, new_member_version, publish_set

Encode = Callable[..., bytes]


@pytest.fixture
def triton(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    class TritonError:
        INVALID_ARG = 3

        def __init__(self, message: str, code: int = 1) -> None:
            self.message, self.code = message, code

    class Tensor:
        def __init__(self, name: str, array: NDArray[Any]) -> None:
            self.name, self.array = name, array

        def as_numpy(self) -> NDArray[Any]:
            return self.array

    def get(request: dict[str, NDArray[Any]], name: str) -> Tensor:
        return Tensor(name, request[name])

    def respond(output_tensors: list[Tensor], error: TritonError | None = None) -> SimpleNamespace:
        return SimpleNamespace(outputs={t.name: t.array for t in output_tensors}, error=error)

    module = ModuleType("triton_python_backend_utils")
    vars(module).update(TritonError=TritonError, Tensor=Tensor, get_input_tensor_by_name=get, InferenceResponse=respond)
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", module)
    names = [f"radiolucent.handlers.triton.{name}" for name in ("preprocess", "vote")]
    yield lambda name: importlib.import_module(f"radiolucent.handlers.triton.{name}")
    for name in names:
        sys.modules.pop(name, None)


def start(module: Any, repository: Repository, model: str) -> Any:  # noqa: ANN401
    served = module.TritonPythonModel()
    served.initialize({"model_repository": str(repository.model_dir(model)), "model_version": "1"})
    return served


def files(*contents: bytes) -> dict[str, NDArray[Any]]:
    return {"IMAGE": np.array(contents, dtype=np.object_).reshape(-1, 1)}


def test_every_network_gets_its_own_size(
    triton: Callable[[str], Any], repository: Repository, png: Encode, picture: NDArray[np.uint8]
) -> None:
    publish_set(repository, {"resnet18": 1, "densenet161": 2})
    served = start(triton("preprocess"), repository, "preprocess")
    (response,) = served.execute([files(png(picture), png(255 - picture))])
    assert {name: array.shape for name, array in response.outputs.items()} == {
        "INPUT_resnet18": (2, 1, 64, 64),
        "INPUT_densenet161": (2, 1, 96, 96),
        "LIKENESS": (2, 3),
        "LIKENESS_TEXT": (2, 1),
    }
    expected = preprocess(decode(png(picture)), InputSpec(size=96)).tensor
    assert np.array_equal(response.outputs["INPUT_densenet161"][0], expected)


def test_a_bad_image_fails_its_own_request_only(
    triton: Callable[[str], Any], repository: Repository, png: Encode, picture: NDArray[np.uint8]
) -> None:
    publish_set(repository, {"resnet18": 1})
    served = start(triton("preprocess"), repository, "preprocess")
    good, bad, empty, also_good = served.execute(
        [files(png(picture)), files(b"text, named .png"), files(b""), files(png(picture))]
    )
    assert good.error is None
    assert also_good.error is None
    assert np.array_equal(good.outputs["INPUT_resnet18"], also_good.outputs["INPUT_resnet18"])
    assert bad.error.code == 3
    assert bad.error.message.startswith("unknown_format: ")
    assert empty.error.message.startswith("empty: ")


def test_networks_of_one_size_share_a_decode_and_a_resize(
    triton: Callable[[str], Any],
    repository: Repository,
    fill: Callable[..., None],
    png: Encode,
    picture: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with new_member_version(repository, "resnet34") as (folder, version):
        fill(folder, "resnet34", version, 64)
    publish_set(repository, {"resnet18": 1, "resnet34": 1, "densenet161": 1})
    module = triton("preprocess")
    calls: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        original = getattr(module, name)

        def call(*args: object) -> object:
            calls.append(name)
            return original(*args)

        return call

    for name in ("decode", "preprocess"):
        monkeypatch.setattr(module, name, counted(name))
    (response,) = start(module, repository, "preprocess").execute([files(png(picture))])
    assert calls == ["decode", "preprocess", "preprocess"]
    assert np.array_equal(response.outputs["INPUT_resnet18"], response.outputs["INPUT_resnet34"])


def test_a_set_with_a_guard_says_how_like_its_training_data_each_image_is(
    triton: Callable[[str], Any], repository: Repository, png: Encode, picture: NDArray[np.uint8], guard: Guard
) -> None:
    publish_set(repository, {"resnet18": 1}, guard=guard)
    (response,) = start(triton("preprocess"), repository, "preprocess").execute(
        [files(png(picture), png(255 - picture))]
    )
    said = [guard.judge(decode(png(pixels))) for pixels in (picture, 255 - picture)]
    assert said[0].unlikeness != said[1].unlikeness
    expected = np.array([(one.unlikeness, one.threshold, one.share) for one in said], dtype=np.float32)
    assert response.outputs["LIKENESS"].dtype == np.float32
    np.testing.assert_array_equal(response.outputs["LIKENESS"], expected)
    assert response.outputs["LIKENESS_TEXT"].tolist() == [[one.text.encode()] for one in said]


def test_a_set_without_a_guard_says_nothing_of_likeness(
    triton: Callable[[str], Any], repository: Repository, png: Encode, picture: NDArray[np.uint8]
) -> None:
    publish_set(repository, {"resnet18": 1})
    (response,) = start(triton("preprocess"), repository, "preprocess").execute([files(png(picture))])
    assert np.isnan(response.outputs["LIKENESS"]).all()
    assert response.outputs["LIKENESS_TEXT"].tolist() == [[b""]]


def test_the_vote_answers_what_answered(triton: Callable[[str], Any], repository: Repository) -> None:
    publish_set(repository, {"resnet18": 1, "densenet161": 2})
    served = start(triton("vote"), repository, "vote")
    request = {
        "LOGITS_resnet18": np.array([[3.0, -3.0], [1.0, 2.0]], np.float32),
        "LOGITS_densenet161": np.array([[-3.0, -3.0], [1.0, 2.0]], np.float32),
        "VERSION_resnet18": np.array([[11], [11]]),
        "VERSION_densenet161": np.array([[22], [22]]),
    }
    (response,) = served.execute([request])
    answer = response.outputs
    assert answer["VERSIONS"].tolist() == [[11, 22]] * 2
    assert answer["MODELS"].tolist() == [[b"resnet18", b"densenet161"]] * 2
    assert answer["LABELS"].tolist() == [[b"A", b"B"]] * 2
    assert answer["VOTES"].tolist() == [[1, 0], [2, 2]]
    assert answer["MAJORITY"].tolist() == [[False, False], [True, True]]
    assert answer["LOGITS"].shape == (2, 2, 2)
    np.testing.assert_allclose(answer["PROBABILITIES"], probabilities(answer["LOGITS"]))
    np.testing.assert_allclose(answer["MEAN"], answer["PROBABILITIES"].mean(axis=1), atol=1e-6)
    types = {name: array.dtype for name, array in answer.items()}
    assert types["VOTES"] == np.int32
    assert types["MAJORITY"] == np.bool_
    assert types["VERSIONS"] == np.int64
    assert types["MEAN"] == types["PROBABILITIES"] == np.float32


def test_outputs_unlike_the_cards_are_an_error(triton: Callable[[str], Any], repository: Repository) -> None:
    publish_set(repository, {"resnet18": 1})
    served = start(triton("vote"), repository, "vote")
    (response,) = served.execute(
        [{"LOGITS_resnet18": np.zeros((1, 5), np.float32), "VERSION_resnet18": np.array([[1]])}]
    )
    assert "not those of their cards" in response.error.message


def test_the_vote_is_on_calibrated_probabilities_as_it_is_offline(
    triton: Callable[[str], Any], repository: Repository, fill: Callable[..., None]
) -> None:
    """Thresholds of .5 on probabilities that calibration moves across it, both ways."""
    calibrations = {
        "resnet18": Calibration(method="platt", scale=(0.5, 2.0), offset=(-1.0, 0.5)),
        "densenet161": Calibration(method="temperature", scale=(0.7, 0.7), offset=(0, 0)),
        "resnet34": None,
    }
    for name, calibration in calibrations.items():
        with new_member_version(repository, name) as (folder, version):
            fill(folder, name, version, calibration=calibration)
    members = {name: repository.versions(name)[-1] for name in calibrations}
    publish_set(repository, members)
    logits = {name: np.random.default_rng(i).normal(0, 1, (6, 2)).astype(np.float32) for i, name in enumerate(members)}
    request = {f"LOGITS_{name}": values for name, values in logits.items()}
    request |= {f"VERSION_{name}": np.full((6, 1), version) for name, version in members.items()}
    answer = start(triton("vote"), repository, "vote").execute([request])[0].outputs

    cards = {name: repository.card(name, version) for name, version in members.items()}
    labels = cards["resnet18"].labels
    head = PredictionsHead(
        data=DataRecord(name="films", checksum="0" * 64),
        labels=labels,
        decisions={"split": {n: Decision(thresholds=(0.5, 0.5), calibration=calibrations[n]) for n in members}},
        mean_thresholds={"split": (0.5, 0.5)},
    )
    films = tuple(Film(Path(f"{i}.png"), f"{i}.png", i, {}, str(i)) for i in range(6))
    offline = Predictions(head, films, ("split",) * 6, logits)
    for row, name in enumerate(members):
        np.testing.assert_array_equal(answer["PROBABILITIES"][:, row], offline.probabilities(name))
    np.testing.assert_array_equal(answer["VOTES"], [one.votes for one in offline.votes()])
    np.testing.assert_array_equal(answer["MAJORITY"], [one.majority for one in offline.votes()])
    np.testing.assert_array_equal(answer["MEAN"], [one.mean for one in offline.votes()])
    np.testing.assert_array_equal(answer["LOGITS"], np.stack(list(logits.values()), axis=1))
    plain = sum((probabilities(values) >= 0.5).astype(int) for values in logits.values())
    assert (answer["VOTES"] != plain).any(), "calibration shall matter here"
