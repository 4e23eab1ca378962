"""What follows from a statement about a film: present labels imply their ancestors, absent ones what is below them."""

from __future__ import annotations

import pytest
from radiolucent.datasets import PAPER_HIERARCHY, LabelsError, make_labels
from radiolucent.datasets.labels import complete

COVID, VIRAL, BACTERIAL, PNEUMONIA, HEALTHY = (
    "COVID-19",
    "Viral Pneumonia",
    "Bacterial Pneumonia",
    "Pneumonia",
    "No Finding",
)


@pytest.mark.parametrize(
    ("stated", "known"),
    [
        ({COVID: True}, {COVID: True, VIRAL: True, PNEUMONIA: True, HEALTHY: False}),
        ({PNEUMONIA: True}, {PNEUMONIA: True, HEALTHY: False}),
        ({PNEUMONIA: False}, {PNEUMONIA: False, VIRAL: False, BACTERIAL: False, COVID: False}),
        ({VIRAL: False}, {VIRAL: False, COVID: False}),
        ({COVID: False}, {COVID: False}),
        ({HEALTHY: True}, {HEALTHY: True, PNEUMONIA: False, VIRAL: False, BACTERIAL: False, COVID: False}),
        ({HEALTHY: False}, {HEALTHY: False}),
        # What is said wins: COVID-19 without pneumonia. Whether it is viral pneumonia follows both ways: unknown.
        ({COVID: True, PNEUMONIA: False}, {COVID: True, PNEUMONIA: False, BACTERIAL: False, HEALTHY: False}),
        # A statement in between stops what would follow beyond it.
        ({COVID: True, VIRAL: False}, {COVID: True, VIRAL: False, HEALTHY: False}),
    ],
)
def test_what_is_known_of_a_film(stated: dict[str, bool], known: dict[str, bool]) -> None:
    assert complete(stated, PAPER_HIERARCHY) == known


def test_what_is_said_to_be_unknown_stays_unknown() -> None:
    assert complete({COVID: True}, PAPER_HIERARCHY, [VIRAL]) == {COVID: True, HEALTHY: False}
    assert complete({PNEUMONIA: False}, PAPER_HIERARCHY, [COVID]) == {PNEUMONIA: False, VIRAL: False, BACTERIAL: False}


def test_another_hierarchy_is_only_data() -> None:
    assert complete({"a": True}, {"a": "b", "b": "c", "d": "c"}) == {
        "a": True,
        "b": True,
        "c": True,
        "No Finding": False,
    }


def test_a_circle_is_refused() -> None:
    with pytest.raises(LabelsError, match="implies itself: a -> b -> a"):
        make_labels(["a", "b"], {"a": "b", "b": "a"})
