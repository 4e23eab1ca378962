"""The load test's accounting must be able to fail: each promise is broken once, and found broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from radiolucent.benchmarks.loading.asks import Ask, Behaviour, Served, draw, xrays
from radiolucent.benchmarks.loading.course import Course, JobFacts, Key, Leg, Seen, Side
from radiolucent.benchmarks.loading.family import Life
from radiolucent.benchmarks.loading.figures import Account, memory_rows
from radiolucent.benchmarks.loading.flatness import trend
from radiolucent.benchmarks.loading.verdict import judge
from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb

FIRST: Key = ("resnet18", 1, "saliency", "", "Pneumonia")
SECOND: Key = ("resnet18", 1, "saliency", "", "COVID-19")


def events() -> list[Seen]:
    """What must come of a request for two maps."""
    return [
        Seen(1.0, 1, "classified", "job", (FIRST, SECOND)),
        Seen(1.1, 2, "progress", "job"),
        Seen(1.1, 2, "heartbeat", "job"),
        Seen(1.2, 3, "heatmap", "job", (FIRST,), final=True, digest="a"),
        Seen(1.3, 5, "heatmap", "job", (SECOND,), final=True, digest="b"),
        Seen(1.4, 6, "summary", "job", (FIRST, SECOND), state="DONE"),
    ]


def leg(seen: list[Seen], *, after: int = 0, status: str = "OK", begun: float = 0.5, ended: float = 2.0) -> Leg:
    return Leg(begun, after, seen, ended, status)


def course(behaviour: Behaviour, *legs: Leg) -> Course:
    asked = Ask(7, behaviour, pb.ExplainRequest(), 0)
    return Course(asked, [Side(list(legs))], begun=0.5, ended=2.0)


def stopped(reason: str = "CANCELLED") -> list[Seen]:
    """What must come of the same request when it is stopped after its first map."""
    return [
        *events()[:4],
        Seen(1.5, 4, "failure", "job", (SECOND,), reason=reason),
        Seen(1.6, 5, "summary", "job", (FIRST,), state="CANCELLED"),
    ]


def test_a_request_that_got_everything_is_in_order() -> None:
    verdict = judge(course(Behaviour.PLAIN, leg(events())))
    assert verdict.violations == ()
    assert verdict.outcome == "done"


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda all_: all_[:3] + all_[4:], "neither a final map nor a failure: saliency of Pneumonia"),
        (
            lambda all_: [*all_[:5], replace(all_[3], sequence=6), replace(all_[5], sequence=7)],
            "final map came 2 times",
        ),
        (lambda all_: all_[:-1], "no summary at the end"),
        (lambda all_: [*all_, replace(all_[-1], sequence=7)], "several summaries"),
        (lambda all_: [*all_[:3], all_[4], all_[3], all_[5]], "sequence 3 (heatmap) came after 5"),
        (lambda all_: [all_[0], replace(all_[1], sequence=1), *all_[2:]], "sequence 1 (progress) came after 1"),
        (lambda all_: [*all_[:2], replace(all_[2], sequence=3), *all_[3:]], "a heartbeat has sequence 3"),
        (lambda all_: [*all_[:5], replace(all_[5], keys=(FIRST,))], "the summary lists 1 maps, 2 came"),
        (lambda all_: [*all_[:5], replace(all_[5], state="CANCELLED")], "ended CANCELLED"),
        (lambda all_: [*all_[:5], replace(all_[5], state="FAILED")], "ended FAILED"),
        (lambda all_: [replace(all_[0], keys=(FIRST,)), *all_[1:]], "was not planned: saliency of COVID-19"),
        (lambda all_: [*all_[:4], replace(all_[4], job_id="other"), all_[5]], "told of two jobs"),
        (lambda all_: [all_[0], *all_], "classified twice"),
        (
            lambda all_: [*all_[:4], replace(all_[4], kind="failure", final=False, reason="METHOD"), all_[5]],
            "failure with reason METHOD",
        ),
        (
            lambda all_: [*all_[:5], Seen(1.3, 6, "failure", "job", (FIRST,), reason="NOT_APPLICABLE")],
            "both a final map and a failure",
        ),
        (lambda all_: [*all_[:5], replace(all_[5], at=30.0)], "was silent for 28.7 s"),
    ],
)
def test_a_broken_promise_of_a_plain_request_is_found(damage: Callable[[list[Seen]], list[Seen]], found: str) -> None:
    verdict = judge(course(Behaviour.PLAIN, leg(damage(events()))))
    assert any(found in one for one in verdict.violations), verdict.violations


def test_a_stream_that_ends_with_an_error_is_found() -> None:
    assert judge(course(Behaviour.PLAIN, leg(events(), status="INTERNAL"))).violations


def test_a_worker_failure_is_only_right_where_two_workers_were_killed_meanwhile() -> None:
    lost = [*events()[:4], Seen(1.3, 5, "failure", "job", (SECOND,), reason="WORKER")]
    lost.append(Seen(1.4, 6, "summary", "job", (FIRST,), state="DONE"))
    asked = course(Behaviour.PLAIN, leg(lost))
    assert judge(asked, kills=[1.0, 1.2]).violations == ()
    assert judge(asked, kills=[0.1, 1.2]).violations
    assert judge(asked, kills=[]).violations


def test_coming_back_must_bring_the_rest_and_nothing_twice() -> None:
    all_ = events()
    first = leg(all_[:4], status="CUT")
    assert judge(course(Behaviour.COMES_BACK, first, leg(all_[4:], after=3))).violations == ()
    assert judge(course(Behaviour.COMES_BACK, first, leg(all_[3:], after=3))).violations
    assert judge(course(Behaviour.COMES_BACK, first, leg(all_[5:], after=3))).violations


def test_another_caller_must_not_find_the_job() -> None:
    asked = course(Behaviour.COMES_BACK, leg(events()))
    asked.stranger = "NOT_FOUND"
    assert judge(asked).violations == ()
    asked.stranger = "OK"
    assert judge(asked).violations


def test_a_stopped_job_must_end_cancelled_within_two_seconds() -> None:
    asked = course(Behaviour.CANCEL_JOB, leg(stopped()))
    asked.stopped = 100.0
    asked.job = JobFacts("CANCELLED", ended=101.9)
    assert judge(asked).violations == ()
    asked.job = JobFacts("CANCELLED", ended=102.1)
    assert judge(asked).violations
    asked.job = JobFacts("RUNNING", ended=0.0)
    assert judge(asked).violations
    asked.job = None
    assert judge(asked).violations


def test_a_job_that_runs_out_of_time_must_say_so_and_end_in_time() -> None:
    def asked(reason: str, ended: float, status: str = "OK") -> Course:
        one = course(Behaviour.DEADLINE, leg(stopped(reason), ended=ended, status=status))
        one.ask = replace(one.ask, deadline_s=3.0)
        return one

    assert judge(asked("DEADLINE", 3.4)).violations == ()
    assert judge(asked("DEADLINE", 3.4, "DEADLINE_EXCEEDED")).violations == ()
    assert judge(asked("CANCELLED", 3.4)).violations
    assert judge(asked("DEADLINE", 5.0)).violations


def test_a_failure_of_a_stop_in_a_job_that_is_done_is_found() -> None:
    done = [*stopped()[:-1], replace(stopped()[-1], state="DONE")]
    assert judge(course(Behaviour.CANCEL_JOB, leg(done))).violations


def test_equal_requests_must_be_one_job_with_the_same_maps() -> None:
    asked = course(Behaviour.TWICE, leg(events()))
    asked.sides.append(Side([leg(events())]))
    assert judge(asked).violations == ()
    asked.sides[1].legs[0].seen[3] = replace(events()[3], digest="c")
    assert judge(asked).violations
    asked.sides[1].legs[0].seen = [replace(one, job_id="other") for one in events()]
    assert "the same request_id gave two jobs" in judge(asked).violations


def test_bad_input_must_be_refused_with_the_field() -> None:
    refused = Leg(0.5, ended=0.6, status="INVALID_ARGUMENT", fields=("xray.file",))
    assert judge(course(Behaviour.BAD, refused)).violations == ()
    assert judge(course(Behaviour.BAD, replace(refused, fields=()))).violations
    assert judge(course(Behaviour.BAD, leg(events()))).violations


def test_a_full_queue_must_say_when_to_come_back() -> None:
    asked = course(Behaviour.PLAIN, leg(events()))
    asked.refusals = [2.0]
    assert judge(asked).violations == ()
    asked.refusals = [2.0, None]
    assert judge(asked).violations


def test_a_client_that_broke_down_or_hangs_is_a_violation() -> None:
    asked = course(Behaviour.PLAIN, leg(events()))
    asked.fault = "had not ended after 240 s"
    account = Account()
    account.take(asked, judge(asked))
    assert account.document()["violations"] == 1


def test_memory_that_grows_all_the_time_is_not_flat_and_memory_that_warms_up_is() -> None:
    times = [3.0 * number for number in range(101)]
    leaking = [500 + 0.2 * at for at in times]  # 12 MiB/min
    warming = [500 + 300 * min(1.0, at / 60) for at in times]
    assert trend(times, leaking).flat is False
    assert trend(times, leaking).slope_mib_min == pytest.approx(12.0)
    assert trend(times, warming).flat is True
    assert trend(times, [*warming[:90], 2000.0, *warming[91:]]).flat is True  # a spike
    assert trend(times[:8], leaking[:8]).flat is None


def test_what_a_process_does_after_the_load_does_not_count() -> None:
    times = [3.0 * number for number in range(101)]
    life = Life("gateway", 1, times, times, [500.0 if at < 200 else 500 + at for at in times])
    assert memory_rows([life], ended=200.0)[0]["flat"] is True
    assert memory_rows([life], ended=300.0)[0]["flat"] is False


def test_the_same_seed_draws_the_same_requests_of_every_kind() -> None:
    served, files = Served(("one", "two", "three"), ("a", "b", "c")), xrays(1, 2)
    drawn = [draw(5, number, served, files) for number in range(300)]
    assert drawn == [draw(5, number, served, files) for number in range(300)]
    assert {one.behaviour for one in drawn} == set(Behaviour)
    assert drawn != [draw(6, number, served, files) for number in range(300)]
