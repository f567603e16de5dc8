"""A leader that hangs in its transaction is ended by the next one, where the server does not end it."""

import asyncio

import psycopg
import pytest

from eventstore import checkpoints
from eventstore.checkpoints import LEADER_LOCK, Checkpoint
from tests.conftest import Database
from tests.integration.eventstore.stores import connect, until

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

GATE = 7
"""An advisory lock that no store uses."""


async def test_it_is_ended_by_the_next_one(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "HUNG_SECONDS", 0.5)
    checkpoint = Checkpoint("anything")
    async with await connect(database.url) as next_one, await connect(database.url) as hung:
        # As after executemany, whose last Flush stops the server's own timer: mostly, so that is not tested.
        await hung.execute("set idle_in_transaction_session_timeout = 0")
        await hung.execute("begin")
        assert await checkpoint.lead(hung)
        assert not await checkpoint.lead(next_one)

        async def ended() -> bool:
            return await checkpoint.end_hung_leader(next_one)

        await until(ended)

        async def leads() -> bool:
            return await checkpoint.lead(next_one)

        await until(leads)
        with pytest.raises(psycopg.OperationalError):
            await hung.execute("select 1")
        await hung.close()


async def test_one_that_works_or_leads_something_else_is_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "HUNG_SECONDS", 0.0)
    async with await connect(database.url) as other, await connect(database.url) as busy:
        await other.execute("begin")
        assert await Checkpoint("something else").lead(other)
        await other.execute("select pg_advisory_lock(%s)", [GATE])
        working = asyncio.create_task(
            busy.execute(
                "select pg_try_advisory_xact_lock(%s, hashtext('anything')), pg_advisory_lock(%s)",
                [LEADER_LOCK, GATE],
            )
        )
        async with await connect(database.url) as next_one:

            async def is_led() -> bool:
                return not await Checkpoint("anything").lead(next_one)

            await until(is_led)
            assert not await Checkpoint("anything").end_hung_leader(next_one)
        await other.execute("select pg_advisory_unlock(%s)", [GATE])
        await working
        assert await other.execute("select 1")
