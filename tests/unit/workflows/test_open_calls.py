"""A call that nothing undoes and whose outcome is open: it is closed before the saga goes on, or ends."""

import asyncio
import contextlib
from datetime import timedelta

import pytest

from domain import Rejected
from tests.unit.workflows.family import WHO, begun, serving, start
from tests.unit.workflows.toys import (
    AWAY,
    ONCE,
    SEND,
    SLOWLY,
    TWICE,
    Message,
    Order,
    Remote,
    SagaFunction,
    do,
    failing,
    refusing,
    send_for_ever,
)
from workflows.saga import NOTHING, Saga
from workflows.saga.check import Check
from workflows.saga.context import Step
from workflows.saga.testing import Killed, MemoryService, Outcome


def dying() -> Remote:
    """The process dies while the first request is on its way, a moment after it has left."""
    remote = Remote()

    async def die_once(_key: str) -> None:
        if len(remote.requests) == 1:
            await asyncio.sleep(0.1)
            raise Killed

    remote.before_send = die_once
    return remote


async def refused_late(saga: Saga) -> None:
    await saga.sleep(timedelta(seconds=0.05))
    await do(saga, "refused")


async def refused_beside(saga: Saga) -> None:
    with contextlib.suppress(Rejected):
        await saga.gather(send_for_ever(saga), do(saga, "refused"))


async def goes_on(saga: Saga, _order: Order) -> None:
    await refused_beside(saga)
    await do(saga, "b")


async def ends_there(saga: Saga, _order: Order) -> None:
    await refused_beside(saga)


async def begins_anew(saga: Saga, order: Order) -> None:
    if order.name == "order":
        await refused_beside(saga)
        saga.continue_as(Order(name="again"))


async def passes_its_pivot(saga: Saga, _order: Order) -> None:
    await refused_beside(saga)
    saga.pivot()
    await do(saga, "b")


