"""Which of the pool's workers gets what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from radiolucent.server.engine.order import Priority
from radiolucent.server.engine.pool import PoolSettings, WorkerPool, _Worker
from radiolucent.server.engine.task import ItemTask, MeasureTask, ModelRef
from radiolucent.server.engine.ticket import Ticket, Turn


async def test_a_worker_gets_measured_items_of_the_film_and_network_that_it_knows(
    make_task: Callable[..., ItemTask], network_file: ModelRef
) -> None:
    pool = WorkerPool(PoolSettings(workers=2))
    none: Any = None
    workers = [_Worker(f"worker-{number}", none, busy=False) for number in range(2)]
    pool._workers = workers

    def wait(model: str, job: str = "film", *, measured: bool = True) -> asyncio.Future[_Worker | None]:
        measures = (MeasureTask("sparseness"),) if measured else ()
        task = make_task(model=replace(network_file, name=model), measures=measures)
        ticket = Ticket(task, Turn(job, "audit", Priority.BATCH, 1.0))
        pool._turns.push(ticket)
        place = pool._places[ticket] = asyncio.get_running_loop().create_future()
        return place

    first, second, third, fourth = wait("resnet18"), wait("densenet161"), wait("resnet18"), wait("densenet161")
    pool._match()
    assert [first.result(), second.result()] == workers
    pool._free(workers[1])
    assert fourth.result() is workers[1]
    assert not third.done()
    pool._free(workers[1])
    assert third.result() is workers[1], "it does not idle for another's sake"
    workers[1].forget()
    plain = wait("resnet18", "viewer", measured=False)
    pool._free(workers[1])
    assert plain.result() is workers[1]
    assert workers[1].memories == set()
    assert list(workers[1].jobs) == ["viewer"]
