"""Acting on many sagas while the database comes and goes: what is not known is said, and comes again."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from psycopg import AsyncConnection

from app.bulk import BulkAction, BulkAnswer, act_on_all
from app.readmodels.sagas import SagaFilter, SagaList, SagaProjection
from domain.aggregates import CATALOG
from eventstore import StoreUnavailable
from eventstore.connections import store_pool
from eventstore.projections import LIVE_SCHEMA, work_in
from tests.conftest import Database
from tests.unit.workflows.toys import Order, do, service_of
from workflows.saga import Saga, operations
from workflows.saga.codec import EventCodec
from workflows.saga.testing import MemoryService

CODEC = EventCodec(CATALOG)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


async def one_step(saga: Saga, _order: Order) -> None:
    await do(saga, "a")


@pytest.fixture
async def sagas(database: Database) -> AsyncIterator[SagaList]:
    async with store_pool(database.url, 2) as pool:
        yield SagaList(pool)


async def three_completed(database: Database) -> MemoryService:
    """In memory; the list of them is in Postgres."""
    service = service_of(one_step)
    for saga_id in ("s1", "s2", "s3"):
        await service.run_saga("saga", Order(), saga_id)
    events = [event async for event in service.store.read_all()]
    async with await AsyncConnection.connect(database.url) as connection:
        await work_in(connection, LIVE_SCHEMA)
        await SagaProjection(CODEC).apply(connection, events)
    return service


async def undo_all(
    sagas: SagaList, service: MemoryService, before: int | None = None, seconds_max: float = 10
) -> BulkAnswer:
    decide = partial(operations.compensate, actor="ana", reason="x")
    asked = BulkAction("compensate", decide, SagaFilter(name="saga"), "ana", dry_run=False)
    return await act_on_all(sagas, service.engine, asked, seconds_max=seconds_max, before=before)


def told(answer: BulkAnswer) -> list[tuple[str, str]]:
    return [(each.saga_id, each.outcome) for each in answer.outcomes]


async def test_it_ends_where_the_database_goes_away_and_goes_on_from_there(
    database: Database, sagas: SagaList
) -> None:
    service = await three_completed(database)
    appends = service.store.appends

    async def away(number: int) -> None:
        if number == appends + 2:
            raise StoreUnavailable("away")

    service.store.before_append = away

    first = await undo_all(sagas, service)
    second = await undo_all(sagas, service, before=int(first.next or ""))

    assert told(first) == [("s3", "acted"), ("s2", "unknown")]
    assert told(second) == [("s2", "acted"), ("s1", "acted")]
    assert second.next is None


async def test_one_that_is_broken_does_not_stop_the_others(database: Database, sagas: SagaList) -> None:
    service = await three_completed(database)
    appends = service.store.appends

    async def broken(number: int) -> None:
        if number == appends + 2:
            raise KeyError("an entry that this version does not know")

    service.store.before_append = broken

    answer = await undo_all(sagas, service)

    assert told(answer) == [("s3", "acted"), ("s2", "failed"), ("s1", "acted")]
    assert answer.outcomes[1].code == "internal"


async def test_it_takes_no_longer_than_a_request_may(database: Database, sagas: SagaList) -> None:
    service = await three_completed(database)

    appends = service.store.appends

    async def never(number: int) -> None:
        if number > appends + 1:
            await asyncio.Event().wait()

    service.store.after_append = never

    answer = await undo_all(sagas, service, seconds_max=3)

    assert told(answer) == [("s3", "acted"), ("s2", "unknown")]
    assert answer.next is not None
