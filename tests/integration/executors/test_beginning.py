"""A server that starts while another one stands still in a transaction comes to begin all the same."""

import asyncio

import psycopg
import pytest

from app.executors.periodic import persistently
from eventstore.connections import store_pool
from eventstore.subscriptions import Subscription
from tests.conftest import Database
from tests.integration.eventstore.stores import connect, open_store, until
from tests.integration.eventstore.subscribers import NAME, Seen, subscribed

pytestmark = pytest.mark.postgres


async def test_whoever_holds_its_checkpoint_is_not_waited_for(database: Database) -> None:
    async with (
        open_store(database.url) as store,
        subscribed(database, store, Seen()) as subscription,
        await connect(database.url) as frozen,
    ):
        await frozen.execute("begin")
        await frozen.execute("update eventstore.checkpoints set position = position + 1")

        await subscription.begin()  # would raise LockNotAvailable after lock_timeout

        await frozen.execute("rollback")


async def test_what_passes_is_tried_again_until_it_has(database: Database) -> None:
    failed: list[Exception] = []
    async with (
        open_store(database.url) as store,
        store_pool(database.url, 1) as pool,
        await connect(database.url) as frozen,
    ):
        subscription = Subscription(pool, store, NAME, Seen())

        async def begin() -> None:
            try:
                await subscription.begin()
            except psycopg.errors.LockNotAvailable as error:
                failed.append(error)
                raise

        await frozen.execute("begin")
        await frozen.execute(
            "insert into eventstore.checkpoints (subscription, position) values (%s, 0)", [NAME]
        )
        beginning = asyncio.create_task(persistently(NAME, begin))

        async def has_failed() -> bool:
            return bool(failed)

        await until(has_failed)
        await frozen.execute("rollback")
        await beginning

        assert not await subscription.advance()  # and does not say that it has not begun


async def test_a_bug_is_not_tried_again() -> None:
    calls: list[None] = []

    async def broken() -> None:
        calls.append(None)
        raise LookupError("no such thing")

    with pytest.raises(LookupError):
        await persistently("broken", broken)
    assert len(calls) == 1
