"""A wait that is longer than the calendar is refused before it is recorded, and readable if it was."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.workflows.toys import SEND, TALLIES, UNSEND, Message, Order, Remote, do
from workflows.saga import Saga, SagaDefinition
from workflows.saga.step_state import later
from workflows.saga.testing import MemoryService

TOO_LONG = timedelta(days=3_000_000)


async def sleeps(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await saga.sleep(TOO_LONG)


async def sleeps_until(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await saga.sleep_until(datetime.max.replace(tzinfo=UTC))


async def receives(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await saga.receive("go", Message, timeout=timedelta.max)


async def calls(saga: Saga, _order: Order) -> None:
    await do(saga, "a")
    await saga.call(SEND, Message(), compensate=UNSEND.of(Message()), timeout=TOO_LONG)


@pytest.mark.parametrize("function", [sleeps, sleeps_until, receives, calls])
async def test_it_is_refused_and_the_saga_can_be_undone(function: Any) -> None:
    definition = SagaDefinition("saga", function, Order, signals={"go": Message})
    service = MemoryService(TALLIES, [definition], Remote().calls())

    stuck = await service.run_saga("saga", Order())
    await service.engine.compensate("s1", actor="ana", reason="too long")
    await service.settle()

    assert stuck.saga.stuck is not None
    assert "longer than a saga can wait" in stuck.saga.stuck.error
    assert (await service.outcome()).saga.status == "compensated"


def test_what_is_recorded_beyond_the_calendar_ends_with_it() -> None:
    assert later(datetime(2026, 1, 1, tzinfo=UTC), 1e15) == datetime.max.replace(tzinfo=UTC)
