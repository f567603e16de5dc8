"""An operator sees who holds readers back, and whether the sequence of positions is sound."""

from datetime import timedelta

import pytest

from eventstore.connections import store_pool
from eventstore.diagnosis import open_appends, sequence_faults
from tests.conftest import Database
from tests.integration.eventstore.stores import append_by_hand, connect

pytestmark = pytest.mark.postgres


async def test_an_open_append_is_shown_until_it_ends(database: Database) -> None:
    async with store_pool(database.url, 1) as pool, await connect(database.url) as holder:
        await append_by_hand(holder, "x-1", 0)
        assert await open_appends(pool) == []

        await holder.execute("begin")
        position = await append_by_hand(holder, "x-1", 1)
        (held,) = await open_appends(pool)
        assert held.pid == holder.info.backend_pid
        assert held.position < position
        assert held.open_for is not None
        assert timedelta(0) < held.open_for < timedelta(minutes=1)

        await holder.execute("rollback")
        assert await open_appends(pool) == []


async def test_a_sequence_that_would_lose_events_is_reported(database: Database) -> None:
    async with store_pool(database.url, 1) as pool, await connect(database.owner_url) as owner:
        for version in range(3):
            await append_by_hand(owner, "x-1", version)
        assert await sequence_faults(pool) == []

        await owner.execute("alter sequence eventstore.position_seq cache 10 cycle")
        assert [fault.split(":")[0] for fault in await sequence_faults(pool)] == [
            "eventstore.position_seq has CACHE 10",
            "eventstore.position_seq cycles",
        ]

        await owner.execute("alter sequence eventstore.position_seq cache 1 no cycle")
        await owner.execute("select setval('eventstore.position_seq', 1)")
        (fault,) = await sequence_faults(pool)
        assert "at 1, behind the events at 3" in fault
