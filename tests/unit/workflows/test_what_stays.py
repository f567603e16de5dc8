"""What partial undo, skipping, force and abandoning leave behind is listed, and a new round has new keys."""

from typing import Any

from tests.unit.workflows.toys import (
    ONCE,
    TALLIES,
    Do,
    Message,
    Order,
    Remote,
    Undo,
    counts,
    do,
    refusing,
    send,
)
from workflows.saga import NOTHING, Saga, SagaDefinition
from workflows.saga.testing import MemoryService

WHO: dict[str, Any] = {"actor": "ana", "reason": "she looked"}


async def steps(saga: Saga, _order: Order) -> int:
    await do(saga, "a")
    sent = await send(saga, ONCE)
    await do(saga, "b")
    return sent.number


async def pivoted(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    saga.pivot()
    await do(saga, "b")


def service_of(function: Any, remote: Remote | None = None) -> MemoryService:
    calls = (remote or Remote()).calls()
    return MemoryService(TALLIES, [SagaDefinition("saga", function, Order, signals={"go": Message})], calls)


def left(outcome: Any) -> list[str]:
    return [step.step for step in outcome.saga.left]


async def test_going_back_to_a_step_undoes_what_follows_it_and_stops() -> None:
    service = service_of(steps)
    await service.run_saga("saga", Order())

    await service.engine.compensate("s1", to_step="1", **WHO)
    await service.settle()

    saga = (await service.outcome()).saga
    assert saga.status == "stuck"
    assert saga.stuck is not None
    assert (saga.stuck.reason, saga.stuck.step) == ("undone-to-step", "1")
    assert await counts(service) == {"a": 1, "b": 0}


async def test_it_goes_on_from_there_under_new_keys() -> None:
    """The other side keeps a tombstone under the first key: the same call must not meet it."""
    remote = Remote()
    service = service_of(steps, remote)
    await service.run_saga("saga", Order())
    await service.engine.compensate("s1", to_step="1", **WHO)
    await service.settle()

    await service.engine.resume("s1", **WHO)
    await service.settle()

    assert (await service.outcome()).saga.status == "completed"
    assert remote.requests == ["send s1/2", "unsend s1/2", "send s1/2~2"]
    assert await counts(service) == {"a": 1, "b": 1}


async def test_it_can_be_undone_wholly_from_there() -> None:
    service = service_of(steps)
    await service.run_saga("saga", Order())
    await service.engine.compensate("s1", to_step="1", **WHO)
    await service.settle()

    await service.engine.compensate("s1", **WHO)
    await service.settle()

    assert (await service.outcome()).saga.status == "compensated"
    assert await counts(service) == {"a": 0, "b": 0}


async def test_a_skipped_compensation_is_listed_and_the_saga_is_not_called_compensated() -> None:
    service = service_of(steps)
    service.refuse = lambda command: isinstance(command, Undo) and command.tally == "a"
    await service.run_saga("saga", Order())
    await service.engine.compensate("s1", **WHO)
    await service.settle()
    assert (await service.outcome()).saga.status == "stuck"

    await service.engine.skip("s1", **WHO)
    await service.settle()

    outcome = await service.outcome()
    assert outcome.saga.status == "abandoned"
    assert left(outcome) == ["1"]
    assert outcome.saga.steps[0].status == "skipped"


async def test_abandoning_undoes_nothing_and_lists_what_stays() -> None:
    service = service_of(pivoted)
    service.refuse = refusing("b")
    await service.run_saga("saga", Order())
    assert (await service.outcome()).saga.status == "stuck"

    await service.engine.abandon("s1", **WHO)
    await service.settle()

    outcome = await service.outcome()
    assert (outcome.saga.status, left(outcome)) == ("abandoned", ["1"])
    assert await counts(service) == {"a": 1}


async def test_force_undoes_what_can_be_undone_past_the_pivot_and_lists_the_rest() -> None:
    service = service_of(pivoted)
    await service.run_saga("saga", Order())

    await service.engine.compensate("s1", force=True, **WHO)
    await service.settle()

    outcome = await service.outcome()
    assert (outcome.saga.status, left(outcome)) == ("abandoned", ["2"])
    assert await counts(service) == {"a": 0, "b": 1}


async def test_a_completed_saga_undone_by_force_says_which_step_has_no_compensation() -> None:
    async def half_undoable(saga: Saga, _order: Order) -> None:
        await saga.execute(Do(tally="a"), compensate=NOTHING)
        await do(saga, "b")

    service = service_of(half_undoable)
    await service.run_saga("saga", Order())
    await service.engine.compensate("s1", force=True, **WHO)
    await service.settle()

    outcome = await service.outcome()
    assert (outcome.saga.status, left(outcome)) == ("abandoned", ["1"])
    assert await counts(service) == {"a": 1, "b": 0}


async def test_what_an_abandoned_child_left_stays_of_its_parent_too() -> None:
    async def part(saga: Saga, _order: Order) -> None:
        await do(saga, "part")
        await saga.receive("go", Message)

    child = SagaDefinition("part", part, Order, signals={"go": Message})

    async def whole(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        await saga.start(child, Order(), id="p1")

    service = MemoryService(TALLIES, [SagaDefinition("saga", whole, Order), child])
    await service.run_saga("saga", Order())
    await service.engine.abandon("p1", **WHO)
    await service.settle()

    outcome = await service.outcome()
    assert (outcome.saga.status, left(outcome)) == ("abandoned", ["2"])
    assert await counts(service) == {"a": 0, "part": 1}


async def test_an_abandoned_child_that_did_nothing_leaves_nothing() -> None:
    async def part(saga: Saga, _order: Order) -> None:
        await saga.receive("go", Message)

    child = SagaDefinition("part", part, Order, signals={"go": Message})

    async def whole(saga: Saga, _order: Order) -> None:
        await do(saga, "a")
        await saga.start(child, Order(), id="p1")

    service = MemoryService(TALLIES, [SagaDefinition("saga", whole, Order), child])
    await service.run_saga("saga", Order())
    await service.engine.abandon("p1", **WHO)
    await service.settle()

    outcome = await service.outcome()
    assert (outcome.saga.status, left(outcome)) == ("compensated", [])
