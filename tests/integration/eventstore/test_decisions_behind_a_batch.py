"""What operators decide while a batch of a follower goes on for longer than a lock is waited for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from psycopg import AsyncConnection

from eventstore.errors import TablesBusy
from eventstore.projections import Slot
from tests.conftest import Database
from tests.integration.eventstore.stores import connect, until
from tests.integration.eventstore.tallies import BY, NAME, scene

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@asynccontextmanager
async def batch(database: Database, slot: Slot) -> AsyncIterator[AsyncConnection[Any]]:
    """The transaction of a follower that has moved the checkpoint of these tables, and is not over."""
    move = "select from eventstore.checkpoints where subscription = %s for update"
    async with await connect(database.url) as connection:
        await connection.execute("begin")
        await connection.execute(move, [slot.checkpoint(NAME)])
        yield connection
        await connection.execute("rollback")


async def waiting(database: Database, behind: AsyncConnection[Any]) -> set[int]:
    """The processes of Postgres that wait for this connection."""
    query = "select pid from pg_stat_activity where %s = any(pg_blocking_pids(pid))"
    async with await connect(database.url) as connection:
        return {pid async for (pid,) in await connection.execute(query, [behind.info.backend_pid])}


async def test_they_are_told_that_it_is_busy_and_nothing_has_changed(database: Database) -> None:
    async with scene(database) as tally:
        async with batch(database, Slot.LIVE):
            with pytest.raises(TablesBusy):
                await tally.rebuilds.start(NAME, BY)
        assert (await tally.view()).staging is None

        await tally.rebuilds.start(NAME, BY)
        async with batch(database, Slot.STAGING):
            for decide in (tally.rebuilds.pause, tally.rebuilds.discard):
                with pytest.raises(TablesBusy):
                    await decide(NAME, BY)
            with pytest.raises(TablesBusy):
                await tally.promotion.promote(NAME, BY, wait_seconds=0)
        assert await tally.decisions() == ["RebuildStarted"]


async def test_a_promotion_tries_again_as_long_as_it_may(database: Database) -> None:
    async with scene(database) as tally:
        await tally.rebuilds.start(NAME, BY)
        async with batch(database, Slot.STAGING) as long:
            promoting = asyncio.create_task(tally.promotion.promote(NAME, BY, wait_seconds=60))
            tried: set[int] = set()

            async def a_second_one() -> bool:
                tried.update(await waiting(database, long))
                return len(tried) > 1

            await until(a_second_one)
        await promoting

        assert await tally.decisions() == ["RebuildStarted", "Promoted"]
