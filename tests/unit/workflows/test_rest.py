"""A saga at rest, stuck or ended, waits for nothing: only an operator moves it."""

from datetime import timedelta

import pytest

from tests.unit.workflows.family import WHO, go, serving, start, status
from tests.unit.workflows.toys import Message, Order, counts, do
from workflows.saga import Saga, SagaDefinition
from workflows.saga.testing import MemoryService

DAY = timedelta(days=1)


async def listens(saga: Saga, _order: Order) -> None:
    await saga.receive("go", Message, timeout=DAY)
    await do(saga, "a")


async def child(saga: Saga, _order: Order) -> None:
    await saga.sleep(DAY)


CHILD = SagaDefinition("child", child, Order)


async def parent(saga: Saga, _order: Order) -> None:
    await saga.gather(saga.start(CHILD, Order()), saga.sleep(DAY / 2))
    await do(saga, "a")


async def halted(service: MemoryService) -> None:
    """Its timer's run died five times before it wrote anything."""
    await start(service)
    await service.run_next()
    await service.engine.halt("s1", 2, "it does not come forward")


async def test_a_signal_does_not_move_a_stuck_saga_that_waited_for_it() -> None:
    service = serving(listens)
    await halted(service)

    await go(service)
    await service.settle()

    assert await status(service) == "stuck"
    await service.engine.resume("s1", **WHO)
    await service.settle()
    assert await status(service) == "completed"
    assert await counts(service) == {"a": 1}


async def test_the_end_of_a_child_does_not_move_a_stuck_parent() -> None:
    service = serving(parent, CHILD)
    await halted(service)

    await service.settle()

    assert await status(service, "s1.1") == "completed"
    assert await status(service) == "stuck"


@pytest.mark.parametrize("ended", [True, False])
async def test_it_is_not_shown_as_waiting(ended: bool) -> None:
    service = serving(listens)
    if ended:
        await start(service)
        await service.run_next()
        await service.engine.abandon("s1", **WHO)
    else:
        await halted(service)

    saga = await service.engine.view("s1")

    assert (saga.waits_for, saga.resumes_at) == (None, None)
