"""Waits, children, operators and new beginnings, killed at every append: as if nothing had happened.

Whoever asked and got no answer asks again: clients and operators too, under the same ids.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from domain import Command
from tests.unit.workflows.toys import (
    TALLIES,
    Do,
    History,
    Message,
    Order,
    Remote,
    Undo,
    do,
    histories,
    refusing,
)
from workflows.saga import NOTHING, Saga, SagaDefinition
from workflows.saga.errors import NotPossible
from workflows.saga.testing import Killed, MemoryService, killed_at

Act = Callable[[MemoryService], Awaitable[Any]]
"""What somebody does when nothing goes on by itself."""

WHO: dict[str, str] = {"actor": "ana", "reason": "she looked"}


async def waiting(saga: Saga, _order: Order) -> str:
    await do(saga, "a")
    signal = await saga.receive("go", Message)
    await saga.sleep(timedelta(days=1))
    late = await saga.receive("go", Message, timeout=timedelta(hours=1))
    await do(saga, "b")
    return f"{signal.text}, {late}"


async def part(saga: Saga, _order: Order) -> str:
    await do(saga, "part")
    await do(saga, "part-2")
    return "done"


PART = SagaDefinition("part", part, Order)


async def whole(saga: Saga, _order: Order) -> str:
    await do(saga, "a")
    result: str = await saga.start(PART, Order())
    await do(saga, "b")
    return result


async def beside(saga: Saga, _order: Order) -> None:
    await saga.gather(saga.start(PART, Order()), saga.branch(go_then_do), do(saga, "a"))


async def go_then_do(saga: Saga) -> None:
    await saga.receive("go", Message)
    await do(saga, "branch")


async def undone_badly(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await do(saga, "b")
    await do(saga, "c")


async def past_the_pivot(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    saga.pivot()
    await do(saga, "b")


async def twice(saga: Saga, order: Order) -> None:
    saga.tag(turn=order.name)
    saga.uuid()
    await saga.execute(Do(tally=order.name), compensate=NOTHING)
    if order.name == "order":
        saga.continue_as(Order(name="again"))


def nothing(_command: Command) -> bool:
    return False


def b_cannot_be_undone(command: Command) -> bool:
    return refusing("c")(command) or (isinstance(command, Undo) and command.tally == "b")


def part_cannot_be_undone(command: Command) -> bool:
    return refusing("part-2")(command) or (isinstance(command, Undo) and command.tally == "part")


async def go(service: MemoryService) -> None:
    await service.engine.signal("s1", "go", {"text": "go"}, signal_id="go-1", actor="ana")


async def mend(service: MemoryService) -> None:
    service.refuse = nothing


async def retry(service: MemoryService) -> None:
    await service.engine.retry("s1", **WHO)


async def resume(service: MemoryService) -> None:
    await service.engine.resume("s1", **WHO)


async def skip(service: MemoryService) -> None:
    await service.engine.skip("s1", **WHO)


async def abandon(service: MemoryService) -> None:
    await service.engine.abandon("s1", **WHO)


async def abandon_the_part(service: MemoryService) -> None:
    await service.engine.abandon("s1.2", **WHO)


async def compensate(service: MemoryService) -> None:
    await service.engine.compensate("s1", **WHO)


async def compensate_to_the_first_step(service: MemoryService) -> None:
    await service.engine.compensate("s1", to_step="1", **WHO)


async def force(service: MemoryService) -> None:
    await service.engine.compensate("s1", force=True, **WHO)


@dataclass(frozen=True)
class Scenario:
    function: Callable[[Saga, Any], Awaitable[Any]]
    ends: str
    acts: tuple[Act, ...] = ()
    refuse: Callable[[Command], bool] = nothing


SCENARIOS = {
    "signal, sleep and timeout": Scenario(waiting, "completed", (go,)),
    "signal that comes too early": Scenario(waiting, "completed", (go,)),
    "child": Scenario(whole, "completed"),
    "child that is refused": Scenario(whole, "compensated", refuse=refusing("part-2")),
    "child that is undone with its parent": Scenario(whole, "compensated", refuse=refusing("b")),
    "child that is undone when its parent has ended": Scenario(whole, "compensated", (compensate,)),
    "child that is abandoned": Scenario(whole, "abandoned", (abandon_the_part,), part_cannot_be_undone),
    "branches beside a child": Scenario(beside, "completed", (go,)),
    "retry": Scenario(undone_badly, "compensated", (mend, retry), b_cannot_be_undone),
    "skip": Scenario(undone_badly, "abandoned", (skip,), b_cannot_be_undone),
    "abandon": Scenario(undone_badly, "abandoned", (abandon,), b_cannot_be_undone),
    "resume": Scenario(past_the_pivot, "completed", (mend, resume), refusing("b")),
    "force": Scenario(past_the_pivot, "abandoned", (force,)),
    "completed, back to a step and on": Scenario(
        undone_badly, "completed", (compensate_to_the_first_step, resume)
    ),
    "waiting, back to a step and on": Scenario(
        waiting, "completed", (compensate_to_the_first_step, resume, go)
    ),
    "continue": Scenario(twice, "completed"),
}


async def persistently(act: Act, service: MemoryService) -> None:
    """Asks again when it got no answer; that it is done already is one."""
    try:
        await act(service)
    except Killed:
        with suppress(NotPossible):
            await act(service)


async def start(service: MemoryService) -> None:
    await service.engine.start("saga", Order(), saga_id="s1")


async def run(service: MemoryService, scenario: Scenario, *, early: bool) -> dict[str, History]:
    await persistently(start, service)
    for act in scenario.acts:
        if not early:
            await service.settle()
        await persistently(act, service)
    await service.settle()
    streams = await histories(service)
    return {stream: _comparable(entries) for stream, entries in streams.items()}


def _comparable(entries: History) -> History:
    """Without what is measured or made up, and without failures of a compensation: a process that dies before
    its saga is stuck leaves the next one to try once more."""
    return [
        (name, {key: value for key, value in data.items() if key not in ("delay_seconds", "value")})
        for name, data in entries
        if name != "CompensationFailed"
    ]


def service_for(scenario: Scenario) -> MemoryService:
    sagas = [SagaDefinition("saga", scenario.function, Order, signals={"go": Message}), PART]
    return MemoryService(TALLIES, sagas, Remote().calls(), refuse=scenario.refuse)


@pytest.mark.slow
@pytest.mark.parametrize("answer_lost", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_it_ends_like_an_undisturbed_one(name: str, answer_lost: bool) -> None:
    scenario, early = SCENARIOS[name], name.endswith("early")
    undisturbed = service_for(scenario)
    expected = await run(undisturbed, scenario, early=early)
    assert (await undisturbed.outcome()).saga.status == scenario.ends

    for append in range(1, undisturbed.store.appends + 1):
        service = service_for(scenario)
        if answer_lost:
            service.store.after_append = killed_at(append)
        else:
            service.store.before_append = killed_at(append)

        assert await run(service, scenario, early=early) == expected, f"killed at append {append}"
