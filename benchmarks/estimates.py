"""How near the engine's estimate of an item's time comes to the time that it takes."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from math import exp, log
from statistics import median
from typing import TYPE_CHECKING, Any

from .context import Context
from .subjects import subject_names

if TYPE_CHECKING:
    from radiolucent.server.engine.plan import PlannedItem

TITLE = "Estimates of an item's time"

NEAR = 1.3
"""Within 30 %, as a ratio to either side."""
_SHORT_NETWORKS = ("resnet18",)
_REPEATED = 4
"""One item of so many is run a second time at once, to see what the machine itself makes of the very same work."""
_WEIGHT = 0.3

METHODS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "saliency": ({},),
    "grad_cam": ({},),
    "guided_backprop": ({},),
    "guided_grad_cam": ({},),
    "deep_lift": ({},),
    "lrp": ({}, {"composite": "epsilon_plus"}),
    "integrated_gradients": ({}, {"max_error": 0.05}, {"max_error": 0.003}, {"steps": 16}, {"steps": 48}),
    "smooth_grad": ({"samples": 8}, {"samples": 24}),
    "gradient_shap": ({}, {"samples": 20}),
    "occlusion": ({}, {"window": 0.25}, {"window": 0.0625}, {"window": 0.3, "stride": 0.1}),
    "approximate_occlusion": ({"window": 0.25, "stride": 0.05}, {"window": 0.3, "stride": 0.05, "max_error": 0.1}),
    "lime": ({"samples": 60}, {"samples": 200}),
}
"""What is asked for, with parameters that people vary. The warm-up knows the first of each alone."""
MEASURED = ("saliency", "grad_cam")
MEASURES = ("max_sensitivity", "deletion", "infidelity", "sparseness")
SHARED = ("input_x_gradient", "saliency")


@dataclass(frozen=True)
class Case:
    """What is asked for at once, of one network."""

    network: str
    methods: tuple[str, ...]
    parameters: Mapping[str, Any]
    labels: int
    measures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """An item, or the measures of one, or items that share their passes.

    Attributes
    ----------
    name, network, parameters, labels
        Which.
    expected_s, seconds
        The estimate before, and the time after, by the clock.
    expected_processor_s, processor_s
        The same of the processor, where it is known.
    plain_s
        What a running mean of seconds per announced pass of the method on the network said.
    adaptive
        Whether the announced passes are what the method expects.
    announced
        Announced passes, of a method alone.
    refused
        Measures that were refused, since the map or the output allows none.
    """

    name: str
    network: str
    parameters: Mapping[str, Any]
    labels: int
    expected_s: float
    seconds: float
    expected_processor_s: float = 0.0
    processor_s: float = 0.0
    plain_s: float = 0.0
    adaptive: bool = False
    announced: int = 0
    refused: int = 0


class _Plain:
    """The simplest way: seconds per announced pass, a running mean for each method and network."""

    def __init__(self) -> None:
        self._paces: dict[tuple[str, str], float] = {}

    def seconds(self, item: PlannedItem) -> float:
        return self._paces.get((item.item.method, item.item.model), 0.0) * item.effort.passes

    def learn(self, item: PlannedItem, seconds: float) -> None:
        if item.effort.passes:
            key, pace = (item.item.method, item.item.model), seconds / item.effort.passes
            self._paces[key] = (1 - _WEIGHT) * self._paces.get(key, pace) + _WEIGHT * pace


class _Engine:
    """The planner, and one worker in this process."""

    def __init__(self, context: Context) -> None:
        import torch
        from radiolucent.handlers.repository import Repository
        from radiolucent.plugins import load_registry
        from radiolucent.server.engine.costs import CostModel
        from radiolucent.server.engine.explainer import Explainer
        from radiolucent.server.engine.plan import Planner

        torch.set_num_threads(context.threads)
        self._registry = load_registry(())
        self._planner = Planner(self._registry, Repository(context.repository), CostModel(context.threads))
        self._explainer = Explainer(self._registry, warm_bytes=2**31)
        self._films = cycle([film.read_bytes() for film in context.films])
        self._plain = _Plain()
        self._jobs = 0

    def run(self, case: Case, film: bytes | None = None) -> list[Row]:
        """Plan what is asked for, do it, and learn from it."""
        from radiolucent.server.engine.check_measures import check_measures
        from radiolucent.server.engine.events import Target, TargetReason
        from radiolucent.server.engine.order import ExplainOrder, MethodCall
        from radiolucent.server.engine.plan import Explained
        from radiolucent.server.engine.validate import check_methods

        self._jobs += 1
        repository = self._planner.repository
        card = repository.card(case.network, repository.versions(case.network)[-1])
        calls = tuple(MethodCall(name, case.parameters) for name in case.methods)
        order = ExplainOrder("", film or next(self._films), calls)
        targets = tuple(Target(label.name, TargetReason.ASKED) for label in card.labels[: case.labels])
        explained = Explained(card.name, card.version, card, targets, {})
        measures = check_measures([MethodCall(name) for name in case.measures])
        checked = check_methods(calls, self._registry)
        planned = self._planner.plan(f"job{self._jobs}", order, checked, [explained], measures)
        rows = [row for item in planned for row in self._work(item, case)]
        if len(planned) == 1:
            return rows
        name = " + ".join(case.methods)
        whole, taken = sum(row.expected_s for row in rows), sum(row.seconds for row in rows)
        return [Row(name, case.network, case.parameters, len(targets), whole, taken)]

    def _work(self, item: PlannedItem, case: Case) -> Iterator[Row]:
        from radiolucent.server.engine.task import WorkerDone, WorkerEvent, WorkerFailure, WorkerMap

        known = item.effort.name, item.item.model, case.parameters, len(item.item.labels)
        processor_s, plain_s = self._planner.costs.processor_seconds(item.effort), self._plain.seconds(item)
        events: list[WorkerEvent] = []
        self._explainer.run(item.task, events.append, lambda: False)
        for event in events:
            self._planner.learn(item, event)
        done = events[-1]
        if isinstance(done, WorkerFailure):
            raise RuntimeError(f"{item.item.method} on {item.item.model}: {done.message}")
        assert isinstance(done, WorkerDone)  # noqa: S101 - the last event is one of the two
        seconds = done.elapsed_s - done.setup_s - done.measured_s
        self._plain.learn(item, seconds)
        expected_s = item.estimate.seconds - item.measured.seconds
        times = expected_s, seconds, processor_s, done.processor_s, plain_s
        yield Row(*known, *times, item.effort.adaptive, item.effort.passes)
        if case.measures:
            taken = [one for event in events if isinstance(event, WorkerMap) for one in event.measurements]
            elapsed = sum(one.elapsed_s for one in taken)
            refused = sum(bool(one.refusal) for one in taken)
            yield Row(f"measures of {known[0]}", *known[1:], item.measured.seconds, elapsed, refused=refused)


def warm_up(networks: Sequence[str]) -> list[Case]:
    """Return what the engine has seen: each method on each network, one choice of parameters, one label and two.

    By chance as well: what runs after something else, on another network, takes longer than after its like.
    """
    cases = [
        Case(network, (method,), parameters[0], labels)
        for network in networks
        for method, parameters in METHODS.items()
        for labels in (1, 1, 2)
    ]
    cases += [Case(network, (method,), {}, n, MEASURES) for network in networks for method in MEASURED for n in (1, 2)]
    random.Random(1).shuffle(cases)  # noqa: S311 - no secret
    return cases


def asked(networks: Sequence[str]) -> list[Case]:
    """Return what it is asked for then, in an order by chance."""
    cases = [
        Case(network, (method,), parameters, labels)
        for network in networks
        for method, choices in METHODS.items()
        for parameters in choices
        for labels in (1, 2, 3)
    ]
    cases += [Case(network, (method,), {}, n, MEASURES) for network in networks for method in MEASURED for n in (1, 3)]
    cases += [Case(network, SHARED, {}, labels) for network in networks for labels in (1, 3)]
    random.Random(0).shuffle(cases)  # noqa: S311 - no secret
    return cases


def measure(context: Context) -> dict[str, Any]:
    """Warm an engine up, then ask it for other things, each with its estimate before."""
    networks = subject_names(context, short=_SHORT_NETWORKS)
    engine = _Engine(context)
    begin = time.monotonic()
    warm = warm_up(networks)
    for number, case in enumerate(warm):
        engine.run(case)
        context.say(f"warm-up {number + 1} of {len(warm)}: {case.methods[0]} on {case.network}")
    rows: list[Row] = []
    again: list[float] = []
    film = context.films[0].read_bytes()
    cases = asked(networks)
    for number, case in enumerate(cases):
        if number % _REPEATED == 0:
            first, second = (sum(row.seconds for row in engine.run(case, film)) for _ in range(2))
            again.append(second / first)
            continue
        found = engine.run(case)
        rows += found
        ratio = found[0].expected_s / found[0].seconds
        context.say(f"{number + 1} of {len(cases)}: {found[0].name} on {case.network}, {ratio:.2f} of its time")
    return {
        "threads": context.threads,
        "networks": list(networks),
        "warm_up": len(warm),
        "seconds": round(time.monotonic() - begin),
        "again": [round(ratio, 3) for ratio in again],
        "rows": [{key: _short(value) for key, value in asdict(row).items()} for row in rows],
    }


def markdown(measured: Mapping[str, Any]) -> str:
    """Show the table by method."""
    rows = [Row(**row) for row in measured["rows"]]
    names = list(dict.fromkeys(row.name for row in sorted(rows, key=lambda row: row.name)))
    lines = [
        f"One worker of {measured['threads']} thread(s), {len(measured['networks'])} networks, one process. After a "
        f"warm-up of {measured['warm_up']} items with one choice of parameters for each method and one or two labels, "
        f"{len(rows)} items with one to three labels and parameters that mostly never were seen before; both in an "
        "order by chance. The estimate is that of the plan, before the item runs; the ratio is estimate to time. Every "
        "item is learnt from "
        "when it is done, as in the engine. *Processor* is the same of processor time, which other work on the machine "
        "changes less; *plain* is what a running mean of seconds per announced pass for each method and network says. "
        "*Adaptive* is a method that finds out on its way how much it has to do; approximate occlusion has some 300 "
        "windows at most here, and in larger grids the number that it needs differs more from network to network.",
        "",
        "| item | items | within 30 % | median ratio | worst ratio | processor, within 30 % | plain, within 30 % |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *(_line(name, [row for row in rows if row.name == name]) for name in names),
        _line("**all**", rows),
        "",
        f"The very same item run twice, one after the other ({len(measured['again'])} pairs): the second took within "
        f"30 % of the first in {_percent(measured['again'])}. No estimate can do better than that.",
        "",
        *_limits(rows),
        _verdict(rows, names),
    ]
    return "\n".join(lines)


def _limits(rows: Sequence[Row]) -> Iterator[str]:
    """Say what no estimate can know beforehand."""
    adaptive = [row for row in rows if row.adaptive]
    if adaptive:
        paces = defaultdict(list)
        for row in adaptive:
            paces[row.name, row.network].append(row.processor_s / row.announced)
        best = defaultdict(list)
        for row in adaptive:
            best[row.name].append(row.processor_s / row.announced / median(paces[row.name, row.network]))
        told = ", ".join(f"{name} {_percent(ratios)} of {len(ratios)}" for name, ratios in sorted(best.items()))
        others = [row.expected_s / row.seconds for row in rows if not row.adaptive]
        yield (
            "What an adaptive method has to do is known at its end. Items that took within 30 % as much processor time "
            f"for each announced pass as the middle one of the same method and network: {told}. An estimate that knew "
            "that middle beforehand, and nothing of the X-ray, the label and the parameters, would be right so often. "
            f"Of the items of other methods {_percent(others)} are within 30 %."
        )
        yield ""
    refused = [row for row in rows if row.refused]
    if refused:
        far = sum(not _is_near(row.expected_s / row.seconds) for row in refused)
        yield (
            f"In {len(refused)} items some measure was refused at once, since the map is zero everywhere or the output "
            f"does not change, which no estimate foresees: {far} of them are beyond 30 %."
        )
        yield ""


def _verdict(rows: Sequence[Row], names: Sequence[str]) -> str:
    share = _share([row.expected_s / row.seconds for row in rows])
    poor = [name for name in names if _share([row.expected_s / row.seconds for row in rows if row.name == name]) < 0.9]
    listed = f" Below it: {', '.join(poor)}." if poor else ""
    return f"Aim: 90 % of items within 30 %: {'reached' if share >= 0.9 else 'not reached'} ({share:.0%}).{listed}"


def _line(name: str, rows: Sequence[Row]) -> str:
    ratios = [row.expected_s / row.seconds for row in rows]
    processor = [row.expected_processor_s / row.processor_s for row in rows if row.processor_s]
    plain = [row.plain_s / row.seconds for row in rows if row.plain_s]
    worst = exp(max((log(ratio) for ratio in ratios), key=abs))
    return (
        f"| {name} | {len(rows)} | {_percent(ratios)} | {median(ratios):.2f} | {worst:.2f} | {_percent(processor)} | "
        f"{_percent(plain)} |"
    )


def _percent(ratios: Sequence[float]) -> str:
    return f"{_share(ratios):.0%}" if ratios else "-"


def _share(ratios: Iterable[float]) -> float:
    near = [_is_near(ratio) for ratio in ratios]
    return sum(near) / len(near)


def _is_near(ratio: float) -> bool:
    return 1 / NEAR <= ratio <= NEAR


def _short(value: Any) -> Any:  # noqa: ANN401 - any field
    return float(f"{value:.4g}") if isinstance(value, float) else value
