"""A preview says what undoing would do, and does nothing."""

import pytest

from domain import Catalog
from tests.unit.workflows.toys import (
    AWAY,
    CODEC,
    TALLIES,
    Do,
    Order,
    Remote,
    Undo,
    do,
    failing,
    refusing,
    request,
    send,
    service_of,
)
from workflows.saga import NOTHING, Saga, SagaDefinition
from workflows.saga.codec import EventCodec
from workflows.saga.errors import SagaNotFound
from workflows.saga.preview import EVENTS_SINCE_MAX, PreviewView, preview
from workflows.saga.testing import MemoryService


async def three(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await send(saga)
    await do(saga, "b")


async def look(service: MemoryService, to_step: str | None = None, *, force: bool = False) -> PreviewView:
    return await preview(service.store, CODEC, "s1", to_step=to_step, force=force)


async def test_it_lists_the_commands_in_the_order_in_which_they_then_run() -> None:
    service = service_of(three, Remote())
    await service.run_saga("saga", Order())
    version = len(await service.stream("saga-s1"))

    seen = await look(service)

    assert [(each.step, each.kind, each.name) for each in seen.commands] == [
        ("3", "command", "Undo"),
        ("2", "call", "unsend"),
        ("1", "command", "Undo"),
    ]
    assert (seen.possible, seen.blocked_by, seen.journal_version) == (True, [], version)
    assert len(await service.stream("saga-s1")) == version
    await request(service)
    await service.settle()
    undone = (await service.outcome()).compensations
    assert [each.model_dump(mode="json") for each in undone] == [
        {"tally": "b"},
        {"text": "hello"},
        {"tally": "a"},
    ]
    assert [each.data for each in seen.commands] == [
        Undo(tally="b").model_dump(),
        {"text": "hello"},
        Undo(tally="a").model_dump(),
    ]


async def test_it_tells_what_happened_to_the_aggregates_since() -> None:
    service = service_of(three, Remote())
    await service.run_saga("saga", Order())
    await service.apply(Do(tally="a"), Undo(tally="a"))

    [b, unsend, a] = (await look(service)).commands

    assert a.aggregate is not None
    assert (a.aggregate.stream, a.aggregate.version_then, a.aggregate.version_now) == ("tally-a", 1, 3)
    assert (a.aggregate.changed, a.aggregate.events_since) == (True, ["Done", "Undone"])
    assert b.aggregate is not None
    assert (b.aggregate.version_then, b.aggregate.version_now, b.aggregate.changed) == (1, 1, False)
    assert unsend.aggregate is None


async def test_an_aggregate_that_moved_on_for_long_is_not_read_whole() -> None:
    service = service_of(three, Remote())
    await service.run_saga("saga", Order())
    await service.apply(*[Do(tally="a")] * (EVENTS_SINCE_MAX + 5))

    aggregate = (await look(service)).commands[-1].aggregate

    assert aggregate is not None
    assert (aggregate.version_then, aggregate.version_now) == (None, EVENTS_SINCE_MAX + 6)
    assert len(aggregate.events_since) == EVENTS_SINCE_MAX


async def elsewhere(saga: Saga, _order: Order) -> None:
    """Undone in another aggregate than it was done in."""
    await saga.execute(Do(tally="a"), compensate=Do(tally="b"))


async def test_a_step_may_be_undone_in_another_aggregate() -> None:
    service = service_of(elsewhere)
    await service.apply(Do(tally="b"))
    await service.run_saga("saga", Order())
    await service.apply(Do(tally="b"))

    [planned] = (await look(service)).commands

    assert planned.aggregate is not None
    assert (planned.aggregate.stream, planned.aggregate.version_then) == ("tally-b", 1)
    assert planned.aggregate.events_since == ["Done"]


async def past_the_pivot(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await saga.execute(Do(tally="b"), compensate=NOTHING)
    saga.pivot()
    await saga.execute(Do(tally="c"))


async def test_it_names_what_blocks_it_and_what_would_stay() -> None:
    service = service_of(past_the_pivot)
    await service.run_saga("saga", Order())

    refused, forced = await look(service), await look(service, force=True)

    assert not refused.possible
    assert forced.possible
    reason = "the saga has passed its pivot, and Do (step 3) cannot be undone"
    assert refused.blocked_by == forced.blocked_by == [reason]
    assert [each.step for each in forced.commands] == ["1"]
    assert [each.step for each in forced.without_compensation] == ["2", "3"]


async def test_it_goes_back_to_a_step_and_knows_none_that_was_not_taken() -> None:
    service = service_of(three, Remote())
    await service.run_saga("saga", Order())

    some, none = await look(service, "1"), await look(service, "9")

    assert [each.step for each in some.commands] == ["3", "2"]
    assert (none.possible, none.blocked_by, none.commands) == (False, ["the saga has no step '9'"], [])


async def test_what_is_undone_already_is_left_out() -> None:
    remote = Remote()
    remote.before_unsend = failing(AWAY)
    service = service_of(three, remote, refuse=refusing("b"))
    await service.run_saga("saga", Order())

    seen = await look(service)

    assert seen.status == "stuck"
    assert [each.step for each in seen.commands] == ["2", "1"]


CHILD = SagaDefinition("child", three, Order)


async def parent(saga: Saga, order: Order) -> None:
    await do(saga, "p")
    await saga.start(CHILD, order)


async def test_a_child_shows_what_it_would_undo_itself() -> None:
    service = MemoryService(TALLIES, [SagaDefinition("saga", parent, Order), CHILD], Remote().calls())
    await service.run_saga("saga", Order())

    [child, own] = (await look(service)).commands

    assert (child.kind, child.data, own.step_name) == ("saga", {"saga_id": "s1.2"}, "Do")
    assert child.saga is not None
    assert [each.step for each in child.saga.commands] == ["3", "2", "1"]


async def test_a_command_that_the_code_forgot_is_said() -> None:
    service = service_of(elsewhere)
    await service.run_saga("saga", Order())

    [planned] = (await preview(service.store, EventCodec(Catalog([])), "s1")).commands

    assert planned.problem == "the code does not know this command any more: UnknownSchema"
    assert planned.aggregate is None


async def test_there_is_nothing_to_preview_without_a_saga() -> None:
    with pytest.raises(SagaNotFound):
        await look(service_of(three))
