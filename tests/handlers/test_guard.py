"""What the guard says, from a document that is made up here; tests/training has it fitted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from radiolucent.handlers import XRay
from radiolucent.handlers.guard import GUARD_INPUT, Guard, Scale, ranks

SIDE = GUARD_INPUT.size


def chest(seed: int = 0) -> NDArray[np.float32]:
    """A bright slope with a spot: not the same turned, mirrored or inverted."""
    row, column = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    spot = 0.5 * np.exp(-((row - 0.3) ** 2 + (column - 0.7) ** 2) / 0.02)
    noise = np.random.default_rng(seed).normal(0, 0.01, (SIDE, SIDE))
    return np.clip(0.1 + 0.3 * row + 0.1 * column + spot + noise, 0, 1).astype(np.float32)


def document(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    row, column = np.eye(SIDE * SIDE)[:2]
    return {
        "films": 100,
        "mean": ranks(chest()[np.newaxis].astype(float)).reshape(-1).tolist(),
        "components": [row.tolist(), column.tolist()],
        "variances": [0.5, 0.25],
        "noise": 0.01,
        "distance": {"median": 800.0, "spread": 400.0},
        "gain": {"median": -1e4, "spread": 1e4},
        "held_out": np.linspace(-1, 1, 99).tolist(),
    } | changes


def guard(**changes: Any) -> Guard:  # noqa: ANN401
    return Guard.model_validate(document(**changes))


def test_a_film_like_the_training_films_raises_no_warning() -> None:
    (likeness,) = guard().judge_all(chest(1)[np.newaxis])
    assert not likeness.warns
    assert likeness.text.startswith("Like the X-rays that the networks were trained on: of 99 that were held out, ")


@pytest.mark.parametrize(
    ("film", "words"),
    [
        (1 - chest(), "with black and white exchanged"),
        (np.rot90(chest(), 1), "turned a quarter to the right"),
        (np.rot90(chest(), 2), "turned upside down"),
        (np.rot90(chest(), 3), "turned a quarter to the left"),
        (chest()[:, ::-1], "mirrored left to right"),
        (chest()[::-1], "mirrored top to bottom"),
        (np.rot90(chest())[:, ::-1], "mirrored and turned a quarter to the right"),
        (np.rot90(chest(), 3)[:, ::-1], "mirrored and turned a quarter to the left"),
        (1 - chest()[:, ::-1], "mirrored left to right and with black and white exchanged"),
    ],
)
def test_a_film_that_lies_wrongly_warns_and_tells_how_it_would_lie_right(film: NDArray[np.float32], words: str) -> None:
    (likeness,) = guard().judge_all(film[np.newaxis])
    assert likeness.warns
    assert f"It would be like them {words}. Do not rely on the votes." in likeness.text


def test_the_share_counts_held_out_films_that_are_at_least_as_unlike_and_this_one() -> None:
    held_out = [float(value) for value in range(99)]
    fitted = guard(held_out=held_out, distance={"median": 0.0, "spread": 1e9})
    assert fitted.threshold == 94  # the 95th of 99: at most 5 of 100 films alike lie above it
    seen = fitted.judge_all(chest(1)[np.newaxis])[0]
    assert seen.share == (1 + sum(value >= seen.unlikeness for value in held_out)) / 100


@pytest.mark.parametrize("number", [20, 37, 99, 150])
def test_it_warns_where_the_share_is_at_most_the_alarm_rate_and_nowhere_else(number: int) -> None:
    held_out = np.linspace(0, 10, number).round(4)
    fitted = guard(held_out=held_out.tolist())
    for value in [*held_out, *(held_out + 1e-4), -1.0]:
        likeness = fitted._words(float(value), np.zeros(16))
        assert likeness.warns == (likeness.share <= fitted.alarm_rate), value


def test_a_film_of_one_brightness_is_no_picture_and_warns() -> None:
    for value in (0.0, 0.5, 1.0):
        likeness = guard().judge(XRay(np.full((30, 30), value, dtype=np.float32), "png"))
        assert likeness.warns
        assert likeness.unlikeness == 1000


def test_exposure_and_windowing_play_no_part() -> None:
    films = np.stack([chest(1), 0.1 + 0.5 * chest(1), chest(1) ** 2])
    assert len(set(guard().unlikeness(films).tolist())) == 1


def test_equal_brightness_shares_the_mean_of_its_ranks() -> None:
    (ranked,) = ranks(np.array([[[0.0, 0.0], [0.5, 1.0]]]))
    expected = np.array([[-1, -1], [0.5, 1.5]])
    np.testing.assert_allclose(ranked, expected / expected.std())


def test_many_films_are_judged_as_each_alone() -> None:
    films = np.random.default_rng(0).random((1500, SIDE, SIDE))
    together = guard().unlikeness(films)
    np.testing.assert_array_equal(together[[0, 1023, 1024, 1499]], guard().unlikeness(films[[0, 1023, 1024, 1499]]))
    assert guard().judge_all(np.zeros((0, SIDE, SIDE))) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"films": 99}, "films"),
        ({"components": [[0.0] * 256] * 33, "variances": [1.0] * 33, "films": 1000}, "components"),
        ({"components": [[0.0] * 256] * 11, "variances": [1.0] * 11}, "a component must be of 10 films"),
        ({"variances": [1.0]}, "different number"),
        ({"held_out": [0.0] * 19}, "held_out"),
        ({"held_out": list(np.linspace(1, 0, 30))}, "not ascending"),
        ({"noise": 0}, "noise"),
        ({"noise": math.nan}, "noise"),
        ({"mean": [0.0] * 255}, "mean"),
        ({"more": 1}, "more"),
    ],
)
def test_a_document_that_tells_too_much_or_makes_no_sense_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        guard(**changes)


def test_a_document_comes_back_as_it_was_written() -> None:
    fitted = guard()
    again = Guard.model_validate_json(fitted.model_dump_json())
    assert again == fitted
    assert again.distance == Scale(median=800, spread=400)
    assert again.judge_all(chest(2)[np.newaxis]) == fitted.judge_all(chest(2)[np.newaxis])
