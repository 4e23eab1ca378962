"""Bytes in, votes out: the real Triton against the same steps done here."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import pytest_asyncio
import torch
from radiolucent.handlers.decode import decode
from radiolucent.handlers.preprocess import preprocess
from radiolucent.handlers.repository import FIVE_NETWORKS, LoadedSet, Repository, load_set
from radiolucent.handlers.vote import probabilities, vote
from radiolucent.server.triton import (
    ClientLimits,
    EmbeddedOptions,
    EnsembleAnswer,
    TritonClient,
    TritonOptions,
    TritonOverloaded,
    TritonRefusedImage,
    TritonServing,
    TritonStartFailed,
    TritonTimeout,
    TritonUnavailable,
)

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def mixed_repository(
    tmp_path_factory: pytest.TempPathFactory, write_set: Callable[..., int], write_network: Callable[..., int]
) -> Repository:
    """Five networks of different sizes, one of them without an ONNX copy; a sixth outside the set."""
    repository = Repository(tmp_path_factory.mktemp("mixed") / "models")
    write_set(repository, seed=3, torchscript=("resnet34",))
    write_network(repository, "my_network", seed=77, size=64)
    return repository


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def triton(mixed_repository: Repository) -> AsyncIterator[TritonServing]:
    options = TritonOptions(mixed_repository.root, embedded=EmbeddedOptions(drain_seconds=3), refresh_seconds=3600)
    async with TritonServing(options) as serving:
        yield serving


def offline(repository: Repository, image: bytes) -> tuple[LoadedSet, np.ndarray]:
    """Logits [N, L] of the newest set, computed here."""
    loaded = load_set(repository, repository.set_versions()[-1])
    decoded = decode(image)
    rows = []
    for name, card in loaded.cards.items():
        tensor = preprocess(decoded, card.input).tensor[None]
        folder = repository.member_version_dir(name, card.version)
        if card.backend == "onnxruntime":
            session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
            rows.append(session.run(["LOGITS"], {"INPUT": tensor})[0][0])
        else:
            with torch.inference_mode():
                rows.append(torch.jit.load(str(folder / "model.pt"))(torch.from_numpy(tensor)).numpy()[0])
    return loaded, np.stack(rows)


def assert_same(answer: EnsembleAnswer, loaded: LoadedSet, logits: np.ndarray) -> None:
    scores = probabilities(logits)
    expected = vote(scores, np.array(loaded.thresholds, np.float32), loaded.labels)
    np.testing.assert_allclose(answer.logits, logits, atol=1e-5)
    np.testing.assert_allclose(answer.probabilities, scores, atol=1e-6)
    np.testing.assert_allclose(answer.mean, expected.mean, atol=1e-6)
    assert answer.votes.tolist() == expected.votes.tolist()
    assert answer.majority.tolist() == expected.majority.tolist()


async def test_the_answer_is_that_of_the_same_steps_done_here(
    triton: TritonServing, mixed_repository: Repository, xray: Callable[..., bytes]
) -> None:
    image = xray(90, 70, seed=5)
    answer = await triton.infer_ensemble(image, 20)
    loaded, logits = offline(mixed_repository, image)
    assert answer.models == FIVE_NETWORKS
    assert answer.versions == (1, 1, 1, 1, 1)
    assert answer.set_version == 1
    assert answer.labels == loaded.model_set.labels
    assert_same(answer, loaded, logits)


async def test_images_of_different_sizes_are_batched_and_not_mixed_up(
    triton: TritonServing, mixed_repository: Repository, xray: Callable[..., bytes]
) -> None:
    images = [xray(40 + 7 * i, 90 - 3 * i, seed=i) for i in range(16)]
    answers = await asyncio.gather(*(triton.infer_ensemble(image, 30) for image in images))
    for image, answer in zip(images, answers, strict=True):
        assert_same(answer, *offline(mixed_repository, image))


async def test_the_networks_really_get_batches(triton: TritonServing) -> None:
    """Otherwise the test above would prove nothing about splitting a batch's answer."""
    images = np.random.default_rng(0).random((3, 1, 32, 32), dtype=np.float32)
    alone = [await triton.infer_network("resnet18", images[i : i + 1], 20) for i in range(3)]
    together = await triton.infer_network("resnet18", images, 20)
    np.testing.assert_allclose(together.logits, np.concatenate([a.logits for a in alone]), atol=1e-5)
    assert together.version == 1
    client: TritonClient = triton.client
    statistics = await client._triton.get_inference_statistics("resnet18@1")
    assert statistics.model_stats[0].inference_count > statistics.model_stats[0].execution_count


async def test_a_bad_image_fails_alone(
    triton: TritonServing, mixed_repository: Repository, xray: Callable[..., bytes]
) -> None:
    good = [xray(seed=i) for i in range(6)]
    bad = [b"no image", b"", xray()[:200]]
    calls = [triton.infer_ensemble(image, 30) for pair in zip(good, bad * 2, strict=True) for image in pair]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for image, answer in zip(good, answers[::2], strict=True):
        assert_same(answer, *offline(mixed_repository, image))
    assert [type(answer) for answer in answers[1::2]] == [TritonRefusedImage] * 6
    assert [answer.reason for answer in answers[1:6:2]] == ["unknown_format", "empty", "truncated"]
    assert "ensemble" not in str(answers[1])


