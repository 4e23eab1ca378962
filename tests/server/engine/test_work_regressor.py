"""What was seen says something of all that is like it."""

from __future__ import annotations

from itertools import product
from math import inf, log, nan

import pytest
from radiolucent.server.engine.work_regressor import Spreads, Work, WorkRegressor

SPREADS = Spreads(everything=1.0, version=0.5, name=0.5, both=0.3, form=0.5, form_on_version=0.2, noise=0.1)


def test_the_nearer_a_parameter_the_more_of_what_was_seen_holds() -> None:
    process = WorkRegressor(SPREADS)
    process.learn(Work.of("lime", ("resnet18", 1), 100, {"window": 8}), 2.0)
    same, near, far = (process.log(Work.of("lime", ("resnet18", 1), 100, {"window": side})) for side in (8, 12, 64))
    assert 2.0 > same > near > far > 0


def test_values_that_are_no_numbers_are_equal_or_have_nothing_in_common() -> None:
    process = WorkRegressor(SPREADS)
    process.learn(Work.of("lime", ("resnet18", 1), 100, {"baseline": "black"}), 2.0)
    equal, other, another = (
        process.log(Work.of("lime", ("resnet18", 1), 100, {"baseline": value})) for value in ("black", "blurred", None)
    )
    assert equal > other == another


def test_what_slows_everything_is_forgotten_when_it_is_over() -> None:
    process = WorkRegressor(Spreads(time=1.0, noise=0.1))
    work = Work.of("lime", ("resnet18", 1), 100)
    for seen in (0.0, 1.0, 1.0, 1.0):
        process.learn(work, seen)
    assert process.log(work) == pytest.approx(1.0, abs=0.3)
    for _ in range(4):
        process.learn(work, 0.0)
    assert process.log(work) == pytest.approx(0.0, abs=0.3)


def test_it_keeps_the_newest_however_much_it_sees() -> None:
    process = WorkRegressor(SPREADS)
    for number in range(400):
        process.learn(Work.of(f"method {number}", ("resnet18", 1), 100), 1.0 if number < 100 else 0.0)
    assert process.log(Work.of("another", ("resnet18", 1), 100)) == pytest.approx(0.0, abs=0.01)


def test_a_sweep_of_two_parameters_is_learnt_as_any_other_work() -> None:
    process = WorkRegressor(SPREADS)
    sweep = [{"side": 2.0**one, "stride": 2.0**other} for one, other in product(range(16), repeat=2)]
    for parameters in sweep:
        process.learn(Work.of("occlusion", ("resnet18", 1), 100, parameters), 1.0)
    assert process.log(Work.of("occlusion", ("resnet18", 1), 100, sweep[100])) == pytest.approx(1.0, abs=0.05)


def test_what_is_paid_once_makes_no_pass_of_many_look_free() -> None:
    process = WorkRegressor(Spreads(name=1.0, slope=1.0, noise=0.05))
    for passes in (1, 10, 100, 1000):
        process.learn(Work.of("lime", ("resnet18", 1), passes), log(1 + 1000 / passes))
    assert process.log(Work.of("lime", ("resnet18", 1), 10**9)) > -3


def test_numbers_that_are_not_finite_spoil_no_estimate() -> None:
    process = WorkRegressor(SPREADS)
    process.learn(Work.of("lime", ("resnet18", 1), 100), nan)
    for value in (nan, inf, 10**400):
        process.learn(Work.of("lime", ("resnet18", 1), 100, {"window": value}), 1.0)
    assert 0.5 < process.log(Work.of("lime", ("resnet18", 1), 100, {"window": 8})) < 1.0
