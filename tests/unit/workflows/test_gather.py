"""Steps side by side: numbered in the order of the program, failing together, replayed the same."""

import asyncio
import contextlib

import pytest

from domain import Command, Rejected
from tests.unit.workflows.toys import (
    AWAY,
    SEND,
    TWICE,
    UNSEND,
    Message,
    Order,
    Remote,
    SlowStore,
    counts,
    do,
    failing,
    histories,
    refusing,
    resume,
    send,
    send_for_ever,
    service_of,
)
from workflows.saga import CallFailed, Retry, Saga
from workflows.saga.testing import HookedStore, killed_at


async def five_side_by_side(saga: Saga, _order: Order) -> list[str]:
    results = await saga.gather(*(do(saga, tally) for tally in "abcde"))
    return [events[0].tally for events in results]


async def test_results_are_in_the_order_of_the_steps() -> None:
    service = service_of(five_side_by_side)

    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.result == list("abcde")
    assert [step.step for step in outcome.saga.steps] == list("12345")


@pytest.mark.parametrize("append", range(2, 9))
async def test_a_crash_in_the_middle_repeats_nothing(append: int) -> None:
    service = service_of(five_side_by_side, store=SlowStore)
    service.store.before_append = killed_at(append)

    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.result == list("abcde")
    assert await counts(service) == dict.fromkeys("abcde", 1)


@pytest.mark.parametrize("store", [HookedStore, SlowStore])
@pytest.mark.parametrize("refused", list("abcde"))
async def test_no_step_is_recorded_after_the_failure_of_another(
    refused: str, store: type[HookedStore]
) -> None:
    service = service_of(five_side_by_side, refuse=refusing(refused), store=store)

    outcome = await service.run_saga("saga", Order())

    after = outcome.entries[outcome.entries.index("StepRejected") + 1 :]
    assert after[0] == "CompensationStarted"
    assert outcome.saga.status == "compensated"
    assert set((await counts(service)).values()) <= {0}


@pytest.mark.parametrize("killed", [False, True])
async def test_the_failure_recorded_first_is_raised_also_on_replay(killed: bool) -> None:
    """Step 2 fails before step 1 does, though step 1 stands first."""
    remote = Remote()
    raised: list[str] = []

    async def fail_slowly(_key: str) -> None:
        await asyncio.sleep(1)
        raise Rejected("slowly", code="slow")

    async def first_failure(saga: Saga, _order: Order) -> None:
        try:
            await saga.gather(send(saga), do(saga, "a"))
        except Rejected as no:
            raised.append(no.code)
        await do(saga, "instead")

    remote.before_send = fail_slowly
    service = service_of(first_failure, remote, refuse=refusing("a"))
    if killed:
        service.store.before_append = killed_at(5)
    outcome = await service.run_saga("saga", Order())

    assert raised == ["refused"] * (2 if killed else 1)
    assert outcome.saga.status == "completed"
    assert await counts(service) == {"instead": 1}


async def test_a_call_under_way_beside_a_failure_is_awaited_and_its_outcome_recorded() -> None:
    remote = Remote()
    refused = asyncio.Event()

    async def answer_later(_key: str) -> None:
        await refused.wait()
        await asyncio.sleep(5)

    remote.before_send = answer_later

    async def call_beside_refusal(saga: Saga, _order: Order) -> None:
        await saga.gather(send(saga), do(saga, "a"))

    async def note_refusal(number: int) -> None:
        if number == 3:
            refused.set()

    service = service_of(call_beside_refusal, remote, refuse=refusing("a"))
    service.store.after_append = note_refusal
    outcome = await service.run_saga("saga", Order())

    assert outcome.entries[2:] == [
        *("StepStarted", "StepRejected", "StepSucceeded"),
        *("CompensationStarted", "CompensationAttempted", "StepCompensated", "SagaCompensated"),
    ]
    assert remote.requests == ["send s1/1", "unsend s1/1"]


async def test_a_call_that_waits_for_its_next_attempt_beside_a_failure_is_not_sent_again() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY, None)

    async def call_beside_late_refusal(saga: Saga, _order: Order) -> None:
        await saga.gather(send(saga, TWICE), do(saga, "a"))

    service = service_of(call_beside_late_refusal, remote, refuse=refusing("a"))

    async def refuse_after_the_first_attempt(number: int) -> None:
        if number == 3:  # the rejection of `a` is on its way; the call fails and waits 0.1 s or more
            await asyncio.sleep(0.05)

    service.store.before_append = refuse_after_the_first_attempt
    outcome = await service.run_saga("saga", Order())

    assert remote.requests == ["send s1/1", "unsend s1/1"]
    assert outcome.saga.status == "compensated"
    assert outcome.saga.steps[0].attempts == 1


