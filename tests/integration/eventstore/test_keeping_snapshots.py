"""Keeping snapshots costs nobody anything: not when it fails, not when there are too many."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import psycopg
import pytest

from eventstore import Batch
from eventstore.postgres import PostgresEventStore
from eventstore.snapshots import STATE_BYTES_MAX, WAITING_MAX, Dump, Snapshot
from eventstore.tasks import end
from tests.conftest import Database
from tests.integration.eventstore.stores import happened, open_store, until

pytestmark = pytest.mark.postgres


def state(version: int, **data: object) -> Dump:
    return lambda: (version, orjson.dumps(data))


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresEventStore]:
    async with open_store(database.url) as store:
        await store.append([Batch("x-1", 0, [happened() for _ in range(3)])])
        keeping = asyncio.create_task(store.snapshots.run())
        await asyncio.sleep(0)
        yield store
        await end(keeping)


async def kept_version(store: PostgresEventStore, stream: str = "x-1") -> int:
    first = await anext(store.snapshots.read(stream, "code"), None)
    return first.version if isinstance(first, Snapshot) else 0


async def test_of_many_offers_for_one_stream_the_last_is_kept(store: PostgresEventStore) -> None:
    for version in (1, 2, 3):
        store.snapshots.offer("x-1", "code", state(version))

    await store.snapshots.settled()

    assert (await kept_version(store), store.snapshots.taken) == (3, 1)


async def test_what_does_not_fit_in_the_queue_is_dropped(store: PostgresEventStore) -> None:
    for number in range(WAITING_MAX + 5):
        store.snapshots.offer(f"x-{number}", "code", state(1))

    await store.snapshots.settled()

    assert (store.snapshots.taken, store.snapshots.dropped) == (WAITING_MAX, 5)


async def test_a_state_that_is_too_large_or_none_is_left_out(store: PostgresEventStore) -> None:
    def broken() -> tuple[int, bytes]:
        raise TypeError("no JSON")

    store.snapshots.offer("x-2", "code", state(1, text="x" * STATE_BYTES_MAX))
    store.snapshots.offer("x-3", "code", broken)
    store.snapshots.offer("x-1", "code", state(1))

    await store.snapshots.settled()

    assert await kept_version(store) == 1
    assert (store.snapshots.taken, store.snapshots.dropped, store.snapshots.failed) == (1, 1, 1)


async def test_without_a_process_that_keeps_them_offers_are_dropped(database: Database) -> None:
    async with open_store(database.url) as store:
        store.snapshots.offer("x-1", "code", state(1))

        await store.snapshots.settled()

        assert (store.snapshots.dropped, await kept_version(store)) == (1, 0)


async def test_a_failure_is_told_and_passes(store: PostgresEventStore, database: Database) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("revoke insert, update on eventstore.snapshots from saga_app")
        store.snapshots.offer("x-1", "code", state(2))
        await until(lambda: _so(store.snapshots.trouble is not None))
        assert await kept_version(store) == 0
        await store.append([Batch("x-1", 3, [happened()])])

        owner.execute("grant insert, update on eventstore.snapshots to saga_app")
        store.snapshots.offer("x-1", "code", state(3))
        await store.snapshots.settled()

    assert (await kept_version(store), store.snapshots.trouble, store.snapshots.failed) == (3, None, 1)


async def _so(condition: bool) -> bool:
    return condition


async def test_many_processes_keep_the_same_streams_at_once(database: Database) -> None:
    async with open_store(database.url) as one, open_store(database.url) as two:
        streams = [f"x-{number}" for number in range(60)]
        await one.append([Batch(stream, 0, [happened() for _ in range(5)]) for stream in streams])
        keeping = [asyncio.create_task(store.snapshots.run()) for store in (one, two)]
        await asyncio.sleep(0)
        for version in range(1, 6):
            for stream in streams:
                one.snapshots.offer(stream, "code", state(version))
                two.snapshots.offer(stream, "code", state(6 - version))
                await asyncio.sleep(0)
        await one.snapshots.settled()
        await two.snapshots.settled()

        assert {await kept_version(one, stream) for stream in streams} == {5}
        assert (one.snapshots.failed, two.snapshots.failed) == (0, 0)
        for task in keeping:
            await end(task)
