"""The cost of an append does not grow with the store, even where plans were made while it was empty."""

from typing import Any

import pytest
from psycopg import AsyncConnection

from tests.conftest import Database
from tests.integration.eventstore.stores import append_by_hand, connect, value

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

APPENDS = 20
ROWS_READ = """
    select (select sum(idx_tup_read) from pg_stat_user_indexes where relname = 'events')
         + (select seq_tup_read from pg_stat_user_tables where relname = 'events')"""


async def rows_read(connection: AsyncConnection[Any]) -> int:
    await connection.execute("select pg_stat_force_next_flush()")
    return int(await value(connection, ROWS_READ))


async def append_and_lose(connection: AsyncConnection[Any], versions: range) -> None:
    """Append to one stream, losing one race for each append that succeeds."""
    for version in versions:
        await append_by_hand(connection, "early-1", version)
        with pytest.raises(AssertionError):
            await append_by_hand(connection, "early-1", version)


async def test_an_append_reads_a_few_rows_however_many_there_are(database: Database) -> None:
    """No ANALYZE runs here: the plans are those of the first appends, kept by their connection.

    The log grows through the same connection: what another one read is counted only some seconds later.
    """
    async with await connect(database.url) as early:
        await append_and_lose(early, range(10))
        for number in range(3):
            await append_by_hand(early, f"bulk-{number}", 0, events=1_000)
        before = await rows_read(early)

        await append_and_lose(early, range(10, 10 + APPENDS))

        assert await rows_read(early) - before < 20 * APPENDS
