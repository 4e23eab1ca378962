"""How long a job still takes is said as honestly as it is known."""

from __future__ import annotations

import pytest
from radiolucent.client.commands.durations import in_words
from radiolucent.client.commands.time_left import TimeLeft


class Clock:
    """Passes as told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def left(clock: Clock) -> TimeLeft:
    return TimeLeft(clock)


def test_nothing_is_said_before_anything_is_known(left: TimeLeft) -> None:
    assert left.seconds() is None
    assert left.words() == ""
    left.plan(None, None)
    assert left.seconds() is None


def test_before_the_work_begins_the_wait_runs_down_and_the_work_does_not(clock: Clock, left: TimeLeft) -> None:
    left.plan(60.0, 30.0)
    assert left.seconds() == 90
    clock.now += 20
    assert left.seconds() == 70
    clock.now += 20
    assert left.seconds() == 60


def test_an_estimate_that_has_proved_too_low_is_no_longer_shown(clock: Clock, left: TimeLeft) -> None:
    left.plan(60.0, 30.0)
    clock.now += 91
    assert left.words() == ""


@pytest.mark.parametrize("estimated", [None, 10.0, 1000.0])
def test_with_half_of_the_work_done_the_pace_counts_more_than_the_estimate(
    clock: Clock, left: TimeLeft, estimated: float | None
) -> None:
    left.plan(estimated, 0.0)
    left.progress(0.0)
    clock.now += 100
    left.progress(0.5)
    assert left.seconds() == pytest.approx(100, rel=0.4)


def test_work_that_stands_still_makes_the_time_longer(clock: Clock, left: TimeLeft) -> None:
    left.plan(10.0, 0.0)
    left.progress(0.1)
    first = left.seconds()
    clock.now += 60
    second = left.seconds()
    assert first is not None
    assert second is not None
    assert second > first + 60


def test_a_job_that_is_joined_in_its_middle_is_judged_by_what_it_does_since(clock: Clock, left: TimeLeft) -> None:
    left.progress(0.6)
    assert left.seconds() is None
    clock.now += 10
    left.progress(0.8)
    assert left.seconds() == pytest.approx(10)


def test_a_job_that_is_done_has_no_time_left(clock: Clock, left: TimeLeft) -> None:
    left.plan(10.0, 0.0)
    left.progress(0.5)
    clock.now += 5
    left.progress(1.0)
    assert left.seconds() == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0 s"), (0.26, "0.3 s"), (2.0, "2 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"),
        (59.6, "1 min"), (200, "3 min 20 s"), (3599.7, "1 h"), (7500, "2 h 5 min"),
    ],
)  # fmt: skip
def test_durations_are_said_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
