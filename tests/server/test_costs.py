"""What an item costs: guessed, then learnt."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from radiolucent.handlers.repository import Repository
from radiolucent.plugins import Registry
from radiolucent.server.engine.costs import CostModel
from radiolucent.server.engine.events import Target, TargetReason
from radiolucent.server.engine.order import ExplainOrder
from radiolucent.server.engine.plan import Explained, PlannedItem, Planner
from radiolucent.server.engine.validate import check_methods

SMALL = ("resnet18", 1)
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


def test_before_anything_was_measured_larger_networks_cost_more(repository: Repository) -> None:
    costs = CostModel()
    small, large = ([repository.card(name, 1)] for name in ("resnet18", "resnet34"))
    assert 0 < costs.seconds("occlusion", SMALL, small, 100) < costs.seconds("occlusion", ("resnet34", 1), large, 100)
    assert CostModel(threads=2).seconds("occlusion", SMALL, small, 100) < costs.seconds("occlusion", SMALL, small, 100)
    both = costs.seconds("occlusion", ("chest_xray", 1), small + large, 100)
    assert both > costs.seconds("occlusion", ("resnet34", 1), large, 100)
    assert costs.seconds("saliency", SMALL, small, 0) == 0


def test_it_learns_the_pace_of_a_method_on_a_network(repository: Repository) -> None:
    costs, cards = CostModel(), [repository.card("resnet18", 1)]
    for _ in range(10):
        costs.learn("occlusion", SMALL, 200, 30.0)
    assert costs.seconds("occlusion", SMALL, cards, 100) == pytest.approx(15.0, rel=0.01)
    # The first estimate of another method is that of the network.
    assert costs.seconds("lime", SMALL, cards, 100) == pytest.approx(15.0, rel=0.01)
    costs.learn("lime", SMALL, 100, 1.0)
    assert costs.seconds("lime", SMALL, cards, 100) == pytest.approx(1.0, rel=0.01)
    assert costs.seconds("occlusion", SMALL, cards, 100) == pytest.approx(15.0, rel=0.01)


def test_one_slow_run_does_not_upset_it(repository: Repository) -> None:
    costs, cards = CostModel(), [repository.card("resnet18", 1)]
    for seconds in (10.0, 10.0, 10.0, 40.0, 10.0, 10.0, 10.0):
        costs.learn("occlusion", SMALL, 100, seconds)
    assert costs.seconds("occlusion", SMALL, cards, 100) < 15.0


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
