"""What operators ask: in which status it is allowed, what it does, and who asked for what reason."""

import asyncio
from typing import Any

import pytest

from tests.unit.workflows.family import WHO, begun, serving, start, status, why_stuck
from tests.unit.workflows.toys import (
    AWAY,
    SLOWLY,
    Message,
    Order,
    Remote,
    Undo,
    counts,
    do,
    failing,
    refusing,
    send,
)
from workflows.saga import Saga, context
from workflows.saga.errors import NotPossible
from workflows.saga.testing import MemoryService


async def one(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await do(saga, "b")


async def waits(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await saga.receive("go", Message)


async def queued() -> MemoryService:
    service = serving(one)
    await start(service)
    return service


async def waiting() -> MemoryService:
    return await begun(waits)


async def retrying() -> MemoryService:
    remote = Remote()
    remote.before_send = failing(AWAY, None)

    async def calls(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        await send(saga, SLOWLY)

    service = serving(calls, calls=remote.calls())
    await start(service)
    await service.run_next()
    return service


async def stuck() -> MemoryService:
    """Forward."""
    broken = [True]

    async def breaks(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        if broken:
            broken.clear()
            raise ZeroDivisionError

    return await begun(breaks)


async def badly_undone() -> MemoryService:
    """Stuck going back."""
    service = await begun(one)
    service.refuse = lambda command: isinstance(command, Undo) and command.tally == "b"
    await service.engine.compensate("s1", **WHO)
    await service.settle()
    service.refuse = refusing()
    return service


async def completed() -> MemoryService:
    return await begun(one)


async def compensated() -> MemoryService:
    return await begun(one, refuse=refusing("b"))


async def abandoned() -> MemoryService:
    service = await waiting()
    await service.engine.abandon("s1", **WHO)
    return service


ACTIONS = ("retry", "resume", "skip", "abandon")
STATES: dict[Any, dict[str, str]] = {
    queued: {"abandon": "abandoned"},
    waiting: {"abandon": "abandoned"},
    retrying: {"retry": "completed", "abandon": "abandoned"},
    stuck: {"retry": "completed", "resume": "completed", "abandon": "abandoned"},
    badly_undone: {
        "retry": "compensated",
        "resume": "compensated",
        "skip": "abandoned",
        "abandon": "abandoned",
    },
    completed: {},
    compensated: {},
    abandoned: {"abandon": "abandoned"},
}
ENTRIES = {
    "retry": "RetryRequested",
    "resume": "Resumed",
    "skip": "StepSkipped",
    "abandon": "SagaAbandoned",
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
async def test_an_action_is_allowed_where_it_means_something(state: Any, action: str) -> None:
    service: MemoryService = await state()
    before = (await service.outcome()).entries
    ends = STATES[state].get(action)

    if ends is None:
        with pytest.raises(NotPossible):
            await getattr(service.engine, action)("s1", **WHO)
        assert (await service.outcome()).entries == before
        return
    await getattr(service.engine, action)("s1", **WHO)
    await service.settle()

    outcome = await service.outcome()
    assert outcome.status == ends
    entry: Any = next(each for each in outcome.journal if type(each).__name__ == ENTRIES[action])
    assert (entry.actor, entry.reason) == ("ana", "she looked")


@pytest.mark.parametrize("action", ["retry", "resume", "skip"])
async def test_two_operators_at_once_are_as_one_after_the_other(action: str) -> None:
    service = await badly_undone()
    act = getattr(service.engine, action)

    answers = await asyncio.gather(act("s1", **WHO), act("s1", **WHO), return_exceptions=True)
    await service.settle()

    assert sum(isinstance(answer, NotPossible) for answer in answers) == 1
    assert (await service.outcome()).entries.count(ENTRIES[action]) == 1
    assert (await counts(service))["a"] == 0


async def test_what_was_skipped_is_listed_at_the_end() -> None:
    service = await badly_undone()

    await service.engine.skip("s1", step="2", **WHO)
    await service.settle()

    assert [left.step for left in (await service.engine.view("s1")).left] == ["2"]


async def test_a_journal_that_grows_too_long_makes_its_saga_stuck_and_can_still_be_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(context, "ENTRIES_MAX", 10)

    async def endless(saga: Saga, _order: Order) -> None:
        for _ in range(100):
            await do(saga, "a")

    service = await begun(endless)
    assert "more than 10 entries: end it by continue_as()" in await why_stuck(service)

    await service.engine.compensate("s1", **WHO)
    await service.settle()

    assert (await status(service), await counts(service)) == ("compensated", {"a": 0})


async def test_many_rounds_keep_each_journal_round_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "ENTRIES_MAX", 10)
    remote = Remote()

    async def rounds(saga: Saga, order: Order) -> None:
        await send(saga)
        saga.pivot()
        if len(order.name) < 12:
            saga.continue_as(Order(name=order.name + "."))

    service = await begun(rounds, calls=remote.calls())

    assert await status(service) == "completed"
    assert remote.requests == ["send s1/1", *(f"send s1/1~{number}" for number in range(2, 9))]


async def test_a_new_beginning_with_something_to_undo_is_refused() -> None:
    async def early(saga: Saga, order: Order) -> None:
        await do(saga, "a")
        saga.continue_as(order)

    assert "pass the pivot first" in await why_stuck(await begun(early))
