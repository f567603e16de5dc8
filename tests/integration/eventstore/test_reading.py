"""Reads survive connections that broke while idle, and say so when the database stays away."""

import pytest

from eventstore import Batch, StoreUnavailable
from eventstore.connections import store_pool
from eventstore.postgres import PostgresEventStore
from tests.conftest import Database
from tests.integration.eventstore.stores import (
    away,
    connect,
    end_sessions,
    everything,
    happened,
    open_appender,
    open_store,
)

pytestmark = pytest.mark.postgres


async def test_a_read_survives_connections_that_broke_while_idle(database: Database) -> None:
    async with open_store(database.url) as store, await connect(database.admin_url) as admin:
        await store.append([Batch("x-1", 0, [happened()])])
        assert len(await everything(store.read_all())) == 1
        await end_sessions(admin)

        assert len(await everything(store.read_stream("x-1"))) == 1


async def test_a_read_breaks_off_between_pages_and_not_silently(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.reader.READ_PATIENCE_SECONDS", 0.1)
    async with (
        open_appender(database.url) as appender,
        store_pool(database.url, 2, timeout_seconds=0.2) as pool,
        await connect(database.admin_url) as admin,
    ):
        await pool.wait()  # its patience is for the time while the database is away
        store = PostgresEventStore(pool, appender, page_events=2)
        await store.append([Batch("x-1", 0, [happened() for _ in range(5)])])
        reading = store.read_stream("x-1")
        assert (await anext(reading)).version == 1
        async with away(admin):
            assert (await anext(reading)).version == 2
            with pytest.raises(StoreUnavailable):
                await anext(reading)
