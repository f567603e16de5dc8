"""The session that holds a lease: what goes wrong on it neither gives the lease away nor ends its keeper."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from structlog.testing import capture_logs

from app.database import APP_ROLE
from app.executors import Lease, LeaseLost, lease
from app.executors.lease import LEASE_CLASS, try_lock
from tests.conftest import Database
from tests.integration.eventstore.stores import connect, until, value

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

HOLDER = """
    select pid from pg_locks
     where locktype = 'advisory' and granted and objsubid = 2
       and database = (select oid from pg_database where datname = current_database())
       and classid = %s::int8::oid and objid = %s::int8::oid
"""
PINGED_AT = "select pinged_at from eventstore.executors where number = %s"
Admin = psycopg.AsyncConnection[Any]


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "PING_SECONDS", 0.05)
    monkeypatch.setattr(lease, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(lease, "_SESSION", "set idle_session_timeout = '10s'; set statement_timeout = '1s'")


@asynccontextmanager
async def kept(database: Database) -> AsyncIterator[tuple[Lease, asyncio.Task[None], Admin]]:
    """A lease, what keeps it, and somebody who looks. It is held at the end, and still kept."""
    admin = await connect(database.admin_url)
    taken = await Lease.take(database.url)
    keeping = asyncio.create_task(taken.keep())
    try:
        yield taken, keeping, admin
        await is_pinged(admin, taken)  # it has the lock of a new session a moment before it knows
        assert not keeping.done()
        assert taken.held
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await taken.release()
        await admin.close()


async def holder(admin: Admin, taken: Lease) -> int | None:
    found: int | None = await value(admin, HOLDER, LEASE_CLASS, taken.number)
    return found


async def is_pinged(admin: Admin, taken: Lease) -> None:
    """Wait until a ping arrives."""
    last = await value(admin, PINGED_AT, taken.number)

    async def later() -> bool:
        return bool(await value(admin, PINGED_AT, taken.number) > last)

    await until(later)


async def refusals(logs: list[Any]) -> None:
    """Wait until two pings have failed."""

    async def enough() -> bool:
        return [entry["event"] for entry in logs].count("slow or refused ping") >= 2

    await until(enough)


async def test_a_ping_that_is_refused_leaves_the_lease_where_it_is(database: Database) -> None:
    table = sql.SQL("eventstore.executors"), sql.Identifier(APP_ROLE)
    async with kept(database) as (taken, _, admin):
        first = await holder(admin, taken)
        with capture_logs() as logs:
            await admin.execute(sql.SQL("revoke update on {} from {}").format(*table))
            await refusals(logs)
        assert await holder(admin, taken) == first
        await admin.execute(sql.SQL("grant update on {} to {}").format(*table))
        await is_pinged(admin, taken)
        assert await holder(admin, taken) == first


async def test_a_ping_that_is_slow_leaves_the_lease_where_it_is(database: Database) -> None:
    async with kept(database) as (taken, _, admin):
        first = await holder(admin, taken)
        with capture_logs() as logs:
            async with admin.transaction():
                await admin.execute("select from eventstore.executors for update")
                await refusals(logs)
                assert await holder(admin, taken) == first
        await is_pinged(admin, taken)
        assert await holder(admin, taken) == first


async def test_a_session_that_the_server_has_closed_is_claimed_again(database: Database) -> None:
    async with kept(database) as (taken, _, admin):
        first = await holder(admin, taken)
        await admin.execute("select pg_terminate_backend(%s)", [first])

        async def claimed() -> bool:
            return await holder(admin, taken) not in (None, first)

        await until(claimed)


async def test_a_lease_that_somebody_else_holds_is_not_held_and_is_claimed_when_it_is_free(
    database: Database,
) -> None:
    async with kept(database) as (taken, keeping, admin):
        await take_away(admin, taken)
        for _ in range(50):
            assert not taken.held
            assert not keeping.done()
            await asyncio.sleep(0.01)
        await admin.execute("select pg_advisory_unlock(%s, %s)", [LEASE_CLASS, taken.number])

        await is_pinged(admin, taken)
        assert taken.held


async def take_away(admin: Admin, taken: Lease) -> None:
    """Hold the lease of somebody else, whose session has just ended."""
    first = await holder(admin, taken)

    async def in_our_hands() -> bool:
        await admin.execute("select pg_terminate_backend(%s)", [await holder(admin, taken)])
        return await try_lock(admin, taken.number)

    await until(in_our_hands)
    assert await holder(admin, taken) != first

    async def found_out() -> bool:
        return not taken.held

    await until(found_out)


async def test_an_executor_that_was_declared_dead_learns_it(database: Database) -> None:
    admin = await connect(database.admin_url)
    taken = await Lease.take(database.url)
    async with admin:
        await admin.execute("update eventstore.executors set buried_at = clock_timestamp()")

        with pytest.raises(LeaseLost, match="declared dead"):
            await asyncio.wait_for(taken.keep(), timeout=60)
    await taken.release()
