"""saga.now() and saga.uuid(): recorded, so that a replay gets the same."""

from datetime import datetime, timedelta

import pytest

from tests.unit.workflows.toys import Order, do, service_of
from workflows.saga import Saga
from workflows.saga.testing import killed_at


@pytest.mark.parametrize("append", [2, 3, 4])
async def test_a_replay_gets_the_recorded_values(append: int) -> None:
    executions: list[list[str]] = []

    async def valuable(saga: Saga, _order: Order) -> list[str]:
        values = [str(saga.uuid()), str(saga.uuid())]
        executions.append(values)
        await do(saga, "a")
        values.append(str(saga.uuid()))
        await do(saga, "b")
        return values

    service = service_of(valuable)
    service.store.before_append = killed_at(append)
    outcome = await service.run_saga("saga", Order())

    first, second = executions
    recorded = {2: 0, 3: 2, 4: 3}[append]  # lost with the append that should have carried them
    assert first[:recorded] == second[:recorded]
    assert set(first[recorded:]).isdisjoint(second[recorded:])
    assert outcome.saga.result == second


async def test_the_time_is_that_of_the_first_execution() -> None:
    async def told(saga: Saga, _order: Order) -> list[str]:
        before = saga.now()
        await saga.sleep(timedelta(days=1))
        return [before.isoformat(), saga.now().isoformat()]

    outcome = await service_of(told).run_saga("saga", Order())

    before, after = map(datetime.fromisoformat, outcome.saga.result)
    assert after - before >= timedelta(days=1)


async def test_values_are_recorded_in_the_append_of_the_next_step() -> None:
    async def valuable(saga: Saga, _order: Order) -> None:
        saga.uuid()
        await do(saga, "a")

    service = service_of(valuable)
    await service.run_saga("saga", Order())

    events = await service.stream("saga-s1")
    at = [event.type for event in events].index("ValueRecorded")
    assert events[at + 1].type == "StepSucceeded"
    assert events[at].commit_position == events[at + 1].commit_position


async def test_values_differ_from_one_another() -> None:
    async def valuable(saga: Saga, _order: Order) -> list[str]:
        return [str(saga.uuid()) for _ in range(3)]

    outcome = await service_of(valuable).run_saga("saga", Order())

    assert len(set(outcome.saga.result)) == 3
