"""An operator stops a saga: no further step starts, what was done is undone, once."""

import contextlib

import pytest

from tests.unit.workflows.shop import ORDER, stocked_shop
from tests.unit.workflows.toys import (
    AWAY,
    SLOWLY,
    Order,
    Remote,
    counts,
    do,
    failing,
    refusing,
    request,
    send,
    service_of,
)
from workflows.saga import CallFailed, Saga
from workflows.saga.errors import CannotCompensate
from workflows.saga.testing import MemoryService


def request_before(append: int, service: MemoryService) -> None:
    """The request is appended just before append `append` of the saga, which so loses its race."""

    async def hook(number: int) -> None:
        if number == append:
            del service.store.before_append
            await request(service)

    service.store.before_append = hook


async def call_and_do(saga: Saga, _order: Order) -> None:
    await send(saga, SLOWLY)
    await do(saga, "a")


@pytest.mark.parametrize("append", range(2, 11))
async def test_no_step_starts_after_a_request_at_any_append_before_the_pivot(append: int) -> None:
    service = await stocked_shop()
    request_before(append, service)

    outcome = await service.run_saga("fulfil-order", ORDER)

    at = outcome.entries.index("CompensationRequested")
    done = [entry.step for entry in outcome.journal[:at] if type(entry).__name__ == "StepSucceeded"]
    undone = [entry.step for entry in outcome.journal if type(entry).__name__ == "StepCompensated"]
    after = set(outcome.entries[at + 1 :])
    assert outcome.saga.status == "compensated"
    assert undone[::-1] == [*done, "5"] if append == 7 else undone[::-1] == done
    assert "StepStarted" not in after
    assert ("StepSucceeded" in after) == (append == 7)  # the outcome of the call that was under way
    assert outcome.saga.error is not None
    assert (outcome.saga.error.code, outcome.saga.error.detail) == ("requested", "changed her mind")


@pytest.mark.parametrize("append", range(11, 15))
async def test_a_request_at_any_append_after_the_pivot_is_refused_and_the_saga_completes(append: int) -> None:
    service = await stocked_shop()
    refusals: list[str] = []

    async def hook(number: int) -> None:
        if number == append:
            with pytest.raises(CannotCompensate) as refusal:
                await request(service)
            refusals.append(str(refusal.value))

    service.store.before_append = hook
    outcome = await service.run_saga("fulfil-order", ORDER)

    assert len(refusals) == 1
    assert outcome.saga.status == "completed"


async def test_the_outcome_of_a_call_under_way_is_recorded_after_the_request_and_undone() -> None:
    remote = Remote()
    service = service_of(call_and_do, remote)

    async def request_meanwhile(_key: str) -> None:
        await request(service)

    remote.before_send = request_meanwhile
    outcome = await service.run_saga("saga", Order())

    assert outcome.entries[2:] == [
        *("StepStarted", "CompensationRequested", "StepSucceeded"),
        *("CompensationStarted", "CompensationAttempted", "StepCompensated", "SagaCompensated"),
    ]
    assert remote.requests == ["send s1/1", "unsend s1/1"]


async def test_a_call_that_fails_under_a_request_is_not_sent_again() -> None:
    remote = Remote()
    service = service_of(call_and_do, remote)

    async def request_and_fail(_key: str) -> None:
        await request(service)
        raise AWAY

    remote.before_send = request_and_fail
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "compensated"
    assert remote.requests == ["send s1/1", "unsend s1/1"]


async def test_a_call_under_way_in_a_saga_that_was_parked_before_is_recorded_too() -> None:
    remote = Remote()
    service = service_of(call_and_do, remote)

    async def fail_then_request(_key: str) -> None:
        if len(remote.requests) == 1:
            raise AWAY
        await request(service)

    remote.before_send = fail_then_request
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "compensated"
    assert outcome.entries.count("StepSucceeded") == 1
    assert outcome.entries.count("Parked") == 1  # nobody had to wait for a deadline


async def test_a_request_beside_a_bug_compensates_and_the_saga_is_not_stuck() -> None:
    async def breaks(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        await request(service)
        raise ZeroDivisionError

    service = service_of(breaks)
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "compensated"
    assert "SagaStuck" not in outcome.entries


async def test_a_request_beside_a_refusal_compensates_once() -> None:
    service = service_of(call_and_do, refuse=refusing("a"))

    async def hook(number: int) -> None:
        if number == 5:  # the request comes before CompensationStarted
            del service.store.before_append
            await request(service)

    service.store.before_append = hook
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "compensated"
    assert outcome.entries.count("CompensationStarted") == 1
    assert outcome.entries.count("StepCompensated") == 1


async def test_a_request_while_a_failed_call_is_being_undone_undoes_it_once() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY)

    async def gets_over_it(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        with contextlib.suppress(CallFailed):
            await send(saga)

    service = service_of(gets_over_it, remote)

    async def request_meanwhile(_key: str) -> None:
        await request(service)

    remote.before_unsend = request_meanwhile
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "compensated"
    assert remote.requests == ["send s1/2", "unsend s1/2"]
    assert await counts(service) == {"a": 0}


async def test_a_request_that_comes_just_before_the_saga_parks_is_carried_out_at_once() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY)
    service = service_of(call_and_do, remote)
    request_before(4, service)  # announced, failed, about to park

    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "compensated"
    assert "Parked" not in outcome.entries
