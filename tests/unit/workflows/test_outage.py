"""A database that is away, or a process that shuts down, is no failure of a saga."""

import pytest

from eventstore import StoreUnavailable
from tests.unit.workflows.shop import ORDER, stocked_shop
from tests.unit.workflows.toys import (
    CODEC,
    Do,
    Order,
    Remote,
    counts,
    do,
    histories,
    send,
    service_of,
)
from workflows.saga import Saga
from workflows.saga.commands import CommandHandler
from workflows.saga.errors import Stopping, StoreAway
from workflows.saga.patience import PatientStore
from workflows.saga.runner import Runner
from workflows.saga.testing import Hook


def away_from(first: int, appends: int) -> Hook:
    async def unavailable(number: int) -> None:
        if first <= number < first + appends:
            raise StoreUnavailable("no answer")

    return unavailable


async def two_steps(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await do(saga, "b")


async def call_then_step(saga: Saga, _order: Order) -> None:
    await send(saga)
    await do(saga, "a")


@pytest.mark.parametrize("lost_acknowledgement", [False, True])
@pytest.mark.parametrize("append", range(2, 12))
async def test_an_outage_changes_nothing(append: int, lost_acknowledgement: bool) -> None:
    undisturbed, service = await stocked_shop(), await stocked_shop()
    await undisturbed.run_saga("fulfil-order", ORDER)
    if lost_acknowledgement:
        service.store.after_append = away_from(append, 5)
    else:
        service.store.before_append = away_from(append, 5)

    outcome = await service.run_saga("fulfil-order", ORDER)

    assert outcome.saga.status == "completed"
    assert await histories(service) == await histories(undisturbed)


async def test_an_outage_longer_than_the_patience_gives_the_run_up_and_leaves_the_saga_as_it_is() -> None:
    service = service_of(two_steps)
    await service.engine.start("saga", Order(), saga_id="s1")
    service.store.before_append = away_from(3, 1_000)
    store = PatientStore(service.store, patience_seconds=0)
    runner = Runner(store, CommandHandler(store, CODEC), service.registry, "impatient")

    with pytest.raises(StoreAway):
        await service.execute("s1", runner)

    outcome = await service.outcome()
    assert outcome.saga.status == "running"
    assert outcome.entries[-1] == "StepSucceeded"
    del service.store.before_append
    await service.settle()
    assert await counts(service) == {"a": 1, "b": 1}


async def test_shutting_down_gives_the_run_up_and_leaves_the_saga_as_it_is() -> None:
    service = service_of(two_steps)
    await service.engine.start("saga", Order(), saga_id="s1")

    async def stop(number: int) -> None:
        service.stopping = number == 2

    service.store.after_append = stop
    with pytest.raises(Stopping):
        await service.execute("s1")

    assert (await service.outcome()).entries[-1] == "StepSucceeded"
    service.stopping = False
    await service.settle()
    assert await counts(service) == {"a": 1, "b": 1}


async def test_the_outcome_of_a_call_under_way_is_recorded_while_the_process_shuts_down() -> None:
    """Else the next process would have to wait for the call's deadline."""
    remote = Remote()
    service = service_of(call_then_step, remote)

    async def shut_down(_key: str) -> None:
        service.stopping = True

    remote.before_send = shut_down
    await service.engine.start("saga", Order(), saga_id="s1")
    with pytest.raises(Stopping):
        await service.execute("s1")

    outcome = await service.outcome()
    assert outcome.entries[-2:] == ["StepStarted", "StepSucceeded"]
    assert outcome.saga.steps[0].status == "succeeded"
    service.stopping = False
    await service.execute("s1")
    assert (await service.outcome()).saga.status == "completed"
    assert remote.requests == ["send s1/1"]


async def test_a_hot_stream_parks_the_run_and_undoes_nothing() -> None:
    """Contention: another process appends to the stream between every decision and its append."""
    service = service_of(two_steps)
    busy = True

    async def interfere(_number: int) -> None:
        nonlocal busy
        if busy and service.store.appends > 1:
            busy = False
            await service.apply(Do(tally="a"))
            busy = service.store.appends < 100

    service.store.before_append = interfere
    outcome = await service.run_saga("saga", Order())

    assert "Parked" in outcome.entries
    assert outcome.saga.status == "completed"
    assert outcome.compensations == []
