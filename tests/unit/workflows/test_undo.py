"""A saga that has ended or stands still is undone by a new run."""

import asyncio

import pytest

from domain.account import Deposit, Withdraw
from tests.unit.workflows.shop import dollars, stocked_shop
from tests.unit.workflows.toys import (
    AWAY,
    SLOWLY,
    Do,
    Order,
    Remote,
    counts,
    do,
    failing,
    request,
    send,
    service_of,
)
from workflows.saga import NOTHING, Saga
from workflows.saga.errors import CannotCompensate
from workflows.transfer_funds import TransferFunds

TRANSFER = TransferFunds(source="ana", target="shop", money=dollars(5_000))


async def call_and_do(saga: Saga, _order: Order) -> None:
    await send(saga, SLOWLY)
    await do(saga, "a")


async def test_a_parked_saga_is_woken_by_a_named_run_and_its_old_timer_finds_nothing_to_do() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY)
    service = service_of(call_and_do, remote)
    await service.engine.start("saga", Order(), saga_id="s1")
    await service.run_next()
    timer = service.enqueued[0].due

    await request(service)

    assert [run.request["id"] for run in service.enqueued] == ["s1/3", "s1/2"]
    await service.run_next()
    assert (await service.outcome()).saga.status == "compensated"
    assert service.now() < timer
    version = len(await service.stream("saga-s1"))
    await service.settle()
    assert len(await service.stream("saga-s1")) == version


async def test_a_saga_that_has_not_begun_ends_compensated_without_a_step() -> None:
    service = service_of(call_and_do)
    await service.engine.start("saga", Order(), saga_id="s1")

    await request(service)
    await service.settle()

    outcome = await service.outcome()
    assert outcome.saga.status == "compensated"
    assert outcome.commands == []


async def test_a_stuck_saga_is_undone_by_a_request() -> None:
    async def breaks(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        raise ZeroDivisionError

    service = service_of(breaks)
    await service.run_saga("saga", Order())

    await request(service)
    await service.settle()

    outcome = await service.outcome()
    assert outcome.saga.status == "compensated"
    assert outcome.saga.stuck is None
    assert await counts(service) == {"a": 0}


async def test_a_completed_saga_is_undone_by_a_request() -> None:
    service = await stocked_shop()
    completed = await service.run_saga("transfer-funds", TRANSFER)

    await request(service)
    reopened = await service.engine.view("s1")
    await service.settle()

    outcome = await service.outcome()
    assert (completed.saga.status, reopened.status, reopened.ended_at) == ("completed", "compensating", None)
    assert outcome.saga.status == "compensated"
    assert outcome.compensations == [
        Withdraw(account_id="shop", money=dollars(5_000), reference="s1"),
        Deposit(account_id="ana", money=dollars(5_000), reference="s1"),
    ]


async def test_a_completed_saga_with_a_step_that_cannot_be_undone_is_not_undone() -> None:
    async def one_for_ever(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        await saga.execute(Do(tally="b"), compensate=NOTHING)

    service = service_of(one_for_ever)
    await service.run_saga("saga", Order())

    with pytest.raises(CannotCompensate, match=r"Do \(step 2\)"):
        await request(service)
    assert await counts(service) == {"a": 1, "b": 1}


async def test_asking_twice_does_nothing_twice() -> None:
    service = await stocked_shop()
    await service.run_saga("transfer-funds", TRANSFER)

    await asyncio.gather(request(service), request(service))
    await request(service)
    await service.settle()
    await request(service)
    await service.settle()

    outcome = await service.outcome()
    assert outcome.entries.count("CompensationRequested") == 1
    assert len(outcome.compensations) == 2


async def test_an_end_that_loses_to_a_request_is_not_recorded() -> None:
    service = await stocked_shop()

    async def request_first(number: int) -> None:
        if number == 4:  # the saga's end is on its way
            del service.store.before_append
            await request(service)

    service.store.before_append = request_first
    outcome = await service.run_saga("transfer-funds", TRANSFER)

    assert outcome.saga.status == "compensated"
    assert "SagaCompleted" not in outcome.entries
    assert len(outcome.compensations) == 2


async def test_a_request_that_loses_to_the_end_of_the_saga_becomes_an_undo() -> None:
    service = await stocked_shop()
    await service.engine.start("transfer-funds", TRANSFER, saga_id="s1")

    async def end_first(_number: int) -> None:
        del service.store.before_append
        await service.settle()
        assert (await service.engine.view("s1")).status == "completed"

    service.store.before_append = end_first
    await request(service)
    await service.settle()

    outcome = await service.outcome()
    assert outcome.saga.status == "compensated"
    assert outcome.entries.count("SagaCompleted") == 1
    requested = next(entry for entry in outcome.journal if type(entry).__name__ == "CompensationRequested")
    assert requested.run == 2
