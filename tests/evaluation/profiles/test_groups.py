"""Who is in which group, and how much a film weighs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from radiolucent.datasets import DataSet
from radiolucent.evaluation.profiles.contrasts import cluster, contrasts_of, order_of
from radiolucent.evaluation.profiles.errors import ProfileRefused
from radiolucent.evaluation.profiles.group import Group, keep_sound, weights_of, without_few
from radiolucent.evaluation.profiles.grouping import groups_by_prediction, groups_of, parse_grouping


def sizes(data_set: DataSet, text: str) -> dict[str, int]:
    groups, _ = groups_of(parse_grouping(text, data_set.labels), data_set.films, data_set.labels)
    return {group.name: len(group.members) for group in groups}


def test_groups_of_labels_overlap_as_in_the_paper_or_are_disjoint(data_set: DataSet) -> None:
    overlapping = {"COVID-19": 13, "Pneumonia": 25, "Pneumonia without COVID-19": 12, "No Finding": 12}
    assert sizes(data_set, "label") == overlapping
    assert sizes(data_set, "label:disjoint") == {"COVID-19": 13, "Pneumonia": 12, "No Finding": 12}


def test_films_are_grouped_by_what_is_known_of_them(data_set: DataSet) -> None:
    assert sizes(data_set, "source") == {"A/one": 13, "A/two": 12, "B": 12}
    assert sizes(data_set, "main-source") == {"A": 25, "B": 12}
    groups, missing = groups_of(parse_grouping("view", data_set.labels), data_set.films, data_set.labels)
    assert {group.name for group in groups} == {"PA", "AP"}
    assert missing == "12 films are in no group: not known"


def test_predictions_split_a_label_into_right_and_wrong(data_set: DataSet) -> None:
    grouping = parse_grouping("label-x-prediction:COVID-19", data_set.labels)
    called = np.zeros((37, 3), dtype=bool)
    called[:6, 0] = True
    groups = groups_by_prediction(grouping, data_set.films, data_set.labels, called)
    assert {group.name: sorted(group.members)[:3] for group in groups} == {
        "COVID-19, called": [0, 3],
        "COVID-19, missed": [6, 9, 12],
        "not COVID-19, called": [1, 2, 4],
        "not COVID-19, not called": [7, 8, 10],
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [("kind", "can by label, label:disjoint"), ("label-x-prediction:Flu", "there are COVID-19, Pneumonia, No Finding")],
)
def test_what_is_no_grouping_is_answered_with_those_there_are(text: str, says: str, data_set: DataSet) -> None:
    with pytest.raises(ProfileRefused, match=says):
        parse_grouping(text, data_set.labels)


def test_each_patient_of_a_group_weighs_the_same(data_set: DataSet) -> None:
    group = Group("COVID-19", frozenset(range(0, 37, 3)))
    weights = weights_of([group], data_set.films)[:, 0]
    assert weights[[0, 3, 6, 9]].tolist() == [0.25] * 4, "one patient's four films"
    assert weights[[12, 15]].tolist() == [1, 1]
    assert weights.sum() == pytest.approx(10), "patients"


def test_groups_without_two_patients_are_left_out_and_named(data_set: DataSet) -> None:
    groups = [Group("none", frozenset()), Group("one", frozenset({0, 3, 6})), Group("two", frozenset({0, 12}))]
    kept, left_out = keep_sound(groups, data_set.films)
    assert kept == (groups[2],)
    assert left_out == (
        "group 'none' has no film",
        "group 'one' has 3 film(s) of one patient: its mean would be that patient",
    )


def test_no_patient_can_be_told_from_the_groups_that_are_served(data_set: DataSet) -> None:
    films = list(data_set.films)
    films[13] = replace(films[13], group=films[12].group)  # a film with COVID-19, and one of pneumonia without it
    groups, _ = groups_of(parse_grouping("label", data_set.labels), films, data_set.labels)

    def smallest(of: Sequence[Group]) -> int:
        """Count the patients in what is left over of two groups whose sum is the third, but for one patient."""
        by_name = {group.name: weights_of([group], films)[:, 0] for group in of}
        rest = by_name["COVID-19"] + by_name["Pneumonia without COVID-19"] - by_name["Pneumonia"]
        return len({films[place].group for place in np.flatnonzero(rest)})

    assert smallest(groups) == 1
    kept, (text,) = without_few(groups, films, 5)
    assert smallest(kept) == 0
    assert text == "left out of every group: 1 patient(s), since fewer than 5 have films in the same groups"
    assert [len(group.members) for group in kept] == [12, 23, 11, 12]
    assert [len(group.members) for group in without_few(groups, films, 10)[0]] == [0, 0, 0, 0]
    assert without_few(groups, films, 1) == (groups, ())


def test_groups_cluster_by_the_cosine_distance_of_their_contrasts() -> None:
    means = np.zeros((3, 2, 1, 1), dtype=np.float32)
    means[:, 0, 0, 0] = (3, 0, 0)
    means[:, 1, 0, 0] = (0, 1, -1)
    contrasts = contrasts_of(means)
    np.testing.assert_allclose(contrasts[:, :, 0, 0], [[2, 0], [-1, 1], [-1, -1]])
    assert order_of(contrasts) == (0, 1)
    distances, merges = cluster(contrasts)
    diagonal = 1 + 1 / np.sqrt(2)
    np.testing.assert_allclose(distances, [[0, diagonal, diagonal], [diagonal, 0, 1], [diagonal, 1, 0]], atol=1e-12)
    assert [(merge.first, merge.second) for merge in merges] == [(1, 2), (0, 3)]
    assert [merge.distance for merge in merges] == pytest.approx([1, diagonal])


def test_two_groups_are_not_clustered_nor_groups_without_contrast() -> None:
    assert cluster(contrasts_of(np.random.default_rng(0).random((2, 3, 2, 2), dtype=np.float32))) == ((), ())
    assert cluster(contrasts_of(np.ones((4, 3, 2, 2), dtype=np.float32))) == ((), ())
