"""When a wait ends: not early, not late, and never past a signal that has come."""

from datetime import timedelta
from typing import Any

from tests.unit.workflows.toys import TALLIES, Message, Order, do
from workflows.saga import Saga, SagaDefinition
from workflows.saga.runs import run_id
from workflows.saga.testing import MemoryService

DAY = timedelta(days=1)


async def sleeper(saga: Saga, _order: Order) -> None:
    await saga.sleep(DAY)
    await do(saga, "a")


async def listener(saga: Saga, _order: Order) -> str:
    signal = await saga.receive("go", Message, timeout=DAY)
    return signal.text if signal else "nobody"


async def started(function: Any) -> MemoryService:
    service = MemoryService(TALLIES, [SagaDefinition("saga", function, Order, signals={"go": Message})])
    await service.engine.start("saga", Order(), saga_id="s1")
    await service.run_next()
    return service


async def go(service: MemoryService) -> None:
    await service.engine.signal("s1", "go", {"text": "here"}, actor="ana")


async def test_a_sleep_of_a_day_wakes_after_a_day_and_nothing_is_in_memory_meanwhile() -> None:
    service = await started(sleeper)
    began = (await service.outcome()).saga.steps[0].started_at
    [due] = service.enqueued

    await service.settle()

    assert due.due - began <= DAY
    woke = (await service.outcome()).saga.steps[0].ended_at
    assert woke is not None
    assert timedelta() <= woke - began - DAY < timedelta(seconds=2)


async def test_a_run_that_comes_early_sleeps_on() -> None:
    """DBOS delays runs by the clock of whichever process looks; ours is the database's."""
    service = await started(sleeper)
    [due] = service.enqueued
    service._due.clear()

    await service.execute(run_id("s1", 2))  # by a clock that is a day fast

    assert (await service.outcome()).saga.status == "waiting"
    assert service.enqueued[0].request["id"] == "s1/3"
    assert abs(service.enqueued[0].due - due.due) < timedelta(seconds=1)


async def test_a_signal_that_came_before_anybody_looked_counts_though_its_time_is_up() -> None:
    service = await started(listener)
    service._due.clear()
    service.skip(2 * DAY)  # nobody ran the timer: every process was away
    await go(service)

    await service.settle()

    assert (await service.outcome()).saga.result == "here"


async def test_a_timer_whose_signal_has_come_finds_nothing_to_do() -> None:
    service = await started(listener)
    await go(service)
    await service.settle()
    ended = await service.outcome()
    assert ended.saga.result == "here"

    await service.execute(run_id("s1", 2))

    assert (await service.outcome()).entries == ended.entries
