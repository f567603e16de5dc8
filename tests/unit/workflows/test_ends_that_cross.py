"""A child's end that crosses what its parent does: the parent never waits for news that has come."""

from typing import Any

from tests.unit.workflows.toys import TALLIES, Do, Message, Order, Undo, counts, do
from workflows.saga import NOTHING, Saga, SagaDefinition
from workflows.saga.testing import MemoryService

WHO: dict[str, Any] = {"actor": "ana", "reason": "she looked"}


async def test_a_child_that_completes_though_it_was_asked_to_undo_itself_is_asked_again() -> None:
    refusing = True

    async def part(saga: Saga, _order: Order) -> None:
        await do(saga, "x")
        await do(saga, "y")
        await saga.receive("go", Message)

    child = SagaDefinition("part", part, Order, signals={"go": Message})

    async def whole(saga: Saga, _order: Order) -> None:
        await saga.start(child, Order(), id="p1")

    def refuse(command: Any) -> bool:
        return refusing and isinstance(command, Undo) and command.tally == "y"

    service = MemoryService(TALLIES, [SagaDefinition("saga", whole, Order), child], refuse=refuse)
    await service.run_saga("saga", Order())
    await service.engine.compensate("s1", **WHO)
    await service.settle()
    assert (await service.engine.view("p1")).status == "stuck"
    refusing = False
    await service.engine.compensate("p1", to_step="2", **WHO)
    await service.settle()
    await service.engine.resume("p1", **WHO)
    await service.settle()
    await service.engine.signal("p1", "go", {"text": "x"}, actor="ana")
    await service.settle()

    assert (await service.engine.view("s1")).status == "compensated"
    assert set((await counts(service)).values()) == {0}


async def half_undoable(saga: Saga, _order: Order) -> None:
    await saga.execute(Do(tally="kept"), compensate=NOTHING)


async def test_a_child_that_is_abandoned_before_it_is_asked_leaves_its_parent_stuck_not_asleep() -> None:
    child = SagaDefinition("part", half_undoable, Order)

    async def whole(saga: Saga, _order: Order) -> None:
        await saga.start(child, Order(), id="p1")
        await saga.receive("go", Message)

    parent = SagaDefinition("saga", whole, Order, signals={"go": Message})
    service = MemoryService(TALLIES, [parent, child])
    await service.run_saga("saga", Order())
    await service.engine.compensate("p1", force=True, **WHO)
    await service.engine.compensate("s1", **WHO)
    [child_run] = [due.request["id"] for due in service.enqueued if due.request["id"].startswith("p1")]
    read = service.store.read_stream

    async def crossing(stream: str, **options: Any) -> Any:
        events = [event async for event in read(stream, **options)]
        if stream == "saga-p1" and events[-1].type == "CompensationRequested":
            service.store.read_stream = read  # type: ignore[method-assign]
            await service.execute(child_run)
        for event in events:
            yield event

    service.store.read_stream = crossing  # type: ignore[method-assign]
    await service.execute(next(d.request["id"] for d in service.enqueued if d.request["id"] != child_run))
    await service.settle()

    saga = await service.engine.view("s1")
    assert (saga.status, saga.stuck and saga.stuck.reason) == ("stuck", "compensation-failed")


async def test_a_parent_that_has_ended_is_told_too_as_it_may_be_opened_again() -> None:
    async def part(saga: Saga, _order: Order) -> None:
        await do(saga, "x")
        await saga.receive("go", Message)

    child = SagaDefinition("part", part, Order, signals={"go": Message})

    async def whole(saga: Saga, _order: Order) -> None:
        await saga.start(child, Order(), id="p1")

    service = MemoryService(TALLIES, [SagaDefinition("saga", whole, Order), child])
    await service.run_saga("saga", Order())
    await service.engine.abandon("s1", **WHO)
    await service.engine.compensate("p1", **WHO)
    await service.settle()
    assert (await service.engine.view("s1")).status == "abandoned"

    await service.engine.compensate("s1", force=True, **WHO)
    await service.settle()

    assert (await service.engine.view("s1")).status == "compensated"
