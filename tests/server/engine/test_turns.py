"""Who is next for a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from radiolucent.handlers import InputSpec
from radiolucent.server.engine.order import Priority
from radiolucent.server.engine.task import ModelRef
from radiolucent.server.engine.ticket import Claim, Memory, Turn
from radiolucent.server.engine.turns import FairTurns

BATCH = Priority.BATCH


def claim(
    caller: str,
    seconds: float = 1.0,
    job: str = "",
    priority: Priority = Priority.INTERACTIVE,
    model: str = "resnet18",
    shares: Hashable | None = None,
) -> Claim:
    turn = Turn(job or f"job of {caller}", caller, priority, seconds, shares)
    return Claim(turn, ModelRef(model, 1, None, "", InputSpec(size=32)))  # type: ignore[arg-type]


def pop(turns: FairTurns, *warm: str) -> Claim:
    (one,) = turns.pop({(name, 1) for name in warm})
    return one


def order(turns: FairTurns, read: Callable[[Claim], object] = lambda one: one.turn.caller) -> list[object]:
    return [read(pop(turns)) for _ in range(len(turns))]


def test_items_of_a_job_come_in_its_order() -> None:
    turns = FairTurns()
    claims = [claim("one") for _ in range(3)]
    for one in claims:
        turns.push(one)
    assert len(turns) == 3
    assert [pop(turns) for _ in range(3)] == claims
    assert turns.pop(()) == ()


def test_ten_thousand_items_delay_another_caller_by_the_one_that_runs() -> None:
    turns = FairTurns()
    for _ in range(10_000):
        turns.push(claim("many"))
    for _ in range(50):
        assert pop(turns).turn.caller == "many"
    single = claim("single")
    turns.push(single)
    assert pop(turns) is single


def test_callers_share_the_time_whatever_each_asks_for() -> None:
    turns = FairTurns()
    for _ in range(40):
        turns.push(claim("long", 10.0))
    for _ in range(400):
        turns.push(claim("short", 1.0))
    spent: Counter[object] = Counter()
    for _ in range(110):
        one = pop(turns)
        spent[one.turn.caller] += one.turn.seconds
    assert abs(spent["long"] - spent["short"]) <= 10.0


def test_jobs_of_one_caller_share_its_time_too() -> None:
    turns = FairTurns()
    for _ in range(5):
        turns.push(claim("one", job="long"))
    turns.push(claim("one", job="single"))
    assert order(turns, lambda one: one.turn.job_id)[:2] == ["long", "single"]


def test_interactive_work_goes_before_batch_work_which_does_not_starve() -> None:
    turns = FairTurns()
    for _ in range(100):
        turns.push(claim("night", priority=BATCH))
        turns.push(claim("viewer"))
    first = [pop(turns).turn.priority for _ in range(51)]
    assert first.count(BATCH) == 3, "one seventeenth of the time"


def test_who_had_nothing_to_do_has_not_saved_up_time() -> None:
    turns = FairTurns()
    for _ in range(20):
        turns.push(claim("steady"))
    for _ in range(10):
        pop(turns)
    for _ in range(10):
        turns.push(claim("late"))
    assert Counter(pop(turns).turn.caller for _ in range(10)) == {"late": 5, "steady": 5}


def test_who_leaves_and_comes_back_does_not_jump_the_queue() -> None:
    turns = FairTurns()
    turns.push(claim("greedy", 100.0))
    for _ in range(5):
        turns.push(claim("patient"))
    assert pop(turns).turn.caller == "greedy"
    turns.push(claim("greedy"))
    assert order(turns) == ["patient"] * 5 + ["greedy"]


def test_what_cost_more_than_it_said_is_charged() -> None:
    turns = FairTurns()
    liar = claim("liar", 0.01)
    turns.push(liar)
    for _ in range(3):
        turns.push(claim("liar", 0.01))
        turns.push(claim("honest", 1.0))
    assert pop(turns) is liar
    turns.settle(liar, 100.0)
    assert order(turns)[:3] == ["honest"] * 3


def test_items_that_share_a_pass_are_taken_together() -> None:
    turns = FairTurns()
    first, other, second = claim("one", shares="pass"), claim("one"), claim("one", 0.0, shares="pass")
    elsewhere = claim("one", job="another", shares="pass")
    for one in (first, other, second, elsewhere):
        turns.push(one)
    assert turns.pop(()) == (first, second)
    assert {turns.pop(()), turns.pop(())} == {(other,), (elsewhere,)}


def test_a_network_that_is_loaded_comes_first_where_it_costs_about_the_same() -> None:
    turns = FairTurns()
    cold, warm, dear = claim("one"), claim("one", 1.2, model="resnet34"), claim("one", 9.0, model="densenet161")
    for one in (cold, warm, dear):
        turns.push(one)
    assert pop(turns, "resnet34", "densenet161") is warm
    assert pop(turns, "densenet161") is cold


def test_a_task_whose_worker_was_lost_comes_first_in_its_job() -> None:
    turns = FairTurns()
    waiting, lost = claim("one"), claim("one")
    turns.push(waiting)
    turns.push(lost, again=True)
    assert pop(turns) is lost


def test_a_cancelled_task_leaves_the_queue() -> None:
    turns = FairTurns()
    one, other = claim("one"), claim("one")
    turns.push(one)
    turns.push(other)
    assert turns.remove(one)
    assert not turns.remove(one)
    assert not turns.remove(claim("stranger"))
    assert pop(turns) is other


def test_nothing_is_kept_of_callers_who_are_gone() -> None:
    turns = FairTurns()
    for number in range(1000):
        turns.push(claim(f"caller {number}"))
        turns.settle(pop(turns), 1.0)
    for branches in (turns._root, *turns._root.branches.values()):
        assert len(branches.branches) + len(branches._starts) + len(branches._weights) + len(branches._served) <= 4


def test_new_callers_without_end_leave_nothing_behind_either() -> None:
    turns = FairTurns()
    turns.push(claim("caller 0"))
    for number in range(1, 1000):  # something always waits
        turns.push(claim(f"caller {number}"))
        turns.settle(pop(turns), 1.0)
    (interactive,) = turns._root.branches.values()
    assert len(interactive.branches) < 20


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("real", [0.1, 1.0, 30.0])
def test_a_single_item_never_waits_for_another_of_one_caller_however_wrong_his_estimates_are(
    workers: int, real: float
) -> None:
    turns = FairTurns()
    for _ in range(1000):
        turns.push(claim("many", 1.0))
    running = [pop(turns) for _ in range(workers)]
    for number in range(100):
        turns.settle(running.pop(0), real)
        if number % 7 == 0:
            single = claim(f"single {number}", 0.05)
            turns.push(single)
            assert pop(turns) is single
            turns.settle(single, 0.05)
        running.append(pop(turns))


def test_a_debt_is_not_forgotten_when_nothing_waits() -> None:
    turns = FairTurns()
    long = claim("greedy", 3600.0)
    turns.push(long)
    assert pop(turns) is long  # it runs, and nothing waits
    turns.push(claim("greedy", 3600.0))
    turns.push(claim("patient", 0.05))
    assert order(turns) == ["patient", "greedy"]


@pytest.mark.parametrize("workers", [1, 4])
def test_what_turns_out_dear_is_charged_even_if_nothing_waited_meanwhile(workers: int) -> None:
    turns = FairTurns()
    running = [claim("liar", 1.0) for _ in range(workers)]
    for one in running:
        turns.push(one)
    assert [pop(turns) for _ in range(workers)] == running
    turns.push(claim("liar", 1.0))
    for _ in range(3):
        turns.push(claim("honest", 1.0))
    for one in running:
        turns.settle(one, 3600.0)
    assert order(turns) == ["honest"] * 3 + ["liar"]


def test_what_did_not_run_costs_nothing() -> None:
    turns = FairTurns()
    turns.push(claim("one", 100.0))
    turns.settle(pop(turns), 0.0)
    turns.push(claim("one"))
    turns.push(claim("other", 0.5))
    turns.push(claim("other", 0.5))
    assert order(turns)[0] == "one"


def test_the_wait_of_a_caller_counts_his_own_work() -> None:
    turns = FairTurns()
    for _ in range(3):
        turns.push(claim("one", 2.0))
        turns.push(claim("other", 100.0))
        turns.push(claim("one", 50.0, priority=BATCH))
    assert turns.waiting_seconds("one", Priority.INTERACTIVE) == 6.0
    assert turns.waiting_seconds("nobody", Priority.INTERACTIVE) == 0.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.sampled_from(Priority), st.floats(0, 50)),
        max_size=60,
    ),
    st.randoms(use_true_random=False),
)
def test_everything_that_waits_is_taken_once(waiting: list[tuple[str, str, Priority, float]], random: object) -> None:
    turns = FairTurns()
    claims = [claim(caller, seconds, f"{caller}{job}", priority) for caller, job, priority, seconds in waiting]
    left, taken, settled = set(claims), [], set[Claim]()
    for one in claims:
        turns.push(one)
        if random.random() < 0.3:  # type: ignore[attr-defined]
            taken += turns.pop(())
            if taken and random.random() < 0.5:  # type: ignore[attr-defined]
                turns.settle(taken[-1], random.random() * 9)  # type: ignore[attr-defined]
                settled.add(taken[-1])
        if random.random() < 0.2 and turns.remove(one):  # type: ignore[attr-defined]
            left.discard(one)
    while len(turns):
        taken += turns.pop(())
    assert len(taken) == len(set(taken))
    assert set(taken) == left
    for one in left - settled:
        turns.settle(one, one.turn.seconds)
    assert all(not node._running.total() for node in (turns._root, *turns._root.branches.values()))


def measured(model: str, job: str = "film", seconds: float = 1.0) -> Claim:
    turn = Turn(job, "audit", BATCH, seconds)
    return Claim(turn, ModelRef(model, 1, None, "", InputSpec(size=32)), remembers=True)  # type: ignore[arg-type]


def test_measured_items_come_first_where_their_film_is_known_and_last_where_another_worker_knows_it() -> None:
    turns = FairTurns()
    claims = [measured(model) for model in ("resnet18", "resnet34", "densenet161") for _ in range(2)]
    for one in claims:
        turns.push(one)
    here, elsewhere = {claims[4].memory}, {claims[0].memory}
    taken = [turns.pop((), here, elsewhere)[0] for _ in range(6)]  # type: ignore[arg-type]
    assert taken == [*claims[4:], *claims[2:4], *claims[:2]], "nobody idles while something waits"


def test_what_a_worker_knows_of_one_job_gives_that_job_no_turn_of_another() -> None:
    turns = FairTurns()
    known, other = measured("resnet18"), measured("resnet18", "another film")
    for one in (known, measured("resnet18"), other):
        turns.push(one)
    assert turns.pop((), {known.memory}) == (known,)  # type: ignore[arg-type]
    assert turns.pop((), {known.memory}) == (other,)  # type: ignore[arg-type]


@pytest.mark.parametrize(("films", "most"), [(1, 4 + 1), (3, 12 + 2)])
def test_a_film_and_network_are_worked_out_on_one_of_two_workers_unless_one_would_idle(films: int, most: int) -> None:
    turns = FairTurns()
    for film in range(films):
        for method in (1.0, 1.3, 2.0, 9.0, 20.0):
            for weight, model in ((1, "resnet18"), (2, "resnet34"), (2.5, "inception_v3"), (7, "densenet161")):
                turns.push(measured(model, f"film {film}", method * weight))
    known: list[set[Memory]] = [set(), set()]
    free = [0.0, 0.0]
    worked_out = 0
    while len(turns):
        worker = free.index(min(free))
        (one,) = turns.pop((), known[worker], known[1 - worker])
        assert one.memory is not None
        worked_out += one.memory not in known[worker]
        known[worker].add(one.memory)
        free[worker] += one.turn.seconds
        turns.settle(one, one.turn.seconds)
    assert worked_out <= most, "each by both workers is twice as much"
