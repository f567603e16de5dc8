"""A long wait for the next attempt leaves the process: the run ends, a timer names the next one."""

import asyncio
from datetime import timedelta

from tests.unit.workflows.toys import (
    AWAY,
    SLOWLY,
    Order,
    Remote,
    failing,
    send,
    service_of,
)
from workflows.saga import Saga


async def patient_call(saga: Saga, _order: Order) -> None:
    await send(saga, SLOWLY)


async def test_a_long_back_off_parks_and_leaves_nothing_in_memory() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY, None)
    service = service_of(patient_call, remote)
    await service.engine.start("saga", Order(), saga_id="s1")

    await service.run_next()

    saga = await service.engine.view("s1")
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert saga.status == "waiting"
    assert [run.request["id"] for run in service.enqueued] == ["s1/2"]
    assert timedelta(seconds=29) < service.enqueued[0].due - service.now() < timedelta(seconds=61)
    assert saga.resumes_at is not None
    assert saga.resumes_at >= (saga.steps[0].retry_at or saga.resumes_at)


async def test_a_parked_saga_goes_on_when_its_time_has_come() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY, None)
    service = service_of(patient_call, remote)

    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "completed"
    assert outcome.entries.count("Parked") == 1
    assert remote.requests == ["send s1/1"] * 2


async def test_a_run_that_wakes_early_parks_again_under_the_next_number() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY, None)
    service = service_of(patient_call, remote)
    await service.engine.start("saga", Order(), saga_id="s1")
    await service.run_next()

    await service.execute("s1/2")

    assert [run.request["id"] for run in service.enqueued] == ["s1/2", "s1/3"]
    assert remote.requests == ["send s1/1"]
    await service.settle()
    assert (await service.outcome()).saga.status == "completed"
    assert remote.requests == ["send s1/1"] * 2
