"""A saga that succeeds."""

from collections import defaultdict

import pytest

from domain.stock import ReserveStock
from tests.unit.workflows.shop import ORDER, stocked_shop
from workflows.saga.testing import killed_at


async def test_a_saga_that_succeeds_compensates_nothing() -> None:
    service = await stocked_shop()

    outcome = await service.run_saga("fulfil-order", ORDER)

    assert outcome.saga.status == "completed"
    assert outcome.saga.result["tracking"] == "T-o1"
    assert outcome.compensations == []
    assert outcome.entries == [
        "SagaRequested",
        "RunStarted",
        *["StepSucceeded"] * 4,  # place, reserve twice, hold
        "StepStarted",
        "StepSucceeded",  # the carrier
        *["StepSucceeded"] * 2,  # capture, deposit
        "PivotReached",
        *["StepSucceeded"] * 4,  # ship twice, dispatch, complete
        "SagaCompleted",
    ]


async def test_the_events_of_a_step_and_its_journal_entry_are_one_append() -> None:
    service = await stocked_shop()

    outcome = await service.run_saga("fulfil-order", ORDER)

    appends = defaultdict(list)
    async for event in service.store.read_all():
        appends[event.commit_position].append(event)
    for step in outcome.saga.steps:
        if step.kind == "execute":
            (together,) = [
                events for events in appends.values() if any(e.data.get("step") == step.step for e in events)
            ]
            assert [e.version for e in together if e.stream == step.stream] == step.versions != []


async def test_a_saga_needs_one_run() -> None:
    service = await stocked_shop()
    await service.engine.start("fulfil-order", ORDER, saga_id="s1")

    await service.run_next()

    assert service.enqueued == []
    assert (await service.engine.view("s1")).status == "completed"


@pytest.mark.parametrize("append", range(3, 8))
async def test_a_command_that_changes_nothing_is_a_step_too_also_on_replay(append: int) -> None:
    service = await stocked_shop()
    await service.apply(ReserveStock(sku="11", order_id="o1", quantity=2))
    service.store.appends, service.store.before_append = 0, killed_at(append)

    outcome = await service.run_saga("fulfil-order", ORDER)

    assert outcome.saga.status == "completed"
    assert [(step.stream, step.versions) for step in outcome.saga.steps[1:3]] == [
        ("stock-11", []),
        ("stock-12", [2]),
    ]
