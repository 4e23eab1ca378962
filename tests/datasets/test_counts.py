"""The table of sources and labels tells where a label can be had from the source of a film alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from radiolucent.datasets import DataSet, Film, LabelCount, count_labels, make_labels, source_table
from radiolucent.datasets.counts import warn_of_counts


def films(source: str, present: int, absent: int, unknown: int = 0) -> list[Film]:
    values = [True] * present + [False] * absent + [None] * unknown
    return [
        Film(Path("x"), f"{source}{i}", 0, {} if value is None else {"A": value}, f"{source}{i}", "", "train", source)
        for i, value in enumerate(values)
    ]


def data(*groups: list[Film]) -> DataSet:
    return DataSet(Path("m"), "m", "", make_labels(["A"]), tuple(film for group in groups for film in group))


def test_unknown_is_counted_as_such() -> None:
    assert count_labels(films("a", 3, 2, 4), ["A"]) == {"A": LabelCount(3, 2, 4)}


def test_parts_of_a_source_count_together_and_the_largest_comes_first() -> None:
    table = source_table([*films("a/x", 1, 1), *films("b", 5, 0), *films("a/y", 2, 2)], ["A"])
    assert table.sources == ("a", "b")
    assert table.counts["a", "A"] == LabelCount(3, 3, 0)


def test_what_the_source_alone_scores() -> None:
    table = source_table([*films("a", 9, 1), *films("b", 1, 9)], ["A"])
    assert table.rule_f1("A") == pytest.approx(0.9)
    assert source_table(films("a", 0, 4), ["A"]).rule_f1("A") is None


def test_a_label_that_its_source_gives_away_is_a_warning() -> None:
    assert any("source alone tells it" in w for w in warn_of_counts(data(films("a", 30, 2), films("b", 2, 30))))
    assert any("97% of its films come from a" in w for w in warn_of_counts(data(films("a", 29, 90), films("b", 1, 40))))
    assert not any("source" in w for w in warn_of_counts(data(films("a", 30, 30), films("b", 30, 30))))


def test_a_split_with_few_films_of_a_kind_is_a_warning() -> None:
    assert any("A present in 3, absent in 40" in warning for warning in warn_of_counts(data(films("a", 3, 40))))
