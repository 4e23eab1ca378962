"""What an item costs: guessed, then learnt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from radiolucent.handlers.repository import Repository
from radiolucent.plugins import Need, Parameters, Registry
from radiolucent.plugins.measures.max_sensitivity import MaxSensitivity
from radiolucent.plugins.methods import Saliency
from radiolucent.plugins.registry import Origin
from radiolucent.server.engine.costs import CostModel, Effort, MeasureEffort
from radiolucent.server.engine.events import Target, TargetReason
from radiolucent.server.engine.order import ExplainOrder, MethodCall
from radiolucent.server.engine.passes import measure_passes
from radiolucent.server.engine.plan import Explained, PlannedItem, Planner
from radiolucent.server.engine.tally import Tally
from radiolucent.server.engine.task import FailureReason, WorkerFailure, WorkerProgress
from radiolucent.server.engine.validate import check_methods

MakeOrder = Callable[..., ExplainOrder]


@pytest.fixture
def planner(registry: Registry, repository: Repository) -> Planner:
    return Planner(registry, repository, CostModel())


@pytest.fixture
def planned(planner: Planner, make_order: MakeOrder) -> Callable[..., tuple[PlannedItem, ...]]:
    """Plan methods on both networks."""

    def plan(*methods: str, labels: tuple[str, ...] = ("Nodule",)) -> tuple[PlannedItem, ...]:
        order = make_order(*methods)
        calls = check_methods(order.methods, planner.registry)
        targets = tuple(Target(label, TargetReason.ASKED) for label in labels)
        cards = [planner.repository.card(name, 1) for name in ("resnet34", "resnet18")]
        return planner.plan("job", order, calls, [Explained(card.name, 1, card, targets, {}) for card in cards])

    return plan


@pytest.fixture
def effort(repository: Repository) -> Callable[..., Effort]:
    """What there is to do on one of the networks, or on both where none is named."""

    def make(method: str, network: str = "", passes: int = 100, targets: int = 1, **parameters: float) -> Effort:
        cards = tuple(repository.card(name, 1) for name in ([network] if network else ("resnet18", "resnet34")))
        return Effort(method, (network or "chest_xray", 1), cards, passes, parameters, targets)

    return make


MakeEffort = Callable[..., Effort]


def near(seconds: float) -> object:
    """As near as estimates are to be."""
    return pytest.approx(seconds, rel=0.3)


def test_before_anything_was_measured_larger_networks_cost_more(effort: MakeEffort) -> None:
    costs = CostModel()
    small, large = (costs.seconds(effort("occlusion", name)) for name in ("resnet18", "resnet34"))
    assert 0 < small < large < costs.seconds(effort("occlusion"))
    assert CostModel(threads=2).seconds(effort("occlusion", "resnet18")) < small
    assert costs.seconds(effort("saliency", "resnet18", passes=0)) == 0


def test_it_learns_the_pace_of_a_method_on_a_network(effort: MakeEffort) -> None:
    costs = CostModel()
    for _ in range(3):
        costs.learn(effort("occlusion", "resnet18"), 15.0)
        costs.learn(effort("lime", "resnet18"), 1.0)
    assert costs.seconds(effort("occlusion", "resnet18")) == near(15.0)
    assert costs.seconds(effort("lime", "resnet18")) == near(1.0)


def test_the_first_item_of_a_method_on_a_network_is_estimated_from_what_either_took(effort: MakeEffort) -> None:
    costs = CostModel()
    for _ in range(3):
        costs.learn(effort("lime", "resnet18"), 10.0)
        costs.learn(effort("saliency", "resnet18", passes=3), 0.6)
        costs.learn(effort("saliency", "resnet34", passes=3), 1.2)
    assert costs.seconds(effort("lime", "resnet34")) == near(20.0)


def test_parameters_that_change_the_pace_are_told_apart(effort: MakeEffort) -> None:
    costs = CostModel()
    for _ in range(2):
        costs.learn(effort("occlusion", "resnet18", passes=50, window=0.25), 10.0)
        costs.learn(effort("occlusion", "resnet18", passes=200, window=0.05), 4.0)
    assert costs.seconds(effort("occlusion", "resnet18", passes=50, window=0.25)) == near(10.0)
    assert costs.seconds(effort("occlusion", "resnet18", passes=200, window=0.05)) == near(4.0)
    # Those that were never seen are taken for what lies nearest.
    assert costs.seconds(effort("occlusion", "resnet18", passes=50, window=0.22)) == near(10.0)


def test_a_seed_changes_no_estimate(effort: MakeEffort) -> None:
    costs = CostModel()
    costs.learn(effort("lime", "resnet18", seed=1), 5.0)
    first, other = (costs.seconds(effort("lime", "resnet18", seed=seed)) for seed in (1, 99))
    assert first == other


def test_passes_that_are_no_whole_ones_say_nothing_of_other_methods_but_what_time_it_is(effort: MakeEffort) -> None:
    costs = CostModel()
    before = costs.seconds(effort("lime", "resnet18"))
    costs.learn(effort("occlusion", "resnet18"), 0.5, whole=False)
    assert costs.seconds(effort("lime", "resnet18")) == pytest.approx(before, rel=0.03)
    assert costs.seconds(effort("occlusion", "resnet18")) == near(0.5)


def test_one_slow_run_does_not_upset_it(effort: MakeEffort) -> None:
    costs = CostModel()
    for seconds in (10.0, 10.0, 10.0, 40.0, 10.0, 10.0, 10.0):
        costs.learn(effort("occlusion", "resnet18"), seconds)
    assert costs.seconds(effort("occlusion", "resnet18")) < 15.0


def test_a_busy_machine_slows_every_item_and_no_pace(effort: MakeEffort) -> None:
    costs = CostModel()
    for _ in range(4):
        costs.learn(effort("lime", "resnet18"), 10.0, processor_s=10.0)
        costs.learn(effort("saliency", "resnet18", passes=3), 0.5, processor_s=0.5)
    for _ in range(4):  # two workers now share the cores
        costs.learn(effort("lime", "resnet18"), 20.0, processor_s=10.0)
    assert costs.seconds(effort("saliency", "resnet18", passes=3)) == near(1.0)
    assert costs.processor_seconds(effort("lime", "resnet18")) == near(10.0)


def test_where_the_processor_itself_is_slower_for_a_while_other_methods_are_expected_to_be(effort: MakeEffort) -> None:
    costs = CostModel()
    methods = [f"method {number}" for number in range(6)]
    for method in methods * 3:
        costs.learn(effort(method, "resnet18"), 10.0, processor_s=10.0)
    for method in methods[:-1]:
        costs.learn(effort(method, "resnet18"), 15.0, processor_s=15.0)
    other = effort(methods[-1], "resnet18")
    slow = costs.processor_seconds(other)
    for method in methods[:-1] * 3:
        costs.learn(effort(method, "resnet18"), 10.0, processor_s=10.0)
    assert costs.processor_seconds(other) == pytest.approx(10.0, rel=0.1)
    assert slow > 11.5


def test_a_measure_that_runs_a_method_again_costs_what_that_costs(effort: MakeEffort) -> None:
    costs = CostModel()
    for _ in range(3):
        costs.learn(effort("lime", "resnet18"), 10.0)
    again = MeasureEffort("max_sensitivity", effort("lime", "resnet18"), again=True)
    assert costs.measure_seconds(again, 400) == near(40.0)
    for _ in range(3):
        costs.learn_measure(again, 400, 80.0)
    assert costs.measure_seconds(again, 400) == near(80.0)
    assert costs.seconds(effort("lime", "resnet18")) == near(10.0)


def test_where_heatmaps_have_no_room_every_map_has_runs_of_its_own() -> None:
    measure, saliency = MaxSensitivity(), Saliency()
    params = measure.parameters(perturbations=100)
    run = partial(saliency.cost, saliency.parameters(), (1, 8, 8))
    small = measure_passes(measure, params, (1, 224, 224), 3, run)
    assert (small.each, small.runs) == (0, 100 * run(3))
    large = measure_passes(measure, params, (1, 1024, 1024), 3, run)
    together = large.runs // run(3)
    assert 0 < together < 100
    assert large.each == large.own == (100 - together) * run(1)


def test_cheap_items_come_first(planned: Callable[..., tuple[PlannedItem, ...]]) -> None:
    items = planned("occlusion", "deep_lift", "saliency")
    seconds = [one.estimate.seconds for one in items]
    assert seconds == sorted(seconds)
    assert (items[0].item.method, items[0].item.model) == ("saliency", "resnet18")
    assert items[-1].item.method == "occlusion"


def test_methods_that_share_a_pass_are_planned_together_and_paid_once(
    planned: Callable[..., tuple[PlannedItem, ...]],
) -> None:
    items = planned("input_x_gradient", "occlusion", "saliency")
    gradient = [one for one in items if one.item.method != "occlusion"]
    assert [one.item.model for one in gradient] == ["resnet18", "resnet18", "resnet34", "resnet34"]
    assert [bool(one.estimate.seconds) for one in gradient] == [True, False, True, False]
    first, second, third, fourth = (one.estimate.shared_pass for one in gradient)
    assert first == second != third == fourth
    assert 0 not in (first, third)
    assert {one.estimate.shared_pass for one in items if one.item.method == "occlusion"} == {0}


def test_alone_a_method_shares_nothing(planned: Callable[..., tuple[PlannedItem, ...]]) -> None:
    assert {one.estimate.shared_pass for one in planned("saliency")} == {0}


def test_all_labels_of_a_method_on_a_network_are_one_item(planned: Callable[..., tuple[PlannedItem, ...]]) -> None:
    one = planned("occlusion")
    all_of_them = planned("occlusion", labels=("Nodule", "Lesion", "Effusion"))
    assert [item.estimate for item in one] == [item.estimate for item in all_of_them]


def test_a_request_is_priced_before_it_is_known_what_it_explains(
    planner: Planner, make_order: MakeOrder, planned: Callable[..., tuple[PlannedItem, ...]]
) -> None:
    methods = ("input_x_gradient", "occlusion", "saliency")
    calls = check_methods(make_order(*methods).methods, planner.registry)
    networks = [[planner.repository.card(name, 1)] for name in ("resnet34", "resnet18")]
    planned_s = sum(one.estimate.seconds for one in planned(*methods))
    assert planner.seconds(calls, networks, labels=1) == pytest.approx(planned_s)


def test_runs_until_convergence_say_nothing_of_given_steps(planner: Planner, make_order: MakeOrder) -> None:
    card = planner.repository.card("resnet18", 1)
    explained = Explained(card.name, 1, card, (Target("Nodule", TargetReason.ASKED),), {})

    def item(**parameters: float) -> PlannedItem:
        order = make_order(methods=(MethodCall("integrated_gradients", parameters),))
        (found,) = planner.plan("job", order, check_methods(order.methods, planner.registry), [explained])
        return found

    given, until_convergence = item(steps=40).effort, item(max_error=0.01).effort
    for _ in range(4):
        planner.costs.learn(given, 4.0)
        planner.costs.learn(until_convergence, 40.0)
    assert item(steps=40).estimate.seconds == near(4.0)
    assert item(steps=20).estimate.seconds == near(2.0)
    assert item(max_error=0.01).estimate.seconds == near(40.0)


class Hostile(Saliency):
    """Whatever the plan asks it is wrong."""

    name = "hostile"

    def __init__(self, shares: object = None, needs: Exception | None = None) -> None:
        self._shares, self._needs = shares, needs

    def shared_passes(self, params: Parameters) -> Any:  # noqa: ANN401
        return self._shares

    def adaptive(self, params: Parameters) -> bool:
        raise SystemExit(1)

    def needs_of(self, params: Parameters) -> frozenset[Need]:
        if self._needs is not None:
            raise self._needs
        return self.needs


class Equal:
    """Compares by code of its own."""

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be run in the gateway")


@pytest.mark.parametrize(
    "method", [Hostile(Equal()), Hostile((Equal(),)), Hostile(["list"]), Hostile("passes", ValueError("no"))]
)
def test_a_strangers_method_cannot_break_the_plan(
    method: Hostile, registry: Registry, repository: Repository, make_order: MakeOrder
) -> None:
    stranger = Registry({**registry.methods, "hostile": method}, {**registry.origins, "hostile": Origin("x", "1")}, ())
    planner = Planner(stranger, repository, CostModel())
    order = make_order("hostile", "saliency")
    calls = check_methods(order.methods, stranger)
    card = repository.card("resnet18", 1)
    explained = Explained(card.name, 1, card, (Target("Nodule", TargetReason.ASKED),), {})
    items = planner.plan("job", order, calls, [explained])
    assert [one.estimate.shared_pass for one in items] == [0, 0]
    assert planner.seconds(calls, [[card], [card]], 1) > 0


def test_where_the_first_of_a_shared_pass_fails_the_next_one_pays(
    planned: Callable[..., tuple[PlannedItem, ...]],
) -> None:
    items = planned("smooth_grad", "var_grad")
    tally = Tally(items)
    leader, follower = items[0], items[1]
    assert (leader.estimate.shared_pass, follower.estimate.seconds) == (follower.estimate.shared_pass, 0.0)
    before = tally.remaining_s
    list(tally.take(leader.task.item_id, WorkerFailure(FailureReason.METHOD, "it raised", (0,)), None))
    assert tally.remaining_s == pytest.approx(before)
    assert tally.job_fraction == pytest.approx(0.0)
    list(tally.take(follower.task.item_id, WorkerProgress(1, 2), None))
    share = 0.5 * leader.estimate.seconds / sum(one.estimate.seconds for one in items)
    assert tally.job_fraction == pytest.approx(share)
