"""A saga that has begun anew: what it did before is final, and said to be; its request stays its request."""

import contextlib

import pytest

from domain import Rejected
from tests.unit.workflows.toys import AWAY, Order, Remote, counts, do, failing, send, service_of
from workflows.saga import CallFailed, Saga
from workflows.saga.errors import CannotCompensate, SagaConflict
from workflows.saga.testing import MemoryService


async def two_rounds(saga: Saga, order: Order) -> None:
    if order.name == "order":
        saga.pivot()
        await do(saga, "first")
        saga.continue_as(Order(name="second"))
    await do(saga, "second")


async def completed() -> MemoryService:
    service = service_of(two_rounds)
    assert (await service.run_saga("saga", Order())).saga.status == "completed"
    return service


async def test_what_it_did_before_blocks_its_undoing() -> None:
    service = await completed()

    with pytest.raises(CannotCompensate, match="before it began anew is final"):
        await service.engine.compensate("s1", actor="ana", reason="oops")


async def test_by_force_the_rest_is_undone_and_what_stays_is_said() -> None:
    service = await completed()

    await service.engine.compensate("s1", actor="ana", reason="oops", force=True)
    await service.settle()

    saga = (await service.outcome()).saga
    assert (saga.status, [left.name for left in saga.left]) == (
        "abandoned",
        ["what the saga did before it began anew"],
    )
    assert await counts(service) == {"first": 1, "second": 0}


async def test_the_request_that_started_it_is_still_the_same_request() -> None:
    service = await completed()

    again = await service.engine.start("saga", Order(), saga_id="s1")

    assert not again.created
    with pytest.raises(SagaConflict):
        await service.engine.start("saga", Order(name="second"), saga_id="s1")


@pytest.mark.parametrize("pivot", [True, False])
async def test_a_failed_call_that_it_got_over_is_undone_before_it_begins_anew(pivot: bool) -> None:
    remote = Remote()

    async def gets_over_it(saga: Saga, order: Order) -> None:
        if order.name == "order":
            with contextlib.suppress(CallFailed, Rejected):
                await send(saga)
            if pivot:
                saga.pivot()
            saga.continue_as(Order(name="second"))

    remote.before_send = failing(AWAY)
    outcome = await service_of(gets_over_it, remote).run_saga("saga", Order())

    assert outcome.saga.status == "completed"
    assert remote.requests == ["send s1/1", "unsend s1/1"]
