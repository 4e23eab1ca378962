"""The ensemble in a real Triton against ONNX Runtime alone, on the same cores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .context import Context
from .ratios import ratio, seconds_of, written

if TYPE_CHECKING:
    from radiolucent.handlers.repository import LoadedSet, Repository
    from radiolucent.server.triton import EmbeddedTriton
    from radiolucent.server.triton.client import TritonClient
    from tritonclient.grpc.aio import InferenceServerClient

TITLE = "Classification"

AIM = 1.1
_TIMEOUT_S = 120.0
_AT_ONCE = 8
_IN_A_ROW = 2
"""Images that each of those at once asks for, one after another."""
_OWN = "ONNX Runtime, each network at once a second time, the sum of these"
_ALONE = "ONNX Runtime, one after another"
_ABREAST = "ONNX Runtime, side by side"
_PAUSE_S = 0.05
"""Between two measurements, so that nothing of one is still at work in the next."""


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
        Whether the networks wait for the cores that they take, so that no more compute at a time than there are for.
    sorted
        Whether the ensemble lists the dearest network first.
    """

    key: str
    title: str
    threads: int
    instances: int = 1
    limited: bool = False
    sorted: bool = False


ARRANGEMENTS = (
    Arrangement("side", "side by side, one thread each (as served)", 1),
    Arrangement("list", "as many at a time as cores, one thread each, the dearest first", 1, limited=True, sorted=True),
    Arrangement("turn", "one at a time, all cores", 0, limited=True),
    Arrangement("some", "as many at a time as cores, one thread each", 1, limited=True),
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
        "each_ms": {name: round(1000 * float(np.median(times)), 2) for name, times in alone.own_s.items()},
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
        self.own_s: dict[str, list[float]] = {name: [] for name in files}
        """What each network takes with all cores, when it has just run."""

    def own(self) -> float:
        """Run each network twice, with all cores; return the sum of their second times, seconds."""
        total = 0.0
        for name, session in self._wide.items():
            self._run(session, name)
            self.own_s[name].append(seconds_of(lambda: self._run(session, name)))  # noqa: B023
            total += self.own_s[name][-1]
        return total

    def one_after_another(self) -> None:
        """All networks, each with all cores."""
        for name, session in self._wide.items():
            self._run(session, name)

    def side_by_side(self, images: int = 1) -> None:
        """All networks with one thread each, as many at a time as there are cores, the dearest first."""
        names = [name for name in self.dearest for _ in range(images)]
        list(self._pool.map(lambda name: self._run(self._narrow[name], name), names))

    def warm_up(self) -> None:
        """Run everything once, and see which network is the dearest."""
        costs = {}
        for name, session in self._narrow.items():
            self._run(session, name)
            costs[name] = seconds_of(lambda: self._run(session, name))  # noqa: B023
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
    async with _triton(context.threads) as triton:
        async with TritonClient(triton.address) as control:
            preprocessing = await _place(
                context, triton.models, repository, loaded, control, arrangements, alone.dearest
            )
        async with InferenceServerClient(triton.address) as client:
            sides: dict[str, Callable[[], Any]] = {
                _OWN: alone.own,
                _ALONE: alone.one_after_another,
                _ABREAST: alone.side_by_side,
                "decoding and preprocessing in Triton": lambda: _ask(client, preprocessing, film),
            }
            for one in arrangements:
                sides[one.title] = lambda one=one: _ask(client, _ensemble(one), film)  # type: ignore[misc]
            latency: dict[str, list[float]] = {name: [] for name in sides}
            for number in range(rounds + 2):
                for name, work in sides.items():
                    await asyncio.sleep(_PAUSE_S)
                    begin = time.perf_counter()
                    answer = work()
                    if isinstance(answer, Awaitable):
                        await answer
                    taken = answer if isinstance(answer, float) else time.perf_counter() - begin
                    if number >= 2:
                        latency[name].append(taken)
                last = ", ".join(f"{name} {1000 * times[-1]:.0f} ms" for name, times in latency.items() if times)
                context.say(f"one at a time: round {number + 1} of {rounds + 2}: {last}")
            rates: dict[str, list[float]] = {_ALONE: [], _ABREAST: [], **{one.title: [] for one in arrangements}}
            for block in range(blocks):
                for one in arrangements:
                    begin = time.perf_counter()
                    await asyncio.gather(*(_ask_in_a_row(client, _ensemble(one), film) for _ in range(_AT_ONCE)))
                    rates[one.title].append(_IN_A_ROW * _AT_ONCE / (time.perf_counter() - begin))
                await asyncio.sleep(_PAUSE_S)
                taken = sum(seconds_of(alone.one_after_another) for _ in range(_IN_A_ROW))
                rates[_ALONE].append(_IN_A_ROW / taken)
                images = _IN_A_ROW * _AT_ONCE
                rates[_ABREAST].append(images / seconds_of(lambda: alone.side_by_side(images)))  # noqa: B023
                context.say(f"{_AT_ONCE} at a time: block {block + 1} of {blocks}")
    return {
        "rounds": rounds,
        "latency_s": {name: [round(one, 5) for one in times] for name, times in latency.items()},
        "images_per_second": {name: [round(one, 3) for one in found] for name, found in rates.items()},
    }


def _triton(cores: int) -> EmbeddedTriton:
    from radiolucent.server.triton import EmbeddedTriton

    class Limited(EmbeddedTriton):
        """As the gateway starts it, and able to have models wait for cores."""

        def _command(self, binary: Any, backends: Path) -> list[str]:  # noqa: ANN401
            limits = ["--rate-limit=execution_count", f"--rate-limit-resource=cores:{cores}"]
            return [*super()._command(binary, backends), *limits]

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
        order = {name: place for place, name in enumerate(dearest)} if one.sorted else {}
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


async def _ask_in_a_row(client: InferenceServerClient, model: str, film: bytes) -> None:
    for _ in range(_IN_A_ROW):
        await _ask(client, model, film)


def _session(file: Path, threads: int) -> Any:  # noqa: ANN401 - untyped
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Threads spin between the layers of a run, and no longer than it: they would take the cores of what runs next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if threads > 1 else "0")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def markdown(measured: Mapping[str, Any]) -> str:
    """Show times, ratios and rates."""
    latency, rates = measured["latency_s"], measured["images_per_second"]
    each = ", ".join(f"{name} {size} px {measured['each_ms'][name]:g}" for name, size in measured["networks"].items())
    most = max(float(np.median(rates[name])) for name in (_ALONE, _ABREAST))
    served = ARRANGEMENTS[0].title
    height, width = measured["film"]
    lines = [
        f"{measured['threads']} cores. Each network alone in ONNX Runtime with all of them, when it has just run, ms: "
        f"{each}. The ensemble gets one file of {height} x {width} pixels, decodes it, prepares it for each network, "
        f"runs them and counts the votes. {measured['rounds']} rounds, in each of which every row has its turn; the "
        f"ratio is to the first row in the same round. Images per second with {_AT_ONCE} clients, each asking again "
        f"when it is answered; of ONNX Runtime one image after another, or side by side {_IN_A_ROW * _AT_ONCE} at "
        f"once, which are as many. The last column divides by what is served, in the same of "
        f"{len(rates[served])} blocks.",
        "",
        "| | p50, ms | p95, ms | ratio, median (quartiles) | images per second | by those served |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, times in latency.items():
        p50, p95 = (1000 * np.quantile(times, at) for at in (0.5, 0.95))
        taken = ratio(times, latency[_OWN])
        slower = ", **we lose**" if name == served and taken["median"] > 1 else ""
        cells = [name, f"{p50:.0f}", f"{p95:.0f}", f"{written(taken)}{slower}"]
        if name in rates:
            rate = float(np.median(rates[name]))
            lost = ", **we lose**" if name == served and rate < most else ""
            cells += [f"{rate:.2f}{lost}", written(ratio(rates[name], rates[served]))]
        else:
            cells += ["-", "-"]
        lines.append(f"| {' | '.join(cells)} |")
    found = ratio(latency[served], latency[_OWN])["median"]
    others = [one.title for one in ARRANGEMENTS if one.title in latency and one.title != served]
    best = max(others, key=lambda name: ratio(rates[name], rates[served])["median"])
    fastest = min(others, key=lambda name: ratio(latency[name], latency[served])["median"])
    lines += [
        "",
        f"Aim: as served within {AIM} x of the sum of ONNX Runtime's own times: "
        f"{'reached' if found <= AIM else '**missed**'} ({found:.2f} x). Of the other arrangements *{fastest}* is the "
        f"fastest for one request, {written(ratio(latency[fastest], latency[served]))} as long; *{best}* for many, "
        f"{written(ratio(rates[best], rates[served]))} as many images.",
    ]
    return "\n".join(lines)
