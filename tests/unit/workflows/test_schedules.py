"""Schedules: what may be declared, and what happens when a time has come, once or more often."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from eventstore import StoreUnavailable
from tests.unit.workflows.toys import CODEC, TALLIES, Order, do
from workflows.saga import Registry, Saga, SagaDefinition, SagaEngine, Schedule
from workflows.saga.errors import SagaNotFound, StoreAway
from workflows.saga.scheduled_start import NotStarted, start_scheduled
from workflows.saga.schedules import scheduled_id
from workflows.saga.testing import MemoryService

DUE = datetime(2026, 7, 1, 3, 0, tzinfo=ZoneInfo("Europe/Lisbon"))
SAGA_ID = "nightly-2026-07-01T02:00:00Z"


def order_of(due: datetime) -> Order:
    return Order(name=due.isoformat())


async def one_step(saga: Saga, order: Order) -> str:
    await do(saga, "a")
    return order.name


def nightly(**changes: Any) -> SagaDefinition:
    schedule = Schedule(**{"cron": "0 3 * * *", "input": order_of, **changes})
    return SagaDefinition("nightly", one_step, Order, schedule=schedule)


async def test_a_time_that_has_come_starts_one_saga_however_often_it_is_told() -> None:
    service = MemoryService(TALLIES, [nightly()])

    for _ in range(3):
        await service.tick("nightly", DUE)
        await service.settle()

    outcome = await service.outcome(SAGA_ID)
    assert outcome.saga.result == "2026-07-01T03:00:00+01:00"
    assert outcome.entries.count("SagaRequested") == 1
    [requested, *_] = await service.stream(f"saga-{SAGA_ID}")
    assert requested.metadata["actor"] == "schedule"


async def test_a_time_that_was_told_before_with_another_input_starts_nothing() -> None:
    service = MemoryService(TALLIES, [nightly(input=lambda _due: Order(name="of the version before"))])
    await service.tick("nightly", DUE)

    await start_scheduled(SagaEngine(service.store, Registry([nightly()]), CODEC), "nightly", DUE)

    assert (await service.engine.view(SAGA_ID)).input == {"name": "of the version before"}


async def test_a_time_of_a_schedule_that_is_gone_starts_nothing() -> None:
    service = MemoryService(TALLIES, [SagaDefinition("nightly", one_step, Order)])

    await service.tick("nightly", DUE)
    await service.tick("retired", DUE)

    assert service.store.appends == 0


async def test_a_database_that_is_away_leaves_it_to_be_done_again() -> None:
    service = MemoryService(TALLIES, [nightly()])

    async def away(_number: int) -> None:
        raise StoreUnavailable("nobody answers")

    service.store.before_append = away

    with pytest.raises(StoreAway):
        await service.tick("nightly", DUE)


async def test_an_input_that_cannot_be_made_is_said_and_not_tried_for_ever() -> None:
    service = MemoryService(TALLIES, [nightly(input=lambda _due: {"name": 7})])

    with pytest.raises(NotStarted, match=f"{SAGA_ID}: ValidationError"):
        await service.tick("nightly", DUE)
    with pytest.raises(SagaNotFound):
        await service.engine.view(SAGA_ID)


def test_the_id_has_the_time_in_utc() -> None:
    assert scheduled_id("nightly", DUE) == scheduled_id("nightly", DUE.astimezone(UTC)) == SAGA_ID


@pytest.mark.parametrize("cron", ["* * * * *", "*/10 * * * * *", "30 4 1,15 MAR thu,FRI", "@daily"])
def test_cron_expressions_have_five_fields_or_six(cron: str) -> None:
    nightly(cron=cron)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"cron": "at noon"}, "'at noon' is no cron expression"),
        ({"cron": "61 * * * *"}, "is no cron expression"),
        ({"cron": "R 3 * * *"}, "that all executors agree on"),
        ({"cron": "H(0-30) 3 * * *"}, "is no cron expression"),
        ({"cron": "0 0 30 2 *"}, "names no time that ever comes"),
        ({"timezone": "Europe/Atlantis"}, "'Europe/Atlantis' is no time zone"),
        ({"timezone": "../etc"}, "'../etc' is no time zone"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        nightly(**changes)


@pytest.mark.parametrize("name", ["mit umlaut ü", "a/b", "x" * 91])
def test_a_name_that_can_be_no_part_of_an_id_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a saga with a schedule has a name of"):
        SagaDefinition(name, one_step, Order, schedule=Schedule("* * * * *", order_of))
