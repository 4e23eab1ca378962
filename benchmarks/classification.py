"""The ensemble in a real Triton against ONNX Runtime alone, on the same cores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .context import Context

if TYPE_CHECKING:
    from radiolucent.handlers.repository import LoadedSet, Repository
    from radiolucent.server.triton import EmbeddedTriton
    from radiolucent.server.triton.client import TritonClient
    from tritonclient.grpc.aio import InferenceServerClient

TITLE = "Classification"

AIM = 1.1
_TIMEOUT_S = 120.0
_AT_ONCE = 8
_ALONE = "ONNX Runtime, one after another"


@dataclass(frozen=True)
class Arrangement:
    """How the networks share the cores.

    Attributes
    ----------
    key
        In names of models.
    title
        For people.
    threads
        Of one inference of one network; 0: as many as there are cores.
    instances
        Of each network.
    limited
        Whether Triton's rate limiter lets no more networks compute at a time than there are cores for, in the order in
        which the ensemble lists them: the dearest first.
    """

    key: str
    title: str
    threads: int
    instances: int = 1
    limited: bool = False


ARRANGEMENTS = (
    Arrangement("side", "side by side, one thread each (as served)", 1),
    Arrangement("list", "as many at a time as cores, one thread each, the dearest first", 1, limited=True),
    Arrangement("turn", "one at a time, all cores, the dearest first", 0, limited=True),
    Arrangement("wide", "side by side, all cores each", 0),
    Arrangement("pair", "side by side, one thread each, two instances", 1, instances=2),
)
_IN_SHORT = 3


def measure(context: Context) -> dict[str, Any]:
    """Time both sides in turn."""
    from radiolucent.handlers.decode import decode
    from radiolucent.handlers.preprocess import preprocess
    from radiolucent.handlers.repository import Repository, load_set

    repository = Repository(context.repository.resolve())
    loaded = load_set(repository, repository.versions("chest_xray")[-1], check=False)
    film = context.films[0].read_bytes()
    xray = decode(film)
    tensors = {name: preprocess(xray, card.input).tensor[None] for name, card in loaded.cards.items()}
    files = {name: repository.version_dir(name, card.version) / "model.onnx" for name, card in loaded.cards.items()}
    alone = _AloneRuns(files, tensors, context.threads)
    found = asyncio.run(_served(context, repository, loaded, film, alone))
    return {
        "threads": context.threads,
        "networks": {name: card.input.size for name, card in loaded.cards.items()},
        "film": [xray.height, xray.width],
        "each_ms": {name: _milliseconds(alone.times(name, 3 if context.short else 10)) for name in tensors},
        **found,
    }


class _AloneRuns:
    """ONNX Runtime without Triton: one session per network and thread count, at its best known settings."""

    def __init__(self, files: Mapping[str, Path], tensors: Mapping[str, Any], threads: int) -> None:
        self._tensors = tensors
        self._wide = {name: _session(file, threads) for name, file in files.items()}
        self._narrow = {name: _session(file, 1) for name, file in files.items()}
        self._pool = ThreadPoolExecutor(threads)
        self.dearest: Sequence[str] = tuple(files)

    def times(self, name: str, rounds: int) -> list[float]:
        """One network, all cores: seconds."""
        return [_seconds(lambda: self._run(self._wide[name], name)) for _ in range(rounds)]

    def one_after_another(self) -> None:
        """All networks, each with all cores."""
        for name, session in self._wide.items():
            self._run(session, name)

    def side_by_side(self) -> None:
        """All networks with one thread each, as many at a time as there are cores, the dearest first."""
        list(self._pool.map(lambda name: self._run(self._narrow[name], name), self.dearest))

    def warm_up(self) -> None:
        """Run everything once, and see which network is the dearest."""
        costs = {}
        for name, session in self._narrow.items():
            self._run(session, name)
            begin = time.perf_counter()
            self._run(session, name)
            costs[name] = time.perf_counter() - begin
        self.dearest = sorted(costs, key=lambda name: -costs[name])
        self.one_after_another()

    def _run(self, session: Any, name: str) -> None:  # noqa: ANN401 - untyped
        session.run(["LOGITS"], {"INPUT": self._tensors[name]})


async def _served(
    context: Context, repository: Repository, loaded: LoadedSet, film: bytes, alone: _AloneRuns
) -> dict[str, Any]:
    from radiolucent.server.triton.client import TritonClient
    from tritonclient.grpc.aio import InferenceServerClient

    rounds, blocks = (10, 2) if context.short else (60, 6)
    arrangements = ARRANGEMENTS[: _IN_SHORT if context.short else None]
    alone.warm_up()
    async with _triton() as triton:
        async with TritonClient(triton.address) as control:
            preprocessing = await _place(
                context, triton.models, repository, loaded, control, arrangements, alone.dearest
            )
        async with InferenceServerClient(triton.address) as client:
            sides: dict[str, Callable[[], Any]] = {
                _ALONE: alone.one_after_another,
                "ONNX Runtime, side by side": alone.side_by_side,
                "decoding and preprocessing in Triton": lambda: _ask(client, preprocessing, film),
            }
            for one in arrangements:
                sides[one.title] = lambda one=one: _ask(client, _ensemble(one), film)  # type: ignore[misc]
            latency: dict[str, list[float]] = {name: [] for name in sides}
            for number in range(rounds + 2):
                for name, work in sides.items():
                    begin = time.perf_counter()
                    if (answer := work()) is not None:
                        await answer
                    if number >= 2:
                        latency[name].append(time.perf_counter() - begin)
                last = ", ".join(f"{name} {1000 * times[-1]:.0f} ms" for name, times in latency.items() if times)
                context.say(f"one at a time: round {number + 1} of {rounds + 2}: {last}")
            rates: dict[str, list[float]] = {_ALONE: [], **{one.title: [] for one in arrangements}}
            for block in range(blocks):
                for one in arrangements:
                    begin = time.perf_counter()
                    await asyncio.gather(*(_ask_twice(client, _ensemble(one), film) for _ in range(_AT_ONCE)))
                    rates[one.title].append(2 * _AT_ONCE / (time.perf_counter() - begin))
                rates[_ALONE].append(1 / _seconds(alone.one_after_another))
                context.say(f"{_AT_ONCE} at a time: block {block + 1} of {blocks}")
    return {
        "rounds": rounds,
        "latency_s": {name: [round(one, 5) for one in times] for name, times in latency.items()},
        "images_per_second": {name: [round(one, 3) for one in found] for name, found in rates.items()},
    }


def _triton() -> EmbeddedTriton:
    from radiolucent.server.triton import EmbeddedTriton

    class Limited(EmbeddedTriton):
        """As the gateway starts it, and able to have models wait for each other."""

        def _command(self, binary: Any, backends: Path) -> list[str]:  # noqa: ANN401
            return [*super()._command(binary, backends), "--rate-limit=execution_count"]

    return Limited()


async def _place(
    context: Context,
    folder: Path,
    repository: Repository,
    loaded: LoadedSet,
    client: TritonClient,
    arrangements: Sequence[Arrangement],
    dearest: Sequence[str],
) -> str:
    """Serve the set in every arrangement, beside each other; return the name of what preprocesses."""
    from radiolucent.handlers.repository.triton_config import to_pbtxt
    from radiolucent.handlers.repository.triton_models import Member, ensemble_config, member_config
    from radiolucent.server.triton.view import ModelView, served_name

    version = loaded.model_set.version
    names = ModelView(folder, repository).place_set(loaded)
    python = [name for name in names if name.partition("@")[0] not in loaded.cards]
    members = [Member.of(card) for card in loaded.cards.values()]
    for name in python:
        await client.load(name)
    for one in arrangements:
        for member in members:
            config = member_config(member, versions=(member.version,), threads=one.threads or context.threads)
            name = f"{served_name(member.name, member.version)}-{one.key}"
            text = to_pbtxt(replace(config, name=name, instances=one.instances))
            if one.limited:
                cores = f'resources [ {{ name: "cores" count: {one.threads or context.threads} global: true }} ]'
                text = text.replace("kind: KIND_CPU", f"kind: KIND_CPU\n  rate_limiter {{ {cores} }}")
            _write(folder / name, text, member.version, repository.version_dir(member.name, member.version))
            await client.load(name)
        ensemble = ensemble_config(members, set_version=version)
        order = {name: place for place, name in enumerate(dearest)} if one.limited else {}
        steps = tuple(
            replace(step, model=served_name(step.model, step.version) + (f"-{one.key}" if at_network else ""))
            for step in sorted(ensemble.steps, key=lambda step: order.get(step.model, -1))
            for at_network in [step.model in loaded.cards]
        )
        text = to_pbtxt(replace(ensemble, name=_ensemble(one), steps=steps))
        _write(folder / _ensemble(one), text, version, repository.set_dir(version))
        await client.load(_ensemble(one))
        context.say(f"loaded: {one.title}")
    return next(name for name in python if name.startswith("preprocess"))


def _write(folder: Path, config: str, version: int, target: Path) -> None:
    folder.mkdir()
    (folder / "config.pbtxt").write_text(config, encoding="utf-8")
    (folder / str(version)).symlink_to(target, target_is_directory=True)


def _ensemble(one: Arrangement) -> str:
    return f"chest_xray-{one.key}"


async def _ask(client: InferenceServerClient, model: str, film: bytes) -> None:
    from radiolucent.server.triton.client import triton_input

    image = triton_input("IMAGE", np.array([[film]], dtype=np.object_))
    await client.infer(model, [image], client_timeout=_TIMEOUT_S)


async def _ask_twice(client: InferenceServerClient, model: str, film: bytes) -> None:
    for _ in range(2):
        await _ask(client, model, film)


def _session(file: Path, threads: int) -> Any:  # noqa: ANN401 - untyped
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _milliseconds(seconds: Sequence[float]) -> float:
    return round(1000 * float(np.median(seconds)), 2)


def markdown(measured: Mapping[str, Any]) -> str:
    """Show times, ratios and rates."""
    latency, rates = measured["latency_s"], measured["images_per_second"]
    each = ", ".join(f"{name} {size} px {measured['each_ms'][name]:g}" for name, size in measured["networks"].items())
    height, width = measured["film"]
    lines = [
        f"{measured['threads']} cores. Each network alone in ONNX Runtime with all of them, ms: {each}. The ensemble "
        f"gets one file of {height} x {width} pixels, decodes it, prepares it for each network, runs them and counts "
        f"the votes. {measured['rounds']} rounds, in each of which every row has its turn; the ratio is to the first "
        f"row in the same round. Images per second with {_AT_ONCE} clients, each asking again when it is answered.",
        "",
        "| | p50, ms | p95, ms | ratio, median (quartiles) | images per second |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, times in latency.items():
        low, middle, high = np.quantile(np.array(times) / np.array(latency[_ALONE]), [0.25, 0.5, 0.75])
        rate = f"{np.median(rates[name]):.2f}" if name in rates else "-"
        p50, p95 = (1000 * np.quantile(times, at) for at in (0.5, 0.95))
        lines.append(f"| {name} | {p50:.0f} | {p95:.0f} | {middle:.2f} ({low:.2f} to {high:.2f}) | {rate} |")
    served = ARRANGEMENTS[0].title
    ratio = float(np.median(np.array(latency[served]) / np.array(latency[_ALONE])))
    arranged = [one.title for one in ARRANGEMENTS if one.title in latency]
    best = max(arranged, key=lambda name: float(np.median(rates[name])))
    fastest = min(arranged, key=lambda name: float(np.median(latency[name])))
    lines += [
        "",
        f"Aim: as served within {AIM} x of the sum of ONNX Runtime's own times: "
        f"{'reached' if ratio <= AIM else '**missed**'} ({ratio:.2f} x). The fastest arrangement for one request is "
        f"*{fastest}*, for many *{best}*.",
    ]
    return "\n".join(lines)
