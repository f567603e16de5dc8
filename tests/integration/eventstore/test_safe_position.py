"""A reader of all streams loses no event and stalls only while an append is open."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from psycopg import AsyncConnection

from eventstore import Batch, UnsafeReader
from eventstore.connections import configure, store_pool
from eventstore.postgres import PostgresEventStore
from tests.conftest import Database
from tests.integration.eventstore.stores import (
    append_by_hand,
    connect,
    everything,
    happened,
    open_appender,
    open_store,
)

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize("commits", [True, False], ids=["commit", "rollback"])
async def test_the_reader_stops_before_an_open_append_and_goes_on_when_it_ends(
    database: Database, commits: bool
) -> None:
    async with open_store(database.url) as store, await connect(database.url) as holder:
        await store.append([Batch("x-1", 0, [happened()])])
        await holder.execute("begin")
        open_position = await append_by_hand(holder, "held-1", 0)
        for number in range(2, 12):
            await store.append([Batch(f"x-{number}", 0, [happened()])])

        assert await store.safe_position() < open_position
        assert [event.stream for event in await everything(store.read_all())] == ["x-1"]

        await holder.execute("commit" if commits else "rollback")

        assert await store.safe_position() > open_position
        streams = [event.stream for event in await everything(store.read_all())]
        assert streams == ["x-1", *(["held-1"] if commits else []), *(f"x-{n}" for n in range(2, 12))]


async def test_an_append_that_lost_its_race_still_holds_the_reader_back(database: Database) -> None:
    """The rolled-back sub-block of a lost race must not release the lock that covers the second try."""
    async with open_store(database.url) as store, await connect(database.url) as holder:
        await store.append([Batch("x-1", 0, [happened()])])
        safe = await store.safe_position()
        await holder.execute("begin")
        with pytest.raises(AssertionError):
            await append_by_hand(holder, "x-1", 0)
        await store.append([Batch("x-2", 0, [happened()])])

        assert await store.safe_position() == safe

        await holder.execute("rollback")
        assert await store.safe_position() > safe


async def test_a_reader_in_repeatable_read_is_refused(database: Database) -> None:
    async def with_old_snapshots(connection: AsyncConnection[Any]) -> None:
        await configure(connection)
        await connection.execute("set default_transaction_isolation = 'repeatable read'")

    async with (
        open_appender(database.url) as appender,
        store_pool(database.url, 1, with_old_snapshots) as pool,
    ):
        store = PostgresEventStore(pool, appender)
        with pytest.raises(UnsafeReader, match="READ COMMITTED"):
            await store.safe_position()
        with pytest.raises(UnsafeReader):
            await anext(store.read_all())


@pytest.mark.slow
async def test_among_writers_that_hold_and_roll_back_every_event_is_read_once(database: Database) -> None:
    committed = asyncio.Event()
    running = 6

    async def write(name: str) -> None:
        async with open_store(database.url) as store:
            for version in range(200):
                await store.append([Batch(f"w-{name}", version, [happened()])])
                committed.set()

    async def hold(name: str) -> None:
        async with await connect(database.url) as connection:
            version = 0
            for number in range(60):
                await connection.execute("begin")
                await append_by_hand(connection, f"h-{name}", version)
                if running > 3:  # let somebody else commit a later position while this one is open
                    committed.clear()
                    await committed.wait()
                keep = number % 3 != 0
                version += keep
                await connection.execute("commit" if keep else "rollback")

    async def counted(work: asyncio.Task[None]) -> None:
        nonlocal running
        await work
        running -= 1
        committed.set()

    async def read() -> list[int]:
        positions: list[int] = []
        async with open_store(database.url) as store:
            finished = False
            while not finished:
                finished = running == 0  # looked at before the last read, not after it
                after = positions[-1] if positions else 0
                positions.extend([event.position async for event in store.read_all(after)])
        return positions

    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read())
        for name in "abc":
            tasks.create_task(counted(tasks.create_task(write(name))))
            tasks.create_task(counted(tasks.create_task(hold(name))))

    async with open_store(database.url) as store:
        events = await everything(store.read_all())
    assert reading.result() == [event.position for event in events]
    per_stream = Counter(event.stream for event in events)
    assert per_stream == {**{f"w-{n}": 200 for n in "abc"}, **{f"h-{n}": 40 for n in "abc"}}
