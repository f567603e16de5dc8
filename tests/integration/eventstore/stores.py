"""Stores on a test database, and small events to put into them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, LiteralString

import orjson
from psycopg import AsyncConnection, sql
from psycopg.types.json import Jsonb

from eventstore import Batch, NewEvent, RecordedEvent
from eventstore.appender import DEFAULT_LIMITS, Appender, AppenderLimits
from eventstore.connections import Configure, configure, store_pool
from eventstore.documents import document, item
from eventstore.postgres import PostgresEventStore


@asynccontextmanager
async def open_appender(
    url: str,
    *,
    function: tuple[str, str] = ("eventstore", "append_items"),
    limits: AppenderLimits = DEFAULT_LIMITS,
    on_commit: Callable[[int], None] | None = None,
    configure: Configure = configure,
) -> AsyncIterator[Appender]:
    async with store_pool(url, 1, configure) as pool:
        appender = Appender(pool, function=function, limits=limits, on_commit=on_commit)
        yield appender
        await appender.close()


@asynccontextmanager
async def open_store(
    url: str, *, function: tuple[str, str] = ("eventstore", "append_items"), **options: Any
) -> AsyncIterator[PostgresEventStore]:
    async with open_appender(url, function=function) as appender, store_pool(url, 4) as pool:
        yield PostgresEventStore(pool, appender, **options)


def happened(**data: Any) -> NewEvent:
    return NewEvent("Happened", data)


async def everything(events: AsyncIterator[RecordedEvent]) -> list[RecordedEvent]:
    return [event async for event in events]


async def connect(url: str) -> AsyncConnection[Any]:
    """A connection of its own: a hand that holds a transaction open, or somebody who looks."""
    return await AsyncConnection.connect(url, autocommit=True)


async def append_by_hand(
    connection: AsyncConnection[Any], stream: str, version: int, schema: str = "eventstore", events: int = 1
) -> int:
    """Append some events in the transaction of `connection`; gives the position of the last."""
    one = item([Batch(stream, version, [happened() for _ in range(events)])])
    call = sql.SQL("select {}.append_items(%s)").format(sql.Identifier(schema))
    row = await (await connection.execute(call, [Jsonb(document([one]), dumps=orjson.dumps)])).fetchone()
    assert row is not None
    (result,) = row[0]
    assert result["status"] == "appended"
    return int(result["position"])


async def end_sessions(admin: AsyncConnection[Any]) -> None:
    """End all sessions of the application. Waits: a backend that has only got the signal may serve one more
    call."""
    ended = await value(
        admin,
        """
        select bool_and(pg_terminate_backend(pid, 10000)) from pg_stat_activity
         where usename = 'saga_app' and datname = current_database()
        """,
    )
    assert ended


@asynccontextmanager
async def away(admin: AsyncConnection[Any]) -> AsyncIterator[None]:
    """Meanwhile the application has no session in the database of `admin` and gets none."""
    limit = sql.SQL("alter database {} connection limit {}")
    database = sql.Identifier(admin.info.dbname)
    await admin.execute(limit.format(database, sql.Literal(0)))
    try:
        await end_sessions(admin)
        yield
    finally:
        await admin.execute(limit.format(database, sql.Literal(-1)))


async def value(connection: AsyncConnection[Any], query: LiteralString, *parameters: Any) -> Any:
    """The one value that `query` gives."""
    row = await (await connection.execute(query, parameters)).fetchone()
    return None if row is None else row[0]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `condition` holds; fails after a minute."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - a database cannot set an Event
            await asyncio.sleep(0.005)
