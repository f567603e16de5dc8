"""Code that no longer fits a journal, for each kind of step: stuck, before anything new is done."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from tests.unit.workflows.family import SIGNALS, WHO, begun, go, redeploy, serving, start, status, why_stuck
from tests.unit.workflows.toys import SEND, Do, Message, Order, Remote, SagaFunction, counts, do, send
from workflows.saga import NOTHING, Call, CallDefinition, Saga, SagaDefinition

DAY = timedelta(days=1)


async def part(saga: Saga, _order: Order) -> str:
    await do(saga, "part")
    return "done"


PART = SagaDefinition("part", part, Order)
OTHER = SagaDefinition("other", part, Order)


def ask_execute(saga: Saga) -> Any:
    return do(saga, "a")


def ask_call(saga: Saga) -> Any:
    return send(saga)


def ask_receive(saga: Saga) -> Any:
    return saga.receive("go", Message)


def ask_sleep(saga: Saga) -> Any:
    return saga.sleep(timedelta())


def ask_child(saga: Saga) -> Any:
    return saga.start(PART, Order())


ASKED: list[Callable[[Saga], Any]] = [ask_execute, ask_call, ask_receive, ask_sleep, ask_child]


def asking(*asked: Callable[[Saga], Any]) -> SagaFunction:
    """A saga that asks for these steps, and then waits."""

    async def function(saga: Saga, _order: Order) -> None:
        for ask in asked:
            await ask(saga)
        await saga.receive("stop", Message)

    return function


async def recorded(*asked: Callable[[Saga], Any]) -> Any:
    """A service in whose journal these steps have succeeded."""
    service = await begun(asking(*asked), PART, OTHER)
    if ask_receive in asked:
        await go(service)
        await service.settle()
    assert await status(service) == "waiting"
    return service


async def replay(service: Any, function: SagaFunction) -> str:
    """Why the saga is stuck when this code goes on with it."""
    redeploy(service, function, PART, OTHER)
    await go(service, signal="stop")
    await service.settle()
    return await why_stuck(service)


@pytest.mark.parametrize(
    ("before", "after"), [(old, new) for old in ASKED for new in ASKED if old is not new]
)
async def test_another_kind_of_step(before: Callable[[Saga], Any], after: Callable[[Saga], Any]) -> None:
    why = await replay(await recorded(before), asking(after))

    assert why.startswith("nondeterminism: step 1 was recorded as ")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (ask_receive, lambda saga: saga.receive("stop", Message), "go {}, the code now asks for stop {}"),
        (ask_child, lambda saga: saga.start(OTHER, Order()), "the code now asks for other"),
        (ask_child, lambda saga: saga.start(PART, Order(name="x")), "'input': {'name': 'x'}"),
        (ask_child, lambda saga: saga.start(PART, Order(), id="mine"), "'saga_id': 'mine'"),
        (ask_call, lambda saga: saga.call(SEND, Message(text="x"), compensate=NOTHING), "send {'text': 'x'}"),
    ],
)
async def test_another_step_of_the_same_kind(
    before: Callable[[Saga], Any], after: Callable[[Saga], Any], said: str
) -> None:
    why = await replay(await recorded(before), asking(after))

    assert why.startswith("nondeterminism: step 1 was recorded as ")
    assert said in why


@pytest.mark.parametrize("last", ASKED)
async def test_a_step_that_is_not_asked_for_any_more(last: Callable[[Saga], Any]) -> None:
    async def ends(saga: Saga, _order: Order) -> None:
        await do(saga, "a")

    why = await replay(await recorded(ask_execute, last), ends)

    assert "the code now asks for the end of the saga" in why


async def test_a_branch_where_a_step_was_is_stuck_before_it_does_anything() -> None:
    async def new(saga: Saga) -> None:
        await do(saga, "new")

    service = await recorded(ask_execute, ask_execute, ask_sleep)
    why = await replay(service, asking(ask_execute, lambda saga: saga.branch(new), ask_sleep))

    assert "step 3 was recorded as sleep {}, the code now asks for step 2.1 before it" in why
    assert await counts(service) == {"a": 2}


async def test_a_new_beginning_before_all_was_asked_for_is_stuck() -> None:
    async def early(saga: Saga, _order: Order) -> None:
        saga.continue_as(Order(name="again"))

    why = await replay(await recorded(ask_sleep), early)

    assert "step 1 was recorded as sleep {}, the code now asks for the end of the saga" in why


async def test_longer_waits_and_other_compensations_are_no_change() -> None:
    async def before(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        await saga.receive("go", Message, timeout=DAY)

    async def after(saga: Saga, _order: Order) -> None:
        await saga.execute(Do(tally="a"), compensate=NOTHING)
        await saga.receive("go", Message, timeout=2 * DAY)

    service = serving(before)
    await start(service)
    await service.run_next()
    redeploy(service, after)
    await service.settle()

    assert await status(service) == "completed"


class Numbered(BaseModel):
    number: int


async def test_a_signal_whose_type_no_longer_fits() -> None:
    service = await recorded(ask_receive)
    new = {**SIGNALS, "go": Numbered}
    after = asking(lambda saga: saga.receive("go", Numbered))
    service.registry = type(service.registry)([SagaDefinition("saga", after, Order, signals=new)])
    await go(service, signal="stop")
    await service.settle()

    why = await why_stuck(service)

    assert why.startswith("nondeterminism: step 1 was recorded as go {'text': 'go'}")
    assert "Numbered: number Field required" in why


async def test_the_result_of_a_call_whose_type_no_longer_fits() -> None:
    class Receipt(BaseModel):
        receipt: str

    async def give_receipt(_message: Message, _key: str) -> Receipt:
        return Receipt(receipt="r")

    new = Call("send", Message, Receipt)
    service = await recorded(ask_call)
    after = asking(lambda saga: saga.call(new, Message(), compensate=NOTHING))
    calls = [CallDefinition(new, give_receipt), *Remote().calls()[1:]]
    service.registry = type(service.registry)([SagaDefinition("saga", after, Order, signals=SIGNALS)], calls)
    await go(service, signal="stop")
    await service.settle()

    assert "Receipt: receipt Field required" in await why_stuck(service)


async def test_a_saga_that_was_stuck_by_a_change_goes_on_when_the_change_is_taken_back() -> None:
    service = await recorded(ask_execute, ask_sleep)
    await replay(service, asking(ask_sleep))

    redeploy(service, asking(ask_execute, ask_sleep), PART)
    await service.engine.resume("s1", **WHO)
    await service.settle()

    assert await status(service) == "completed"


async def test_code_that_branches_on_the_version_fits_old_and_new_sagas() -> None:
    async def after(saga: Saga, _order: Order) -> None:
        if saga.version >= 2:
            await do(saga, "new")
        await do(saga, "a")
        await saga.receive("stop", Message)

    service = await recorded(ask_execute)
    redeploy(service, after, version=2)
    await service.engine.start("saga", Order(name="new"), saga_id="s2")
    await service.settle()
    await go(service, signal="stop")
    await service.engine.signal("s2", "stop", {}, actor="ana")
    await service.settle()

    assert (await status(service), await status(service, "s2")) == ("completed", "completed")
    assert await counts(service) == {"a": 2, "new": 1}
