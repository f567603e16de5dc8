"""A commit of one process wakes the followers in another, by a notice that is sent after it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from eventstore import Batch, following
from eventstore.connections import store_pool
from eventstore.notifications import CHANNEL, REST_SECONDS, Listener, Notifier
from eventstore.tasks import end
from tests.conftest import Database
from tests.integration.eventstore.stores import away, connect, happened, open_store, until
from tests.integration.eventstore.subscribers import Seen, running, subscribed

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@asynccontextmanager
async def notifying(database: Database) -> AsyncIterator[Notifier]:
    async with store_pool(database.url, 1) as pool:
        notifier = Notifier(pool)
        task = asyncio.create_task(notifier.run())
        yield notifier
        await end(task)


@asynccontextmanager
async def listening(database: Database, deaf_to: str = "") -> AsyncIterator[tuple[Listener, asyncio.Event]]:
    heard = asyncio.Event()
    listener = Listener(database.url, heard.set, deaf_to)
    task = asyncio.create_task(listener.run())
    await listener.listening.wait()
    heard.clear()
    yield listener, heard
    await end(task)


async def test_a_follower_elsewhere_does_not_wait_until_it_looks_by_itself(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "IDLE_SECONDS", 3600)
    seen = Seen()
    async with (
        open_store(database.url) as store,
        subscribed(database, store, seen) as subscription,
        notifying(database) as notifier,
    ):
        listener = Listener(database.url, subscription.committed.set)
        task = asyncio.create_task(listener.run())
        async with running(subscription):
            for number in range(3):
                await store.append([Batch(f"x-{number}", 0, [happened()])])
                notifier.tell()

                async def handled(count: int = number + 1) -> bool:
                    return len(seen.events) == count

                await until(handled)
        await end(task)


async def test_many_commits_are_few_notices(database: Database) -> None:
    clock = asyncio.get_running_loop().time
    async with notifying(database) as notifier, await connect(database.url) as connection:
        await connection.execute(f"listen {CHANNEL}".encode())
        began = clock()
        for _ in range(2_000):
            notifier.tell()
            await asyncio.sleep(0)
        took = clock() - began
        # The first one waits for a connection; what is still told comes soon after it.
        notices = [notice async for notice in connection.notifies(timeout=60, stop_after=1)]
        notices += [notice async for notice in connection.notifies(timeout=0.5)]

    assert 1 <= len(notices) <= took / REST_SECONDS + 2
    assert {notice.payload for notice in notices} == {notifier.sender}


async def test_a_process_does_not_hear_itself(database: Database) -> None:
    async with (
        notifying(database) as notifier,
        notifying(database) as other,
        listening(database, notifier.sender) as (_, heard),
        await connect(database.url) as witness,
    ):
        await witness.execute(f"listen {CHANNEL}".encode())
        notifier.tell()
        [own] = [notice async for notice in witness.notifies(timeout=60, stop_after=1)]
        assert own.payload == notifier.sender
        assert not heard.is_set()

        other.tell()
        async with asyncio.timeout(60):
            await heard.wait()


async def test_a_listener_that_lost_its_connection_listens_again_and_looks(database: Database) -> None:
    async with await connect(database.admin_url) as admin, listening(database) as (listener, heard):
        async with away(admin):
            pass
        async with asyncio.timeout(60):
            await heard.wait()  # what was said meanwhile is lost: it has a look at once
            await listener.listening.wait()
        async with notifying(database) as notifier:
            heard.clear()
            notifier.tell()
            async with asyncio.timeout(60):
                await heard.wait()


async def test_no_append_waits_for_a_notice(database: Database) -> None:
    """NOTIFY is not among the statements of an append: it would make commits wait for each other."""
    async with await connect(database.admin_url) as admin:
        cursor = await admin.execute(
            """
            select oid::regprocedure from pg_proc
             where pronamespace in ('eventstore'::regnamespace, 'saga'::regnamespace) and prokind = 'f'
               and pg_get_functiondef(oid) ilike '%notify%'
            """
        )
        assert await cursor.fetchall() == []