async def test_a_failing_step_beside_a_parking_one_does_not_wait_for_it() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY)

    async def parked_beside_refusal(saga: Saga, _order: Order) -> None:
        retry = Retry(attempts=3, first_wait_seconds=100, longest_wait_seconds=1000)
        call = saga.call(SEND, Message(), compensate=UNSEND.of(Message()), retry=retry)
        await saga.gather(call, do(saga, "a"))

    service = service_of(parked_beside_refusal, remote, refuse=refusing("a"))
    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "compensated"
    assert "Parked" not in outcome.entries
    assert remote.requests == ["send s1/1", "unsend s1/1"]


async def test_the_steps_beside_a_parking_one_are_done_before_it_parks() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY, None)

    async def parked_beside_steps(saga: Saga, _order: Order) -> None:
        retry = Retry(attempts=3, first_wait_seconds=100, longest_wait_seconds=1000)
        call = saga.call(SEND, Message(), compensate=UNSEND.of(Message()), retry=retry)
        await saga.gather(call, do(saga, "a"), do(saga, "b"))

    service = service_of(parked_beside_steps, remote)
    await service.engine.start("saga", Order(), saga_id="s1")
    await service.run_next()

    assert await counts(service) == {"a": 1, "b": 1}
    assert (await service.outcome()).entries[-1] == "Parked"
    await service.settle()
    assert (await service.outcome()).saga.status == "completed"
    assert await counts(service) == {"a": 1, "b": 1}


@pytest.mark.parametrize("append", range(2, 10))
async def test_a_crash_beside_a_failure_replays_to_the_same_end(append: int) -> None:
    undisturbed = service_of(five_side_by_side, refuse=refusing("d"), store=SlowStore)
    await undisturbed.run_saga("saga", Order())
    service = service_of(five_side_by_side, refuse=refusing("d"), store=SlowStore)
    service.store.before_append = killed_at(append)

    await service.run_saga("saga", Order())

    assert await histories(service) == await histories(undisturbed)


async def test_a_function_that_gets_over_two_failed_calls_sees_the_first_of_them_on_replay() -> None:
    remote = Remote()
    seen: list[str] = []

    async def fail_in_reverse(key: str) -> None:
        await asyncio.sleep(2 if key.endswith("/1") else 1)
        raise AWAY

    async def two_calls(saga: Saga, _order: Order) -> None:
        try:
            await saga.gather(send(saga), send(saga))
        except CallFailed as failure:
            seen.append(failure.step)
        await do(saga, "instead")

    remote.before_send = fail_in_reverse
    service = service_of(two_calls, remote)
    service.store.before_append = killed_at(6)
    await service.run_saga("saga", Order())

    assert seen == ["2", "2"]
    assert await counts(service) == {"instead": 1}


async def test_a_call_that_waits_for_its_next_attempt_beside_a_bug_is_not_given_up() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY, None)

    async def call_beside_a_bug(saga: Saga, _order: Order) -> None:
        await saga.gather(send(saga, TWICE), do(saga, "a"))

    def break_down(_command: Command) -> bool:
        raise LookupError("in the decider")

    service = service_of(call_beside_a_bug, remote, refuse=break_down)
    stuck = await service.run_saga("saga", Order())
    service.refuse = refusing()

    await resume(service)

    assert stuck.saga.status == "stuck"
    assert stuck.saga.steps[0].status == "started"
    assert (await service.outcome()).saga.status == "completed"
    assert remote.requests == ["send s1/1"] * 2


async def test_a_call_given_up_beside_a_failure_that_the_function_gets_over_has_failed() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY)

    async def gets_over_it(saga: Saga, _order: Order) -> None:
        with contextlib.suppress(Rejected):
            await saga.gather(send_for_ever(saga), do(saga, "a"))

    async def refuse_late(number: int) -> None:
        if number == 4:  # the rejection comes while the call waits for its next attempt
            await asyncio.sleep(0.05)

    service = service_of(gets_over_it, remote, refuse=refusing("a"))
    service.store.before_append = refuse_late
    saga = (await service.run_saga("saga", Order())).saga

    assert saga.status == "completed"
    assert [step.status for step in saga.steps] == ["failed", "rejected"]
    assert remote.requests == ["send s1/1"]


async def test_gathering_nothing_gives_nothing() -> None:
    async def nothing(saga: Saga, _order: Order) -> list[None]:
        return await saga.gather()

    outcome = await service_of(nothing).run_saga("saga", Order())

    assert outcome.saga.result == []
