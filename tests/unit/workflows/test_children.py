"""Children: awaited, left alone, refused, undone by others, and undone with their parent, leaves first."""

from datetime import timedelta

import pytest

from eventstore import Batch
from tests.unit.workflows.family import SIGNALS, WHO, begun, serving, start, status, why_stuck
from tests.unit.workflows.toys import CODEC, Message, Order, Undo, counts, do, refusing
from workflows.saga import Saga, SagaDefinition, journal
from workflows.saga.runs import SHARED, run_request
from workflows.saga.testing import MemoryService

DAY = timedelta(days=1)


async def part(saga: Saga, _order: Order) -> str:
    await do(saga, "part")
    await saga.receive("go", Message)
    await do(saga, "part-2")
    saga.pivot()
    await saga.receive("stop", Message)
    return "done"


PART = SagaDefinition("part", part, Order, signals=SIGNALS)


async def whole(saga: Saga, _order: Order) -> str:
    await do(saga, "a")
    result: str = await saga.start(PART, Order())
    await do(saga, "b")
    return result


async def tell(service: MemoryService, *signals: str) -> None:
    """To the child."""
    for signal in signals:
        await service.engine.signal("s1.2", signal, {}, actor="ana")
        await service.settle()


async def undo(service: MemoryService, saga_id: str = "s1") -> None:
    await service.engine.compensate(saga_id, **WHO)
    await service.settle()


async def test_the_parent_waits_for_the_end_and_gets_the_result() -> None:
    service = await begun(whole, PART)
    view = await service.engine.view("s1")
    assert view.waits_for is not None
    assert (view.status, view.waits_for.children) == ("waiting", ["s1.2"])

    await tell(service, "go", "stop")

    assert (await service.outcome()).result == "done"


async def test_a_detached_child_is_left_alone() -> None:
    async def leaves(saga: Saga, _order: Order) -> str:
        child: str = await saga.start(PART, Order(), detached=True)
        await do(saga, "b")
        return child

    service = await begun(leaves, PART)
    assert (await service.outcome()).result == "s1.1"

    await undo(service)

    assert (await status(service), await status(service, "s1.1")) == ("compensated", "waiting")


@pytest.mark.parametrize("operated", ["compensate", "abandon"])
async def test_a_child_whose_operator_ends_it_is_a_refusal_to_the_parent(operated: str) -> None:
    service = await begun(whole, PART)

    await getattr(service.engine, operated)("s1.2", **WHO)
    await service.settle()

    outcome = await service.outcome()
    ended = {"compensate": "compensated", "abandon": "abandoned"}[operated]
    assert outcome.status == ended  # what an abandoned child did stays
    assert outcome.error is not None
    assert (outcome.error.code, outcome.error.step) == (f"child-{ended}", "2")


async def test_a_child_that_is_refused_says_why() -> None:
    service = await begun(whole, PART, refuse=refusing("part"))

    error = (await service.engine.view("s1")).error

    assert error is not None
    assert "Do is refused" in error.detail


async def test_an_id_that_is_taken_is_a_refusal() -> None:
    service = serving(whole, PART)
    await service.engine.start("part", Order(), saga_id="s1.2")
    await start(service)
    await service.settle()

    error = (await service.engine.view("s1")).error

    assert error is not None
    assert (error.code, error.detail) == ("saga-conflict", "the saga id s1.2 is taken")
    assert await status(service, "s1.2") == "waiting"


async def test_a_run_that_never_came_to_its_journal_does_not_take_an_id() -> None:
    service = serving(whole, PART)
    entry = CODEC.encode(journal.RunNamed(run=1, reason="left over"), {})
    left = run_request(SHARED, "part", "s1.2", 1)
    await service.store.append([Batch("saga-other", 0, [entry])], attachment=left)
    await start(service)
    await service.settle()

    await tell(service, "go", "stop")

    assert (await service.outcome()).result == "done"
    requested = (await service.outcome("s1.2")).journal[0]
    assert isinstance(requested, journal.SagaRequested)
    assert requested.run == 2


async def test_a_parent_that_waits_is_undone_with_its_child() -> None:
    service = await begun(whole, PART)

    await undo(service)

    assert (await status(service), await status(service, "s1.2")) == ("compensated", "compensated")
    assert await counts(service) == {"a": 0, "part": 0}


async def test_a_child_past_its_pivot_leaves_its_parent_stuck_and_can_be_left_out() -> None:
    service = await begun(whole, PART)
    await tell(service, "go")

    await undo(service)
    assert "has passed its pivot" in await why_stuck(service)
    await service.engine.skip("s1", **WHO)
    await service.settle()

    view = await service.engine.view("s1")
    assert (view.status, [left.step for left in view.left]) == ("abandoned", ["2"])
    assert (await counts(service))["a"] == 0


async def test_a_stuck_child_keeps_its_parent_waiting_until_it_is_undone() -> None:
    service = await begun(whole, PART)
    service.refuse = lambda command: isinstance(command, Undo) and command.tally == "part"
    await undo(service)
    assert (await status(service), await status(service, "s1.2")) == ("compensating", "stuck")

    service.refuse = refusing()
    await service.engine.retry("s1.2", **WHO)
    await service.settle()

    assert (await status(service), await status(service, "s1.2")) == ("compensated", "compensated")


async def test_a_child_that_is_abandoned_while_it_is_undone_leaves_its_parent_stuck() -> None:
    service = await begun(whole, PART)
    service.refuse = lambda command: isinstance(command, Undo) and command.tally == "part"
    await undo(service)

    await service.engine.abandon("s1.2", **WHO)
    await service.settle()

    assert "s1.2 was abandoned" in await why_stuck(service)


async def leaf(saga: Saga, _order: Order) -> None:
    await do(saga, "leaf")


LEAF = SagaDefinition("leaf", leaf, Order)


async def middle(saga: Saga, _order: Order) -> None:
    await do(saga, "before the leaf")
    await saga.start(LEAF, Order())
    await do(saga, "after the leaf")


MIDDLE = SagaDefinition("middle", middle, Order)


async def root(saga: Saga, _order: Order) -> None:
    await do(saga, "before")
    await saga.start(MIDDLE, Order())
    await do(saga, "after")


async def test_a_completed_family_is_undone_leaves_first_in_the_order_of_the_steps() -> None:
    service = await begun(root, MIDDLE, LEAF)
    assert await status(service) == "completed"

    await undo(service)

    outcome = await service.outcome()
    assert outcome.status == "compensated"
    assert outcome.compensations == [
        Undo(tally=tally) for tally in ("after", "after the leaf", "leaf", "before the leaf", "before")
    ]


async def test_a_child_that_its_operator_undid_is_not_undone_again() -> None:
    service = await begun(root, MIDDLE, LEAF)

    await undo(service, "s1.2")
    await undo(service)

    assert await status(service) == "compensated"
    assert set((await counts(service)).values()) == {0}
