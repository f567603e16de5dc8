"""Calls: announced before they are sent, repeated under one key, undone when their outcome is not known."""

from typing import Any

from domain import Rejected
from tests.unit.workflows.toys import (
    AWAY,
    Order,
    Remote,
    Sent,
    call_twice,
    counts,
    do,
    failing,
    one_call,
    send,
    service_of,
)
from workflows.saga import CallFailed, Retry, Saga
from workflows.saga.testing import killed_at


async def test_a_call_is_announced_before_it_is_sent() -> None:
    remote = Remote()
    service = service_of(one_call, remote)
    seen: list[str] = []

    async def look(_key: str) -> None:
        seen.extend((await service.outcome()).entries)

    remote.before_send = look
    outcome = await service.run_saga("saga", Order())

    assert seen == ["SagaRequested", "RunStarted", "StepStarted"]
    assert outcome.saga.result == {"number": 1}


async def test_a_failed_call_is_sent_again_under_the_same_key() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY, None)
    service = service_of(call_twice, remote)

    outcome = await service.run_saga("saga", Order())

    assert remote.requests == ["send s1/2", "send s1/2"]
    assert outcome.saga.steps[1].attempts == 2
    assert outcome.compensations == []
    assert outcome.entries[3:] == [
        *("StepStarted", "StepFailed", "StepStarted", "StepSucceeded"),
        "SagaCompleted",
    ]


async def test_a_call_that_keeps_failing_is_undone_under_its_own_key() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY)
    service = service_of(call_twice, remote)

    outcome = await service.run_saga("saga", Order())

    assert remote.requests == ["send s1/2", "send s1/2", "unsend s1/2"]
    assert outcome.saga.status == "compensated"
    assert await counts(service) == {"a": 0}


async def test_a_call_refused_at_its_first_attempt_is_not_undone() -> None:
    remote = Remote()
    remote.before_send = failing(Rejected("no"))
    service = service_of(call_twice, remote)

    outcome = await service.run_saga("saga", Order())

    assert remote.requests == ["send s1/2"]
    assert outcome.saga.status == "compensated"


async def test_a_call_refused_after_an_attempt_in_doubt_is_undone() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY, Rejected("no"))
    service = service_of(call_twice, remote)

    outcome = await service.run_saga("saga", Order())

    assert remote.requests == ["send s1/2", "send s1/2", "unsend s1/2"]
    assert outcome.saga.status == "compensated"


async def test_a_failed_call_that_the_function_gets_over_is_undone_before_the_saga_completes() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY)

    async def another_way(saga: Saga, _order: Order) -> dict[str, str]:
        try:
            await send(saga)
        except CallFailed:
            await do(saga, "instead")
        return {"way": "another"}

    service = service_of(another_way, remote)
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "completed"
    assert outcome.entries[-3:] == ["CompensationAttempted", "StepCompensated", "SagaCompleted"]
    assert remote.requests == ["send s1/1", "unsend s1/1"]
    assert await counts(service) == {"instead": 1}


async def test_the_result_of_a_call_comes_from_the_journal_on_replay() -> None:
    remote = Remote()
    results: list[Any] = []

    async def call_and_do(saga: Saga, _order: Order) -> None:
        results.append(await send(saga))
        await do(saga, "a")

    service = service_of(call_and_do, remote)
    service.store.before_append = killed_at(4)
    await service.run_saga("saga", Order())

    assert results == [Sent(number=1), Sent(number=1)]
    assert remote.requests == ["send s1/1"]


async def test_retries_are_spaced_out_exponentially() -> None:
    waits = [
        Retry(attempts=9, first_wait_seconds=1, longest_wait_seconds=8).wait_seconds(n) for n in range(1, 7)
    ]

    for wait, least in zip(waits, [1, 2, 4, 8, 8, 8], strict=True):
        assert least <= wait <= least + 1
