"""Past the pivot a refusal is no outcome: the saga is stuck, and an operator's retry really tries again."""

import contextlib
from datetime import timedelta

import pytest

from domain import Rejected
from tests.unit.workflows.family import SIGNALS, WHO, begun, serving, start, status, why_stuck
from tests.unit.workflows.test_resolver import Asked
from tests.unit.workflows.toys import (
    AWAY,
    SEND,
    SLOWLY,
    Do,
    Message,
    Order,
    Remote,
    counts,
    do,
    failing,
    obliging,
    refusing,
)
from workflows.saga import NOTHING, Saga, SagaDefinition
from workflows.saga.journal import StepFailed
from workflows.saga.testing import MemoryService


async def part(saga: Saga, _order: Order) -> str:
    await do(saga, "part")
    await saga.receive("go", Message)
    return saga.id


PART = SagaDefinition("part", part, Order, signals=SIGNALS)


async def whole(saga: Saga, _order: Order) -> str:
    await do(saga, "a")
    saga.pivot()
    result: str = await saga.start(PART, Order())
    await saga.execute(Do(tally="b"))
    return result


async def ended(service: MemoryService, how: str, child: str = "s1.2") -> None:
    """The operator of the child, or its business, ends it."""
    await getattr(service.engine, how)(child, **WHO)
    await service.settle()


async def tell(service: MemoryService, child: str) -> None:
    await service.engine.signal(child, "go", {}, actor="ana")
    await service.settle()


@pytest.mark.parametrize("action", ["retry", "resume"])
@pytest.mark.parametrize("how", ["compensate", "abandon"])
async def test_a_child_that_was_undone_or_abandoned_is_started_anew(how: str, action: str) -> None:
    service = await begun(whole, PART)
    await ended(service, how)
    assert (await why_stuck(service)).startswith("rejected-after-pivot: part: s1.2 was ")
    assert (await service.outcome()).saga.stuck.step == "2"  # type: ignore[union-attr]

    await getattr(service.engine, action)("s1", **WHO)
    await service.settle()
    assert await status(service, "s1.2:2") == "waiting"
    await tell(service, "s1.2:2")

    outcome = await service.outcome()
    assert (outcome.status, outcome.result) == ("completed", "s1.2:2")
    assert await counts(service) == {"a": 1, "part": 2 if how == "abandon" else 1, "b": 1}


async def test_each_retry_starts_another_one() -> None:
    service = await begun(whole, PART, refuse=refusing("part"))

    for number in (2, 3):
        await service.engine.retry("s1", **WHO)
        await service.settle()
        assert "rejected-after-pivot" in await why_stuck(service)
        assert await status(service, f"s1.2:{number}") == "compensated"
    service.refuse = refusing()
    await service.engine.retry("s1", **WHO)
    await service.settle()
    await tell(service, "s1.2:4")

    assert await status(service) == "completed"


async def test_children_side_by_side_are_started_anew_at_once_and_the_others_are_left_alone() -> None:
    async def three(saga: Saga, _order: Order) -> list[str]:
        saga.pivot()
        return await saga.gather(*(saga.start(PART, Order()) for _ in range(3)))

    service = await begun(three, PART)
    await ended(service, "compensate", "s1.1")
    await ended(service, "compensate", "s1.3")
    await tell(service, "s1.2")

    await service.engine.retry("s1", **WHO)
    await service.settle()
    for child in ("s1.1:2", "s1.3:2"):
        await tell(service, child)

    assert (await service.outcome()).result == ["s1.1:2", "s1.2", "s1.3:2"]


async def part_beside_a_call(saga: Saga, _order: Order) -> None:
    saga.pivot()
    await saga.gather(saga.start(PART, Order()), saga.call(SEND, Message(), retry=SLOWLY))


async def test_a_call_beside_it_that_waits_for_its_next_attempt_is_not_given_up() -> None:
    """It may have acted, and past the pivot a call has no failure that a function could go on with."""
    remote = Remote()
    remote.before_send = failing(AWAY, None)
    service = serving(part_beside_a_call, PART, calls=remote.calls())
    await start(service)
    await service.run_next()
    await service.run_next()
    await service.engine.compensate("s1.1", **WHO)
    while await status(service) != "stuck":
        await service.run_next()
    stuck = await service.outcome()
    assert [step.status for step in stuck.steps] == ["rejected", "started"]

    await service.engine.resume("s1", **WHO)
    await service.settle()
    await tell(service, "s1.1:2")

    outcome = await service.outcome()
    assert (outcome.status, [step.status for step in outcome.steps]) == ("completed", ["succeeded"] * 2)
    assert outcome.entries.count("StepStarted") == 2


