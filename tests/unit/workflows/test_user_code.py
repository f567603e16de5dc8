"""What the saga's function may catch, and what passes it by."""

import asyncio

import pytest

from domain import Rejected
from tests.unit.workflows.toys import (
    AWAY,
    SLOWLY,
    Order,
    Remote,
    SlowStore,
    counts,
    do,
    failing,
    refusing,
    send,
    service_of,
)
from workflows.saga import Saga
from workflows.saga.testing import killed_at


@pytest.mark.parametrize("append", range(2, 7))
async def test_a_function_that_catches_a_refusal_goes_another_way_also_on_replay(append: int) -> None:
    async def another_way(saga: Saga, _order: Order) -> str:
        await do(saga, "a")
        try:
            await do(saga, "b")
        except Rejected as no:
            await do(saga, "c")
            return no.code
        return "b"

    service = service_of(another_way, refuse=refusing("b"))
    service.store.before_append = killed_at(append)
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.result == "refused"
    assert outcome.saga.status == "completed"
    assert await counts(service) == {"a": 1, "c": 1}


async def test_a_refusal_of_the_function_itself_compensates() -> None:
    async def changes_its_mind(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        raise Rejected("on second thoughts", code="second-thoughts")

    service = service_of(changes_its_mind)
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "compensated"
    assert outcome.saga.error is not None
    assert (outcome.saga.error.code, outcome.saga.error.step) == ("second-thoughts", None)


async def test_except_exception_does_not_swallow_a_request_to_compensate() -> None:
    async def swallows(saga: Saga, _order: Order) -> None:
        for tally in "abc":
            try:
                await do(saga, tally)
            except Exception:
                await do(saga, "swallowed")

    service = service_of(swallows)

    async def request(number: int) -> None:
        if number == 3:
            del service.store.before_append
            await service.engine.compensate("s1", actor="ana", reason="stop")

    service.store.before_append = request
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "compensated"
    assert await counts(service) == {"a": 0}


async def test_except_exception_does_not_swallow_a_bug_in_a_step() -> None:
    """Nothing of it is in the journal: a replay would not see it again."""
    remote = Remote()
    remote.before_send = failing(KeyError("bug"))

    async def swallows(saga: Saga, _order: Order) -> None:
        try:
            await send(saga)
        except Exception:
            await do(saga, "swallowed")

    service = service_of(swallows, remote)
    saga = (await service.run_saga("saga", Order())).saga

    assert saga.status == "stuck"
    assert await counts(service) == {}


@pytest.mark.parametrize("gathered", [False, True])
async def test_a_finally_starts_no_step_when_the_saga_parks(gathered: bool) -> None:
    remote = Remote()
    remote.before_send = failing(AWAY, None)

    async def tidies_up(saga: Saga, _order: Order) -> None:
        try:
            step = send(saga, SLOWLY)
            await (saga.gather(step) if gathered else step)
        finally:
            await do(saga, "tidy")

    service = service_of(tidies_up, remote)
    await service.engine.start("saga", Order(), saga_id="s1")
    await service.run_next()

    assert await counts(service) == {}
    await service.settle()
    assert (await service.outcome()).saga.status == "completed"
    assert await counts(service) == {"tidy": 1}


async def test_a_finally_starts_no_step_after_a_request_to_compensate() -> None:
    async def tidies_up(saga: Saga, _order: Order) -> None:
        try:
            await do(saga, "a")
            await service.engine.compensate("s1", actor="ana", reason="stop")
            await do(saga, "b")
        finally:
            await do(saga, "tidy")

    service = service_of(tidies_up)
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "compensated"
    assert await counts(service) == {"a": 0}


async def test_a_step_left_running_beside_the_function_is_not_lost_in_silence() -> None:
    remote = Remote()

    async def hang(_key: str) -> None:
        await asyncio.Event().wait()

    remote.before_send = hang
    tasks: list[asyncio.Future[object]] = []

    async def leaves_a_task(saga: Saga, _order: Order) -> None:
        tasks.append(asyncio.ensure_future(send(saga)))
        await asyncio.sleep(0)
        raise Rejected("before the call has ended")

    service = service_of(leaves_a_task, remote)
    saga = (await service.run_saga("saga", Order())).saga
    await asyncio.wait(tasks)

    assert saga.stuck is not None
    assert "without step 1" in saga.stuck.error
    assert (await service.outcome()).entries[-1] == "SagaStuck"
    assert type(tasks[0].exception()).__name__ == "Outdated"


async def test_a_finally_that_returns_does_not_complete_a_saga_that_waits() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY, None)

    async def returns_anyway(saga: Saga, _order: Order) -> str:
        try:
            await send(saga, SLOWLY)
        finally:
            return "anyway"  # noqa: B012 - this is what the kernel must withstand

    service = service_of(returns_anyway, remote)
    outcome = await service.run_saga("saga", Order())

    assert outcome.entries.count("Parked") == 1
    assert outcome.saga.steps[0].status == "succeeded"
    assert outcome.saga.result == "anyway"


async def test_one_step_awaited_twice_at_once_is_noticed_before_it_is_done() -> None:
    async def doubles(saga: Saga, _order: Order) -> None:
        step = do(saga, "a")
        await saga.gather(step, step)

    service = service_of(doubles, store=SlowStore)
    saga = (await service.run_saga("saga", Order())).saga

    assert saga.stuck is not None
    assert "step 1 was awaited twice at once" in saga.stuck.error
    assert await counts(service) == {}
