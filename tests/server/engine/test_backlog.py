"""How much is taken on at a time."""

from __future__ import annotations

import pytest
from radiolucent.server.engine.backlog import Backlog, BacklogLimits, Demand
from radiolucent.server.engine.order import Priority
from radiolucent.server.errors import InvalidRequest, QueueFull

MIB = 2**20


def demand(
    caller: str = "one", seconds: float = 0.0, nbytes: int = MIB, priority: Priority = Priority.INTERACTIVE
) -> Demand:
    return Demand(caller, priority, lambda: nbytes, lambda: seconds)


@pytest.fixture
def backlog() -> Backlog:
    return Backlog(BacklogLimits(jobs=8, seconds=100.0, nbytes=80 * MIB), workers=2)


def fill(backlog: Backlog, *demands: Demand) -> None:
    for number, one in enumerate(demands):
        backlog.admit(f"{id(demands)}-{number}", one)


def test_jobs_beyond_the_limit_are_refused_until_one_ends(backlog: Backlog) -> None:
    fill(backlog, *(demand(caller) for caller in "abcdefgh"))
    with pytest.raises(QueueFull, match="8 jobs of all callers") as caught:
        backlog.admit("one more", demand("z"))
    assert 1 <= caught.value.retry_seconds <= 60
    backlog.remove(next(iter(backlog._demands)))
    backlog.admit("one more", demand("z"))
    assert len(backlog) == 8


def test_one_caller_leaves_half_to_others(backlog: Backlog) -> None:
    fill(backlog, *(demand("greedy") for _ in range(4)))
    with pytest.raises(QueueFull, match="this caller"):
        backlog.admit("fifth", demand("greedy"))
    backlog.admit("other", demand("other"))


def test_batch_jobs_leave_a_quarter_to_interactive_ones(backlog: Backlog) -> None:
    fill(backlog, *(demand(caller, priority=Priority.BATCH) for caller in "abcdef"))
    with pytest.raises(QueueFull):
        backlog.admit("batch", demand("g", priority=Priority.BATCH))
    backlog.admit("interactive", demand("g"))


def test_work_is_counted_by_its_estimate_and_shared_by_the_workers(backlog: Backlog) -> None:
    remaining = 150.0
    backlog.admit("long", Demand("a", Priority.INTERACTIVE, lambda: MIB, lambda: remaining))
    with pytest.raises(QueueFull, match="75 s") as caught:
        backlog.admit("more", demand("a", 1.0))
    assert caught.value.retry_seconds == pytest.approx(25.0), "when it is down to half of the limit"
    remaining = 90.0
    backlog.admit("more", demand("a", 1.0))


def test_a_job_of_hours_is_taken_on_where_little_waits(backlog: Backlog) -> None:
    backlog.admit("hours", demand("a", 36_000.0))
    with pytest.raises(QueueFull) as caught:
        backlog.admit("next", demand("b", 1.0))
    assert caught.value.retry_seconds == 60


def test_memory_of_all_results_is_bounded(backlog: Backlog) -> None:
    fill(backlog, demand("a", nbytes=40 * MIB), demand("b", nbytes=30 * MIB))
    with pytest.raises(QueueFull, match="70 MiB"):
        backlog.admit("c", demand("c", nbytes=11 * MIB))
    backlog.admit("c", demand("c", nbytes=10 * MIB))


def test_what_can_never_fit_is_not_told_to_come_back(backlog: Backlog) -> None:
    with pytest.raises(InvalidRequest, match="fewer at once") as caught:
        backlog.admit("huge", demand(nbytes=41 * MIB))
    assert caught.value.violations[0].field == "methods"
    assert len(backlog) == 0


def test_what_is_being_read_has_a_place_of_its_own(backlog: Backlog) -> None:
    with backlog.reading("a", Priority.INTERACTIVE, 30 * MIB):
        with pytest.raises(QueueFull, match="memory"), backlog.reading("a", Priority.INTERACTIVE, 11 * MIB):
            pytest.fail("it was read")
        assert len(backlog) == 1
    assert len(backlog) == 0


def test_a_plan_is_made_however_much_work_waits(backlog: Backlog) -> None:
    backlog.admit("hours", demand("a", 36_000.0))
    with backlog.reading("b", Priority.INTERACTIVE, MIB, works=False):
        pass
    with pytest.raises(QueueFull), backlog.reading("b", Priority.INTERACTIVE, MIB):
        pass
