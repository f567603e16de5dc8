"""Calls that fail while the process shuts down: that may be its own doing, so nothing follows from it."""

import pytest

from tests.unit.workflows.toys import AWAY, TWICE, Order, Remote, do, obliging, request, send, service_of
from workflows.saga import Saga
from workflows.saga.errors import Stopping
from workflows.saga.testing import MemoryService


async def step_and_call(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await send(saga, TWICE)


async def go_down(service: MemoryService, run: str) -> None:
    """An execution in a process that is told to end while its call is under way."""
    with pytest.raises(Stopping):
        await service.execute(run)
    service.stopping = False


async def test_a_call_that_fails_then_is_in_doubt_and_keeps_its_last_attempt() -> None:
    remote = Remote()
    service = service_of(step_and_call, remote)
    attempts = 0

    async def fail_at_the_end(_key: str) -> None:
        nonlocal attempts
        attempts += 1
        service.stopping = attempts == 2
        if attempts <= 2:
            raise AWAY

    remote.before_send = fail_at_the_end
    await service.engine.start("saga", Order(), saga_id="s1")
    await go_down(service, "s1")

    outcome = await service.outcome()
    assert outcome.entries.count("StepFailed") == 1
    assert outcome.entries[-1] == "StepStarted"
    assert outcome.saga.status == "running"


async def test_a_call_that_fails_at_the_first_attempt_is_made_again_by_the_next_process() -> None:
    remote = Remote()
    service = service_of(step_and_call, remote)

    async def fail_at_the_end(_key: str) -> None:
        remote.before_send, service.stopping = obliging, True
        raise AWAY

    remote.before_send = fail_at_the_end
    await service.engine.start("saga", Order(), saga_id="s1")
    await go_down(service, "s1")
    await service.settle()

    outcome = await service.outcome()
    assert outcome.saga.status == "completed"
    assert outcome.compensations == []


async def test_a_compensation_that_fails_then_is_made_again_by_the_next_process() -> None:
    remote = Remote()
    service = service_of(step_and_call, remote)
    await service.run_saga("saga", Order())

    async def fail_at_the_end(_key: str) -> None:
        remote.before_unsend, service.stopping = obliging, True
        raise AWAY

    remote.before_unsend = fail_at_the_end
    await request(service)
    await go_down(service, "s1/2")
    assert "CompensationFailed" not in (await service.outcome()).entries
    await service.settle()

    assert (await service.engine.view("s1")).status == "compensated"
    assert remote.requests[-2:] == ["unsend s1/2"] * 2
