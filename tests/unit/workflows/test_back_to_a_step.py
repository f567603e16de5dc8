"""Back to a step and on: what follows the step is forgotten, what went before stays as it was."""

import contextlib
from datetime import timedelta
from itertools import count

import pytest

from tests.unit.workflows.family import WHO, begun, go, serving, start, status, why_stuck
from tests.unit.workflows.toys import (
    AWAY,
    SEND,
    SLOWLY,
    Message,
    Order,
    Remote,
    counts,
    do,
    failing,
    refusing,
)
from workflows.saga import CallFailed, Saga
from workflows.saga.errors import CannotCompensate
from workflows.saga.testing import MemoryService

DAY = timedelta(days=1)


async def back(service: MemoryService, step: str, *, force: bool = False) -> None:
    await service.engine.compensate("s1", to_step=step, force=force, **WHO)
    await service.settle()


async def on(service: MemoryService) -> None:
    await service.engine.resume("s1", **WHO)
    await service.settle()


async def pivoted(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await do(saga, "b")
    saga.pivot()
    await do(saga, "c")
    await saga.receive("go", Message)


async def waiting_past_the_pivot(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await do(saga, "b")
    saga.pivot()
    await saga.sleep(DAY)
    await saga.receive("go", Message)


async def test_a_step_before_the_pivot_is_not_undone_past_it() -> None:
    service = await begun(waiting_past_the_pivot)

    with pytest.raises(CannotCompensate, match="has passed its pivot"):
        await back(service, "1")
    assert await counts(service) == {"a": 1, "b": 1}


async def test_a_wait_past_the_pivot_can_be_had_again() -> None:
    service = await begun(waiting_past_the_pivot)

    await back(service, "2")
    await on(service)

    outcome = await service.outcome()
    assert outcome.status == "waiting"
    assert outcome.entries.count("WaitStarted") == 4
    assert outcome.entries.count("PivotReached") == 2


async def test_force_goes_back_past_the_pivot_which_then_has_not_happened() -> None:
    service = await begun(pivoted)
    await back(service, "1", force=True)
    assert await counts(service) == {"a": 1, "b": 0, "c": 1}

    service.refuse = refusing("b")
    await on(service)

    outcome = await service.outcome()
    assert outcome.status == "abandoned"
    assert [left.step for left in outcome.saga.left] == ["3"]
    assert await counts(service) == {"a": 0, "b": 0, "c": 1}


async def test_force_back_to_a_step_past_the_pivot_stays_past_it() -> None:
    service = await begun(pivoted)
    await back(service, "3")
    await on(service)

    with pytest.raises(CannotCompensate, match="has passed its pivot"):
        await service.engine.compensate("s1", **WHO)
    assert (await service.outcome()).entries.count("PivotReached") == 1


async def sending_past_the_pivot(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    saga.pivot()
    with contextlib.suppress(CallFailed):
        await saga.call(SEND, Message(), retry=SLOWLY)


async def test_a_call_past_the_pivot_that_was_given_up_is_no_step_to_go_on_from() -> None:
    """It may have acted, and nothing undoes it: only a saga that asks for it anew may go on."""
    remote = Remote()
    remote.before_send = failing(AWAY, None)
    service = serving(sending_past_the_pivot, calls=remote.calls())
    await start(service)
    await service.run_next()
    await service.engine.compensate("s1", to_step="1", force=True, **WHO)
    await service.run_next()

    with pytest.raises(CannotCompensate, match="cannot go on after step 2"):
        await service.engine.compensate("s1", to_step="2", force=True, **WHO)
    await on(service)

    outcome = await service.outcome()
    assert (outcome.status, [step.status for step in outcome.steps]) == ("completed", ["succeeded"] * 2)


@pytest.mark.parametrize("append", range(1, 4))
async def test_who_asks_for_all_while_it_goes_back_to_a_step_has_all_undone(append: int) -> None:
    remote = Remote()
    remote.before_send = failing(AWAY, None)
    service = serving(sending_past_the_pivot, calls=remote.calls())
    await start(service)
    await service.run_next()
    await service.engine.compensate("s1", to_step="1", force=True, **WHO)
    appends = count(1)

    async def ask_for_all(_number: int) -> None:
        if next(appends) == append:
            del service.store.before_append
            await service.engine.compensate("s1", force=True, **WHO)

    service.store.before_append = ask_for_all
    await service.settle()

    outcome = await service.outcome()
    assert outcome.status == "abandoned"
    assert [left.step for left in outcome.saga.left] == ["2"]
    assert await counts(service) == {"a": 0}


async def clocks(saga: Saga, _order: Order) -> None:
    await do(saga, f"before {saga.now().isoformat()}")
    message = await saga.receive("go", Message)
    if message.text == "time":
        await do(saga, f"time {saga.now().isoformat()}")
    else:
        await do(saga, f"id {saga.uuid()}")
    await saga.receive("stop", Message)


async def test_times_and_ids_that_were_asked_for_after_it_are_made_anew() -> None:
    service = await begun(clocks)
    await go(service, "time")
    await service.settle()
    await back(service, "1")
    await on(service)
    await go(service, "id", id="second")
    await service.settle()

    assert await status(service) == "waiting", await why_stuck(service)
    assert [name.split()[0] for name in await tallies(service)] == ["before", "time", "id"]
    assert (await service.outcome()).entries.count("ValueRecorded") == 3


async def tallies(service: MemoryService) -> list[str]:
    return [
        event.data["tally"] async for event in service.store.read_all(category="tally") if event.version == 1
    ]


async def stamps(saga: Saga, name: str) -> None:
    await do(saga, f"{name} {saga.now().isoformat()}")
    await do(saga, f"{name} {saga.uuid()}")


async def stamping_branches(saga: Saga, _order: Order) -> None:
    await saga.gather(saga.branch(stamps, "x"), saga.branch(stamps, "y"))
    await saga.receive("stop", Message)


async def test_those_of_branches_stay_with_their_steps() -> None:
    service = await begun(stamping_branches)
    service.skip(DAY)

    await back(service, "1.1")
    await on(service)

    assert await status(service) == "waiting"
    stamped = [name[0] for name in await tallies(service)]
    assert (stamped.count("x"), stamped.count("y")) == (3, 4)  # the time of x stays


async def test_a_step_that_the_saga_does_not_have_is_refused() -> None:
    service = await begun(clocks)

    with pytest.raises(CannotCompensate, match="no step '9'"):
        await back(service, "9")


async def test_tags_that_were_set_after_it_are_set_again() -> None:
    async def tagged(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        message = await saga.receive("go", Message)
        saga.tag(said=message.text)
        await do(saga, "b")

    service = await begun(tagged)
    await go(service, "one")
    await service.settle()
    await back(service, "1")
    await on(service)
    await go(service, "two", id="second")
    await service.settle()

    assert (await service.engine.view("s1")).attributes == {"said": "two"}