async def is_undone(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await saga.gather(send_for_ever(saga), do(saga, "refused"))


async def in_branches(saga: Saga, _order: Order) -> None:
    async def inner(saga: Saga) -> None:
        await saga.gather(send_for_ever(saga), do(saga, "b"))

    with contextlib.suppress(Rejected):
        await saga.gather(saga.branch(inner), saga.branch(refused_late))
    await do(saga, "c")


def interrupted(outcome: Outcome) -> int:
    """Where the journal says that the call is a failed one, which nobody knows more of."""
    closed = [
        number
        for number, entry in enumerate(outcome.journal)
        if getattr(entry, "error", "").startswith("interrupted") and outcome.entries[number] == "StepFailed"
    ]
    assert len(closed) == 1
    return closed[0]


@pytest.mark.parametrize(
    ("function", "before"),
    [
        (goes_on, "SagaCompleted"),
        (ends_there, "SagaCompleted"),
        (begins_anew, "Continued"),
        (passes_its_pivot, "PivotReached"),
        (is_undone, "SagaCompensated"),
        (in_branches, "SagaCompleted"),
    ],
)
async def test_one_in_doubt_beside_a_failure_is_closed_first(function: SagaFunction, before: str) -> None:
    remote = dying()
    outcome = await (await begun(function, calls=remote.calls(), refuse=refusing("refused"))).outcome()

    assert interrupted(outcome) < outcome.entries.index(before)
    assert len(remote.requests) == 1
    assert all(step.status != "started" for step in outcome.steps)


async def test_the_function_goes_on_when_it_is_closed_not_before() -> None:
    outcome = await (await begun(goes_on, calls=dying().calls(), refuse=refusing("refused"))).outcome()

    assert [step.status for step in outcome.steps] == ["failed", "rejected", "succeeded"]
    assert interrupted(outcome) < outcome.entries.index("StepSucceeded")
    closed = next(step.ended_at for step in outcome.steps if step.status == "failed")
    assert closed is not None
    assert closed >= outcome.saga.requested_at + timedelta(seconds=11)


async def test_one_that_waits_for_its_next_attempt_is_given_up_at_once() -> None:
    remote = Remote()
    remote.before_send = failing(AWAY)

    def slow(saga: Saga) -> Step[object]:
        return saga.call(SEND, Message(), compensate=NOTHING, retry=SLOWLY)

    async def function(saga: Saga, _order: Order) -> None:
        with contextlib.suppress(Rejected):
            await saga.gather(slow(saga), saga.branch(refused_late))

    outcome = await (await begun(function, calls=remote.calls(), refuse=refusing("refused"))).outcome()

    assert outcome.status == "completed"
    assert outcome.steps[0].status == "failed"
    assert outcome.saga.ended_at is not None
    assert outcome.saga.ended_at < outcome.saga.requested_at + timedelta(seconds=10)
    assert remote.requests == ["send s1/1"]


async def test_a_branch_sees_what_failed_in_it_before_a_failure_is_chosen() -> None:
    """Its call was in doubt when it stopped, and no longer when a call beside it had failed: what was refused
    in it stands before that in the journal, and every replay sees that first."""
    remote = Remote()

    async def die_then_never_answer(_key: str) -> None:
        if len(remote.requests) <= 2:
            await asyncio.sleep(0.1)
            raise Killed
        await asyncio.sleep(3600)

    remote.before_send = die_then_never_answer

    async def inner(saga: Saga) -> None:
        unsure = saga.call(SEND, Message(), compensate=NOTHING, timeout=timedelta(seconds=7.5))
        await saga.gather(unsure, do(saga, "refused"))

    async def function(saga: Saga, _order: Order) -> None:
        beside = saga.call(SEND, Message(), compensate=NOTHING, retry=TWICE, timeout=timedelta(seconds=5))
        await saga.gather(beside, saga.branch(inner))

    outcome = await (await begun(function, calls=remote.calls(), refuse=refusing("refused"))).outcome()

    statuses = {step.step: step.status for step in outcome.steps}
    assert statuses == {"1": "failed", "2.1": "failed", "2.2": "rejected"}
    assert outcome.saga.error is not None
    assert outcome.saga.error.step == "2.2"


async def test_nor_is_one_chosen_before_a_branch_further_out_has_seen_its_own() -> None:
    remote = Remote()

    async def away(key: str) -> None:
        await asyncio.sleep(1.0 if key == "s1/1" else 0.0)
        raise AWAY

    remote.before_send = away

    async def innermost(saga: Saga) -> None:
        await saga.call(SEND, Message(), compensate=NOTHING, retry=SLOWLY)

    async def inner(saga: Saga) -> None:
        await saga.gather(saga.branch(innermost), saga.branch(refused_late))

    async def function(saga: Saga, _order: Order) -> None:
        beside = saga.call(SEND, Message(), compensate=NOTHING, retry=ONCE)
        await saga.gather(beside, saga.branch(inner))

    outcome = await (await begun(function, calls=remote.calls(), refuse=refusing("refused"))).outcome()

    assert {step.step: step.status for step in outcome.steps if step.kind != "sleep"} == {
        "1": "failed",
        "2.1.1": "failed",
        "2.2.2": "rejected",
    }
    assert outcome.saga.error is not None
    assert outcome.saga.error.step == "2.2.2"


async def alone(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await send_for_ever(saga)
    await do(saga, "b")


async def cut_off() -> MemoryService:
    """A saga that waits until its call may be touched again."""
    service = serving(alone, calls=dying().calls())
    await start(service)
    await service.run_next()
    assert (await service.outcome()).entries[-1] == "Parked"
    return service


async def test_one_in_doubt_is_closed_before_a_saga_that_is_stopped_is_compensated() -> None:
    service = await cut_off()

    await service.engine.compensate("s1", **WHO)
    await service.settle()

    outcome = await service.outcome()
    assert outcome.status == "compensated"
    assert outcome.entries.index("StepCompensated") < interrupted(outcome)
    assert [step.status for step in outcome.steps] == ["compensated", "failed"]


@pytest.mark.parametrize(("to_step", "status"), [("1", "failed"), ("2", "in-doubt")])
async def test_going_back_to_a_step_closes_those_after_it_only(to_step: str, status: str) -> None:
    service = await cut_off()

    await service.engine.compensate("s1", to_step=to_step, **WHO)
    await service.settle()

    outcome = await service.outcome()
    assert outcome.status == "stuck"
    assert outcome.steps[1].status == status


async def test_one_in_doubt_is_said_to_be_and_listed_when_its_saga_is_abandoned() -> None:
    service = await cut_off()
    assert (await service.outcome()).steps[1].status == "in-doubt"

    await service.engine.abandon("s1", **WHO)

    view = await service.engine.view("s1")
    assert [left.step for left in view.left] == ["1", "2"]
    assert view.steps[1].status == "in-doubt"


async def test_a_check_of_the_code_closes_none() -> None:
    service = serving(goes_on, calls=dying().calls(), refuse=refusing("refused"))
    await start(service)
    await service.run_next()
    service.skip(timedelta(seconds=30))
    before = service.store.appends

    report = await Check(service.store, service.codec, service.registry).run()

    assert (report.ok, report.replayed, service.store.appends) == (True, 1, before)
