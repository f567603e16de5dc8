"""The deadline of an attempt: nobody sends after it, nobody repeats the attempt before it."""

import asyncio
from datetime import timedelta

import pytest

from domain import Rejected
from tests.unit.workflows.toys import (
    Message,
    Order,
    Remote,
    call_twice,
    one_call,
    service_of,
)
from workflows.saga.testing import killed_at


async def test_an_attempt_that_takes_too_long_is_cut_off_and_in_doubt() -> None:
    remote = Remote()

    async def hang(_key: str) -> None:
        await asyncio.Event().wait()

    remote.before_send = hang
    service = service_of(one_call, remote)
    started = service.now()

    outcome = await service.run_saga("saga", Order())

    assert (service.now() - started) == timedelta(seconds=10)
    assert remote.requests == ["send s1/1", "unsend s1/1"]
    assert outcome.saga.steps[0].status == "compensated"
    assert "TimeoutError" in (outcome.saga.steps[0].error or "")


async def test_a_caller_that_slept_past_its_deadline_does_not_send() -> None:
    remote = Remote()
    service = service_of(one_call, remote)

    async def sleep_after_announcing(number: int) -> None:
        if number == 2:
            await asyncio.sleep(11)

    service.store.after_append = sleep_after_announcing
    outcome = await service.run_saga("saga", Order())

    assert remote.requests == ["unsend s1/1"]
    assert outcome.saga.status == "compensated"


async def test_a_short_sleep_shortens_the_request() -> None:
    remote = Remote()
    lasted: list[float] = []

    async def hang(_key: str) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            await asyncio.Event().wait()
        finally:
            lasted.append(clock() - began)

    async def sleep_after_announcing(number: int) -> None:
        if number == 2:
            await asyncio.sleep(7)

    remote.before_send = hang
    service = service_of(one_call, remote)
    service.store.after_append = sleep_after_announcing
    await service.run_saga("saga", Order())

    assert lasted == [pytest.approx(3)]


@pytest.mark.parametrize("acknowledged", [True, False])
async def test_an_attempt_that_a_crash_cut_off_is_left_alone_until_its_deadline_and_a_margin(
    acknowledged: bool,
) -> None:
    """Whether the request was sent or its outcome was lost, the next execution cannot know."""
    remote = Remote()
    service = service_of(call_twice, remote)
    times: list[float] = []

    async def note_time(_key: str) -> None:
        times.append(service.now().timestamp())

    remote.before_send = remote.before_unsend = note_time
    if acknowledged:
        service.store.before_append = killed_at(4)  # sent; the outcome is lost
    else:
        service.store.after_append = killed_at(3)  # announced, not sent
    await service.engine.start("saga", Order(), saga_id="s1")
    announced = service.now().timestamp()

    await service.run_next()

    parked = await service.outcome()
    assert parked.entries[-1] == "Parked"
    assert parked.saga.status == "waiting"
    await service.settle()
    outcome = await service.outcome()
    assert outcome.saga.status == "completed"
    assert outcome.saga.steps[1].attempts == 2
    assert times[-1] >= announced + 10 + service.margin_seconds
    assert remote.requests == ["send s1/2"] * (2 if acknowledged else 1)


async def test_the_only_attempt_of_a_call_cut_off_by_a_crash_is_undone_after_its_deadline() -> None:
    remote = Remote()
    service = service_of(one_call, remote)
    service.store.before_append = killed_at(3)

    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "compensated"
    assert remote.requests == ["send s1/1", "unsend s1/1"]
    assert service.now() >= outcome.saga.requested_at + timedelta(seconds=10 + service.margin_seconds)


async def test_a_paused_caller_that_wakes_after_its_compensation_meets_the_tombstone() -> None:
    """Its process slept between the check of the deadline and the request: only the other side can refuse."""
    remote = Remote()
    sending, woken = asyncio.Event(), asyncio.Event()

    async def pause_the_first(_key: str) -> None:
        if not sending.is_set():
            sending.set()
            await woken.wait()

    remote.before_send = pause_the_first
    late = asyncio.create_task(remote.send(Message(), "s1/1"))
    await sending.wait()
    service = service_of(one_call, remote)
    service.store.after_append = killed_at(2)  # the process that sends `late` has announced it

    outcome = await service.run_saga("saga", Order())
    woken.set()

    assert outcome.saga.status == "compensated"
    with pytest.raises(Rejected):
        await late
    assert remote.sent == {}
