"""Concatenations go on from earlier ones, to the same values."""

from __future__ import annotations

import torch
from radiolucent.handlers.lifting.joins import nest_joins
from torch import fx

cat = torch.ops.aten.cat


def parts_of(graph: fx.Graph) -> list[list[str]]:
    """The parts of every concatenation, by name."""
    return [[part.name for part in node.args[0]] for node in graph.nodes if node.target is cat]


def traced(*joins: tuple[list[int], int]) -> fx.GraphModule:
    """Concatenate powers of an image: which, and along which axis."""
    graph = fx.Graph()
    image = graph.placeholder("image")
    powers = {power: graph.call_function(torch.pow, (image, power), name=f"p{power}") for power in range(1, 5)}
    graph.output([graph.call_function(cat, ([powers[one] for one in chosen], axis)) for chosen, axis in joins])
    return fx.GraphModule({}, graph)


def test_a_dense_block_joins_two_parts_each_time() -> None:
    joins = [([1, 2, 3, 4][:length], 1) for length in (1, 2, 3, 4)]
    network, expected = traced(*joins), traced(*joins)
    nest_joins(network)
    network.graph.lint()
    network.recompile()
    assert parts_of(network.graph) == [["p1", "p2"], ["cat_1", "p3"], ["cat_2", "p4"]]
    image = torch.rand(2, 3, 4, 4)
    assert all(map(torch.equal, network(image), expected(image)))


def test_joins_of_one_part_are_that_part_also_one_in_another() -> None:
    graph = fx.Graph()
    image = graph.placeholder("image")
    once = graph.call_function(cat, ([image], 1))
    twice = graph.call_function(cat, ([once], 1))
    graph.output(graph.call_function(torch.neg, (twice,)))
    network = fx.GraphModule({}, graph)
    nest_joins(network)
    network.graph.lint()
    assert parts_of(network.graph) == []


def test_a_list_that_an_operator_gives_is_let_alone() -> None:
    graph = fx.Graph()
    pieces = graph.call_function(torch.split, (graph.placeholder("image"), 2, 1))
    graph.output(graph.call_function(cat, (pieces, 1)))
    network = fx.GraphModule({}, graph)
    nest_joins(network)
    image = torch.rand(1, 4, 2, 2)
    assert torch.equal(network(image), image)


def test_what_is_joined_in_another_order_or_along_another_axis_is_let_alone() -> None:
    network = traced(([1, 2], 1), ([2, 1, 3], 1), ([1, 2, 3], 2))
    before = parts_of(network.graph)
    nest_joins(network)
    assert parts_of(network.graph) == before