async def test_a_child_is_started_anew_also_if_steps_began_after_its_refusal() -> None:
    async def child_and_call(saga: Saga) -> None:
        await saga.gather(saga.start(PART, Order()), saga.call(SEND, Message(), retry=SLOWLY))

    async def other(saga: Saga) -> None:
        await saga.receive("go", Message)
        await saga.execute(Do(tally="b"))

    async def function(saga: Saga, _order: Order) -> None:
        saga.pivot()
        await saga.gather(saga.branch(child_and_call), saga.branch(other))

    remote = Remote()
    remote.before_send = failing(AWAY, None)
    service = serving(function, PART, calls=remote.calls())
    await start(service)
    await service.run_next()
    call = next(step for step in (await service.engine.view("s1")).steps if step.step == "1.2")
    assert call.retry_at is not None
    almost = call.retry_at - timedelta(milliseconds=500)
    await service.settle(until=almost)
    await service.engine.compensate("s1.1.1", **WHO)
    while await status(service, "s1.1.1") != "compensated":
        await service.run_next()
    await service.engine.signal("s1", "go", {}, actor="ana")
    while await status(service) != "stuck":
        await service.run_next()
    stuck = await service.outcome()
    assert [step.step for step in stuck.steps] == ["1.1", "1.2", "2.1", "2.2"]

    await service.engine.retry("s1", **WHO)
    await service.settle()
    await tell(service, "s1.1.1:2")

    assert await status(service) == "completed"
    assert await counts(service) == {"b": 1, "part": 1}


async def test_the_function_does_not_see_the_refusal() -> None:
    async def would_catch_it(saga: Saga, _order: Order) -> None:
        saga.pivot()
        with contextlib.suppress(Rejected):
            await saga.start(PART, Order())
        await saga.execute(Do(tally="b"))

    service = await begun(would_catch_it, PART)
    await ended(service, "compensate", "s1.1")

    assert "rejected-after-pivot" in await why_stuck(service)
    assert "b" not in await counts(service)


async def test_what_an_abandoned_child_left_stays_listed_though_another_one_was_started() -> None:
    service = await begun(whole, PART)
    await ended(service, "abandon")
    await service.engine.retry("s1", **WHO)
    await service.settle()

    await service.engine.compensate("s1", force=True, **WHO)
    await service.settle()

    view = await service.engine.view("s1")
    assert (view.status, [left.step for left in view.left]) == ("abandoned", ["2"])
    assert await counts(service) == {"a": 0, "part": 1}  # that of the abandoned child


async def test_an_id_that_is_taken_is_asked_for_again() -> None:
    async def with_id(saga: Saga, _order: Order) -> None:
        saga.pivot()
        await saga.start(PART, Order(), id=f"x-{len(taken)}")

    taken = [1]
    service = await begun(with_id, PART)
    await tell(service, "x-1")
    await service.engine.start("saga", Order(), saga_id="s2")
    await service.settle()
    stuck = await service.engine.view("s2")
    assert stuck.stuck is not None
    assert stuck.stuck.error == "part: the saga id x-1 is taken"

    taken.append(2)
    await service.engine.retry("s2", **WHO)
    await service.settle()

    assert await status(service, "s2") == "waiting"


async def call_past_the_pivot(saga: Saga, _order: Order) -> int:
    saga.pivot()
    return (await saga.call(SEND, Message(), compensate=NOTHING)).number


async def refused_call(remote: Remote) -> MemoryService:
    remote.before_send = failing(Rejected("too heavy"))
    service = await begun(call_past_the_pivot, calls=remote.calls())
    assert await why_stuck(service) == "rejected-after-pivot: send: too heavy"
    return service


async def test_a_call_is_sent_again_at_once() -> None:
    remote = Remote()
    service = await refused_call(remote)
    remote.before_send, asked = obliging, service.now()

    await service.engine.retry("s1", **WHO)
    await service.settle()

    outcome = await service.outcome()
    assert outcome.status == "completed"
    assert outcome.saga.ended_at == asked
    assert remote.requests == ["send s1/1"] * 2


async def test_a_refusal_is_an_attempt_and_known_to_have_had_no_effect() -> None:
    service = await refused_call(Remote())
    step = (await service.outcome()).steps[0]

    assert (step.status, step.attempts, step.error) == ("started", 1, "too heavy")
    assert [e.refused for e in (await service.outcome()).journal if isinstance(e, StepFailed)] == [True]
    await service.engine.abandon("s1", **WHO)
    assert (await service.engine.view("s1")).left == []


@pytest.mark.parametrize("action", ["retry", "resume"])
async def test_what_a_resolver_would_say_of_the_refusal_is_not_asked(action: str) -> None:
    remote = Asked()
    remote.before_ask = failing(Rejected("too heavy"))
    service = await refused_call(remote)
    remote.before_send = obliging

    await getattr(service.engine, action)("s1", **WHO)
    await service.settle()

    assert await status(service) == "completed"
    assert remote.requests == ["send s1/1"] * 2


async def test_a_command_is_decided_anew() -> None:
    async def command(saga: Saga, _order: Order) -> None:
        saga.pivot()
        await saga.execute(Do(tally="b"))

    refused = {"b"}
    service = await begun(command, refuse=lambda each: getattr(each, "tally", "") in refused)
    assert "rejected-after-pivot" in await why_stuck(service)
    refused.clear()

    await service.engine.retry("s1", **WHO)
    await service.settle()

    assert (await status(service), await counts(service)) == ("completed", {"b": 1})


async def test_a_refusal_before_the_pivot_is_an_outcome_on_every_replay() -> None:
    async def gets_over_it(saga: Saga, _order: Order) -> None:
        with contextlib.suppress(Rejected):
            await saga.start(PART, Order())
        saga.pivot()
        await saga.receive("go", Message)

    service = await begun(gets_over_it, PART)
    await ended(service, "compensate", "s1.1")
    await service.engine.signal("s1", "go", {}, actor="ana")
    await service.settle()

    assert await status(service) == "completed"
