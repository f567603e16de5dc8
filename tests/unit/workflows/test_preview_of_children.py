"""A preview says what becomes of the children too: what they would undo, and that one of them blocks it."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from tests.unit.workflows.family import SIGNALS, WHO, begun, status
from tests.unit.workflows.toys import Do, Message, Order, Undo, counts, do, refusing
from workflows.saga import NOTHING, Saga, SagaDefinition
from workflows.saga.preview import PlannedView, PreviewView, preview
from workflows.saga.testing import MemoryService


async def leaf(saga: Saga, _order: Order) -> None:
    await do(saga, "leaf-1")
    await do(saga, "leaf-2")
    await saga.receive("stop", Message)
    saga.pivot()
    await saga.execute(Do(tally="leaf-3"))


LEAF = SagaDefinition("leaf", leaf, Order, signals=SIGNALS)


async def lasting(saga: Saga, _order: Order) -> None:
    await saga.execute(Do(tally="lasting"), compensate=NOTHING)


LASTING = SagaDefinition("lasting", lasting, Order)


async def middle(saga: Saga, _order: Order) -> None:
    await do(saga, "middle-1")
    await saga.gather(saga.start(LEAF, Order()), saga.start(LEAF, Order()))
    await do(saga, "middle-2")


MIDDLE = SagaDefinition("middle", middle, Order)


async def root(saga: Saga, _order: Order) -> None:
    await do(saga, "root-1")
    await saga.start(MIDDLE, Order())
    await do(saga, "root-2")
    await saga.receive("go", Message)


async def with_lasting(saga: Saga, _order: Order) -> None:
    await do(saga, "root-1")
    await saga.start(LASTING, Order())
    await do(saga, "root-2")


async def look(service: MemoryService, *, force: bool = False) -> PreviewView:
    return await preview(service.store, service.codec, "s1", force=force)


def flat(seen: PreviewView) -> Iterator[PlannedView]:
    """All commands in the order in which they would run; a request to a child comes before its commands."""
    for planned in seen.commands:
        yield planned
        if planned.saga is not None:
            yield from flat(planned.saga)


async def family() -> MemoryService:
    return await begun(root, MIDDLE, LEAF, LASTING)


async def stop(service: MemoryService, child: str) -> None:
    await service.engine.signal(child, "stop", {}, actor="ana")
    await service.settle()


async def undo(service: MemoryService, saga_id: str = "s1", **more: Any) -> None:
    await service.engine.compensate(saga_id, **WHO, **more)
    await service.settle()


async def waiting() -> MemoryService:
    """All of them wait."""
    return await family()


async def stuck_leaves() -> MemoryService:
    """By a bug of their decider."""

    def breaks(command: Any) -> bool:
        return command == Do(tally="leaf-2") and 1 / 0 > 0

    service = await begun(root, MIDDLE, LEAF, refuse=breaks)
    assert await status(service, "s1.2.2") == "stuck"
    service.refuse = refusing()
    return service


async def one_leaf_undone() -> MemoryService:
    """An operator undid it, and its parent has not seen that yet."""
    service = await family()
    await service.engine.compensate("s1.2.3", **WHO)
    await service.run_next()
    assert [await status(service, each) for each in ("s1.2.3", "s1.2")] == ["compensated", "queued"]
    return service


async def one_leaf_being_undone() -> MemoryService:
    service = await family()
    await service.engine.compensate("s1.2.3", **WHO)
    return service


async def a_leaf_past_its_pivot() -> MemoryService:
    service = await family()
    await stop(service, "s1.2.2")
    return service


async def a_leaf_abandoned_after_it_completed() -> MemoryService:
    service = await family()
    await stop(service, "s1.2.2")
    await undo(service, "s1.2.2", force=True)
    assert await status(service, "s1.2.2") == "abandoned"
    return service


async def completed_with_a_step_that_stays() -> MemoryService:
    return await begun(with_lasting, LASTING)


async def waits_for_a_stuck_leaf() -> MemoryService:
    """The family is being undone already."""
    service = await family()
    service.refuse = lambda command: isinstance(command, Undo) and command.tally == "leaf-1"
    await undo(service)
    assert await status(service) == "compensating"
    service.refuse = refusing()
    return service


State = Callable[[], Awaitable[MemoryService]]
FREE: list[State] = [waiting, stuck_leaves, one_leaf_undone, one_leaf_being_undone]
BLOCKED: dict[State, str] = {
    a_leaf_past_its_pivot: (
        "s1.2 (step 2): s1.2.2 (step 2): the saga has passed its pivot, and Do (step 4) cannot be undone"
    ),
    a_leaf_abandoned_after_it_completed: "s1.2 (step 2): s1.2.2 (step 2): the saga was abandoned",
    completed_with_a_step_that_stays: (
        "s1.2 (step 2): the saga has completed, and these steps have no compensation: Do (step 1)"
    ),
    waits_for_a_stuck_leaf: "s1.2 (step 2): s1.2.3 (step 3): it is stuck, and waits for its operator",
}


@pytest.mark.parametrize("state", FREE, ids=lambda state: state.__name__)
async def test_all_commands_are_listed_in_the_order_in_which_they_then_run(state: State) -> None:
    service = await state()
    before = len((await service.outcome()).compensations)

    seen = await look(service)
    await undo(service)

    outcome = await service.outcome()
    assert (seen.possible, seen.blocked_by, outcome.status) == (True, [], "compensated")
    ran = [each.model_dump(mode="json") for each in outcome.compensations[before:]]
    assert [each.data for each in flat(seen) if each.kind == "command"] == ran
    assert set((await counts(service)).values()) == {0}


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("state", BLOCKED, ids=lambda state: state.__name__)
async def test_a_child_that_blocks_its_undoing_blocks_that_of_its_parent(state: State, force: bool) -> None:
    service = await state()

    seen = await look(service, force=force)
    await undo(service, force=force)

    assert not seen.possible
    assert BLOCKED[state] in seen.blocked_by
    assert await status(service) in ("stuck", "compensating")
    assert any(each.problem for each in flat(seen))


async def test_a_child_that_was_undone_is_left_out() -> None:
    service = await one_leaf_undone()

    asked = [each.data["saga_id"] for each in flat(await look(service)) if each.kind == "saga"]

    assert asked == ["s1.2", "s1.2.2"]


async def test_own_reasons_come_first_and_only_they_are_passed_over_by_force() -> None:
    async def own_pivot(saga: Saga, _order: Order) -> None:
        await saga.start(LASTING, Order())
        saga.pivot()
        await saga.execute(Do(tally="root"))

    service = await begun(own_pivot, LASTING)

    forced = await look(service, force=True)

    assert not forced.possible
    assert [reason.partition(":")[0] for reason in forced.blocked_by] == [
        "the saga has passed its pivot, and Do (step 2) cannot be undone",
        "s1.1 (step 1)",
    ]
