"""Outcomes are given in the order in which they were recorded, the first time and on replay."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from domain import Rejected
from tests.unit.workflows.family import SIGNALS, WHO, begun, go, serving, start, status, why_stuck
from tests.unit.workflows.toys import (
    AWAY,
    SLOWLY,
    TALLIES,
    Message,
    Order,
    Remote,
    SagaFunction,
    SlowStore,
    counts,
    do,
    failing,
    refusing,
    send,
)
from workflows.saga import Saga, SagaDefinition
from workflows.saga.context import Step
from workflows.saga.replay import Replay
from workflows.saga.testing import Killed, MemoryService, killed_at

SEEN: list[list[str]] = []
"""What each execution of the function saw, one after the other."""


async def slow(saga: Saga, seen: list[str]) -> None:
    await saga.receive("go", Message)
    seen.append("slow")
    await do(saga, "slow")


async def quick(saga: Saga, seen: list[str]) -> None:
    await do(saga, "quick")
    seen.append("quick")
    await saga.sleep(timedelta(days=1))
    seen.append("quick again")


async def race(saga: Saga, _order: Order) -> list[str]:
    seen: list[str] = []
    SEEN.append(seen)
    await saga.gather(saga.branch(slow, seen), saga.branch(quick, seen))
    await do(saga, seen[0])  # the code goes the way of whoever came first
    return seen


def service_of_race() -> MemoryService:
    SEEN.clear()
    return MemoryService(TALLIES, [SagaDefinition("saga", race, Order, signals={"go": Message})])


async def run(service: MemoryService, *, early: bool) -> Any:
    await service.engine.start("saga", Order(), saga_id="s1")
    await service.run_next()
    if early:
        await service.engine.signal("s1", "go", {}, actor="ana")
    else:
        await service.run_next()
        await service.engine.signal("s1", "go", {}, actor="ana")
    await service.settle()
    return (await service.outcome()).saga


@pytest.mark.parametrize(
    ("early", "order"),
    [(True, ["quick", "slow", "quick again"]), (False, ["quick", "quick again", "slow"])],
)
async def test_every_execution_sees_the_order_of_the_first(early: bool, order: list[str]) -> None:
    saga = await run(service_of_race(), early=early)

    assert saga.status == "completed"
    assert saga.result == order
    assert all(seen == order[: len(seen)] for seen in SEEN)


@pytest.mark.parametrize("append", range(2, 12))
@pytest.mark.parametrize("early", [True, False])
async def test_also_when_a_process_is_killed(append: int, early: bool) -> None:
    expected = (await run(service_of_race(), early=early)).result
    service = service_of_race()
    service.store.after_append = killed_at(append)

    with suppress(Killed):  # at the append of the signal: whoever sent it knows nothing of it
        saga = await run(service, early=early)
        assert saga.result == expected


async def test_no_step_starts_before_a_recorded_failure_beside_it_is_known() -> None:
    """The call after a recorded step is not sent by the execution that replays the refusal beside it."""

    async def two(saga: Saga, _order: Order) -> None:
        await saga.gather(saga.branch(then_send), do(saga, "refused"))

    async def then_send(saga: Saga) -> None:
        await do(saga, "a")
        await send(saga)

    remote = Remote()
    service = MemoryService(
        TALLIES,
        [SagaDefinition("saga", two, Order)],
        remote.calls(),
        refuse=refusing("refused"),
        store=SlowStore,
    )
    service.store.after_append = killed_at(3)

    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "compensated"
    assert outcome.entries[:5] == [
        "SagaRequested",
        "RunStarted",
        "StepSucceeded",
        "StepRejected",
        "RunStarted",
    ]
    assert remote.requests == []


async def nested(saga: Saga, seen: list[str]) -> None:
    await saga.gather(saga.branch(pair), do(saga, "c"))
    seen.append("nested")


async def pair(saga: Saga) -> None:
    await saga.gather(do(saga, "a"), do(saga, "b"))


async def plain(saga: Saga, seen: list[str]) -> None:
    await do(saga, "d")
    await do(saga, "e")
    seen.append("plain")


async def uneven(saga: Saga, _order: Order) -> list[str]:
    """`nested` has its last outcome right before `plain`, but the longer way from there to its function."""
    seen: list[str] = []
    SEEN.append(seen)
    await saga.gather(saga.branch(nested, seen), saga.branch(plain, seen))
    await do(saga, seen[0])
    return seen


@pytest.mark.parametrize("append", range(2, 9))
async def test_the_first_execution_sees_the_order_of_the_journal_as_well(append: int) -> None:
    """Also when the next outcome is there before the one before it has come to its function, as in a process
    that was stopped for a moment."""

    async def in_a_pass(_number: int) -> None:
        await asyncio.sleep(0)

    SEEN.clear()
    service = MemoryService(TALLIES, [SagaDefinition("saga", uneven, Order)])
    service.store.before_append = in_a_pass
    service.store.after_append = killed_at(append)

    outcome = await service.run_saga("saga", Order())

    assert outcome.saga.status == "completed", outcome.saga.stuck
    assert outcome.saga.result == ["nested", "plain"]
    assert all(seen == ["nested", "plain"][: len(seen)] for seen in SEEN)


async def says_no(saga: Saga) -> None:
    await do(saga, "n")
    await saga.sleep(timedelta(milliseconds=500))
    raise Rejected("the branch says no", code="own", data={"of": "branch"})


async def beside_a_call(saga: Saga, _order: Order) -> None:
    await saga.gather(send(saga, SLOWLY), saga.branch(says_no))


@pytest.mark.parametrize("append", range(2, 12))
async def test_a_refusal_of_the_functions_own_came_before_what_was_recorded_after_it(append: int) -> None:
    """The call is given up because of it, so its failure is not the one that counts, killed anywhere."""
    remote = Remote()
    remote.before_send = failing(AWAY)
    service = serving(beside_a_call, calls=remote.calls())
    service.store.before_append = killed_at(append)
    await start(service)
    await service.settle()

    error = (await service.engine.view("s1")).error
    assert error is not None
    assert (error.code, error.detail, error.data) == ("own", "the branch says no", {"of": "branch"})


async def test_nor_does_the_end_of_a_child_that_comes_later_change_it() -> None:
    async def part(saga: Saga, _order: Order) -> None:
        await saga.receive("go", Message)

    async def gets_over_it(saga: Saga, _order: Order) -> str:
        with suppress(Rejected):
            try:
                await saga.gather(saga.start(child, Order()), saga.branch(says_no))
            except Rejected as no:
                await do(saga, no.code)
                raise
        await saga.receive("go", Message)
        return "done"

    child = SagaDefinition("part", part, Order, signals=SIGNALS)
    service = await begun(gets_over_it, child)
    await service.engine.compensate("s1.1", **WHO)
    await service.settle()

    await go(service)
    await service.settle()

    assert (await service.outcome()).result == "done"
    assert (await counts(service))["own"] == 1


async def refuses_at_once(_saga: Saga) -> None:
    raise Rejected("at once", code="own")


async def gets_over_a_child(saga: Saga) -> None:
    with suppress(Rejected):
        await saga.gather(saga.start(PART, Order()), do(saga, "no"))


async def first_one_then_the_other(saga: Saga, _order: Order) -> str:
    await gets_over_a_child(saga)
    return await which_is_first(saga, do(saga, "no too"), saga.branch(refuses_at_once))


async def all_side_by_side(saga: Saga, _order: Order) -> str:
    async def refuses_behind_a_child(saga: Saga) -> None:
        await gets_over_a_child(saga)
        raise Rejected("behind a child", code="own")

    return await which_is_first(saga, saga.branch(refuses_behind_a_child), send(saga))


async def refused_after_a_while(_key: str) -> None:
    await asyncio.sleep(0.3)
    raise Rejected("not sent")


async def which_is_first(saga: Saga, *steps: Step[Any]) -> str:
    try:
        await saga.gather(*steps)
    except Rejected as no:
        await do(saga, no.code)
    await saga.receive("go", Message)
    return "done"


async def waits_to_go(saga: Saga, _order: Order) -> None:
    await saga.receive("go", Message)


PART = SagaDefinition("part", waits_to_go, Order, signals=SIGNALS)


@pytest.mark.parametrize("function", [first_one_then_the_other, all_side_by_side])
@pytest.mark.parametrize("signalled", [True, False])
async def test_nor_does_a_child_that_was_left_behind_before_it(
    function: SagaFunction, signalled: bool
) -> None:
    """Its end is recorded behind what came after it: the first execution has not waited for it."""
    remote = Remote()
    remote.before_send = refused_after_a_while
    service = await begun(function, PART, refuse=refusing("no", "no too"), calls=remote.calls())
    child = "s1.1" if function is first_one_then_the_other else "s1.1.1"
    if signalled:
        await service.engine.signal(child, "go", {"text": "go"}, actor="ana")
    else:
        await service.engine.compensate(child, **WHO)
    await service.settle()

    await go(service)
    await service.settle()

    assert await status(service) == "completed", await why_stuck(service)
    assert (await counts(service))["own"] == 1


async def test_an_inner_gather_keeps_when_the_refusal_came() -> None:
    async def inner(saga: Saga) -> None:
        await saga.gather(saga.branch(says_no), saga.sleep(timedelta(milliseconds=900)))

    async def outer(saga: Saga) -> None:
        await do(saga, "o")
        await saga.sleep(timedelta(milliseconds=700))
        raise Rejected("later", code="later")

    async def function(saga: Saga, _order: Order) -> None:
        await saga.gather(saga.branch(outer), saga.branch(inner))

    service = await begun(function)

    error = (await service.engine.view("s1")).error
    assert error is not None
    assert error.code == "own"


async def test_a_strand_that_waits_for_something_else_than_a_step_holds_up_nobody() -> None:
    """What it waits for may come from the strand beside it."""

    async def meeting(saga: Saga, _order: Order) -> None:
        there = asyncio.Event()
        await saga.gather(saga.branch(waits, there), saga.branch(comes, there))

    async def waits(saga: Saga, there: asyncio.Event) -> None:
        await do(saga, "a")
        await there.wait()
        await do(saga, "b")

    async def comes(saga: Saga, there: asyncio.Event) -> None:
        await do(saga, "c")
        await do(saga, "d")
        there.set()

    service = MemoryService(TALLIES, [SagaDefinition("saga", meeting, Order)])

    outcome = await asyncio.wait_for(service.run_saga("saga", Order()), 20)

    assert outcome.saga.status == "completed"


async def test_a_strand_that_is_cancelled_before_its_turn_holds_up_nobody() -> None:
    replay, given = Replay(), list[int]()
    away, others = asyncio.Event(), asyncio.Event()

    async def strand(version: int) -> None:
        async def step() -> None:
            if version != 1:
                await others.wait()

        await replay.turn(None)
        await replay.live(step(), lambda: version)
        given.append(version)
        if version == 1:
            others.set()
            await away.wait()
        replay.end_strand()

    replay.fork(3)
    first, cancelled, last = (asyncio.create_task(strand(version)) for version in (1, 2, 3))
    await others.wait()
    await asyncio.sleep(0)  # both wait for their turns, as the first one is not at its next step
    cancelled.cancel()
    with suppress(asyncio.CancelledError):
        await cancelled
    assert given == [1]
    replay.end_strand()
    away.set()
    await asyncio.gather(first, last)

    assert given == [1, 3]