async def test_a_network_without_an_onnx_copy_is_served(triton: TritonServing) -> None:
    answer = await triton.infer_network("resnet34", np.zeros((2, 1, 32, 32), np.float32), 20)
    assert answer.version == 1
    assert answer.logits.shape == (2, 3)


async def test_a_network_outside_any_set_is_served(triton: TritonServing) -> None:
    assert list(triton.status().networks) == ["my_network"]
    answer = await triton.infer_network("my_network", np.zeros((1, 1, 64, 64), np.float32), 20)
    assert answer.logits.shape == (1, 3)


async def test_a_network_that_is_not_there_is_unavailable(triton: TritonServing) -> None:
    with pytest.raises(TritonUnavailable, match="nobody is not served"):
        await triton.infer_network("nobody", np.zeros((1, 1, 64, 64), np.float32), 20)


async def test_a_tensor_of_the_wrong_shape_fails_alone(triton: TritonServing) -> None:
    good = np.zeros((1, 1, 32, 32), np.float32)
    calls = [good, np.zeros((1, 1, 2, 2), np.float32), good]  # smaller than the convolution's window
    answers = await asyncio.gather(
        *(triton.infer_network("resnet18", call, 20) for call in calls), return_exceptions=True
    )
    assert isinstance(answers[1], Exception)
    np.testing.assert_allclose(answers[0].logits, answers[2].logits)


async def test_a_late_answer_is_a_timeout_and_the_next_call_works(
    triton: TritonServing, xray: Callable[..., bytes]
) -> None:
    with pytest.raises(TritonTimeout):
        await triton.infer_ensemble(xray(2000, 2000), 0.001)
    assert (await triton.infer_ensemble(xray(), 20)).set_version == 1


async def test_too_many_at_once_are_refused_at_once(triton: TritonServing, xray: Callable[..., bytes]) -> None:
    async with TritonClient(triton.address, ClientLimits(places=1, queue=2)) as client:
        calls = [client.infer_ensemble(xray(seed=i), 30) for i in range(8)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, TritonOverloaded) for answer in answers) == 5
    assert sum(isinstance(answer, EnsembleAnswer) for answer in answers) == 3


async def test_a_real_xray_goes_through(triton: TritonServing, mixed_repository: Repository, shared: Path) -> None:
    for path in sorted((shared / "data" / "originals").glob("*.dcm"))[:2]:
        image = path.read_bytes()
        assert_same(await triton.infer_ensemble(image, 30), *offline(mixed_repository, image))


async def test_an_external_triton_is_used_as_it_is(
    triton: TritonServing, mixed_repository: Repository, xray: Callable[..., bytes]
) -> None:
    options = TritonOptions(mixed_repository.root, external=f"grpc://{triton.address}", refresh_seconds=3600)
    async with TritonServing(options) as external:
        status = external.status()
        assert status.available
        assert status.model_set is not None
        answer = await external.infer_ensemble(xray(seed=2), 20)
        assert answer.versions == tuple(status.model_set.model_set.members.values())
    assert (await triton.infer_ensemble(xray(), 20)).set_version == 1, "it goes on when the gateway is gone"


async def test_an_external_triton_that_is_not_there_is_unavailable(mixed_repository: Repository) -> None:
    with pytest.raises(TritonUnavailable):
        await TritonServing(TritonOptions(mixed_repository.root, external="grpc://127.0.0.1:9")).start()


async def test_a_plain_triton_client_can_ask_the_ensemble(
    triton: TritonServing, xray: Callable[..., bytes], tmp_path: Path
) -> None:
    (tmp_path / "xray.png").write_bytes(xray(seed=2))
    example = Path(__file__).resolve().parents[3] / "examples" / "triton_client.py"
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, str(example), str(tmp_path / "xray.png"), "--triton", triton.address), stdout=subprocess.PIPE
    )
    printed, _ = await program.communicate()
    assert program.returncode == 0
    text = printed.decode()
    assert "densenet161:1" in text
    answer = await triton.infer_ensemble(xray(seed=2), 20)
    for label, votes, mean in zip(answer.labels, answer.votes, answer.mean, strict=True):
        (row,) = [line for line in text.splitlines() if line.startswith(f"{label}  ")]
        assert f"{votes}/5" in row
        assert row.endswith(f"{mean:.3f}")
    assert "Not for diagnosis" in text


async def test_an_embedded_triton_can_have_a_port(mixed_repository: Repository, xray: Callable[..., bytes]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = TritonOptions(mixed_repository.root, embedded=EmbeddedOptions(port=port))
    async with TritonServing(options) as serving:
        assert serving.address == f"127.0.0.1:{port}"
        assert (await serving.infer_ensemble(xray(), 20)).set_version == 1
        with pytest.raises(TritonStartFailed, match="ended while it started"):
            await TritonServing(options).start()
