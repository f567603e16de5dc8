"""Logs with a few blocks, and hands that change them as a superuser with all triggers off."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, LiteralString

from psycopg import AsyncConnection

from eventstore import Batch, CommandId, NewEvent
from eventstore.audit.anchors import Anchor, anchor_document
from eventstore.audit.findings import Finding, Report
from eventstore.audit.seals import Sealer, newest_seals
from eventstore.audit.verification import Scope, verify
from eventstore.connections import configure, store_pool
from tests.conftest import Database
from tests.integration.eventstore.stores import open_store

BLOCK_EVENTS = 4


async def fill(database: Database, appends: int = 6, first: int = 1) -> None:
    """Appends of two events, one in each of two streams, the odd ones under a command id."""
    async with open_store(database.url) as store:
        for number in range(first, first + appends):
            events = [NewEvent("Happened", {"n": number, "text": "é\n"}, {"actor": "ana"}) for _ in "ab"]
            batches = [Batch("a-1", number - 1, events[:1]), Batch("b-1", number - 1, events[1:])]
            command = CommandId(f"command-{number}", "f") if number % 2 else None
            await store.append(batches, command=command)


async def seal_all(database: Database) -> None:
    async with store_pool(database.url, 1) as pool:
        await Sealer(pool, seconds=1, block_events=BLOCK_EVENTS).seal()


async def anchor_of(database: Database) -> Anchor:
    """The anchor of the newest block, as it would be kept elsewhere."""
    async with store_pool(database.url, 1) as pool:
        (seal,) = await newest_seals(pool)
    return Anchor.of(anchor_document(seal))


async def verified(database: Database, scope: Scope | None = None) -> Report:
    """What a verification as the application finds."""
    async with await AsyncConnection.connect(database.url, autocommit=True) as connection:
        await configure(connection)
        return await verify(connection, scope or Scope())


def kinds(report: Report) -> set[str]:
    return {finding.kind for finding in report.findings}


def only(report: Report, kind: str) -> Finding:
    """The one finding of this kind."""
    (found,) = [finding for finding in report.findings if finding.kind == kind]
    return found


@asynccontextmanager
async def tampering(database: Database) -> AsyncIterator[AsyncConnection[Any]]:
    """A superuser whose changes no trigger sees; the triggers are as before afterwards."""
    tables: list[LiteralString] = ["events", "commands", "seals"]
    async with await AsyncConnection.connect(database.admin_url, autocommit=True) as admin:
        for table in tables:
            await admin.execute(f"alter table eventstore.{table} disable trigger all".encode())
        yield admin
        for table in tables:
            await admin.execute(f"alter table eventstore.{table} enable trigger all".encode())
            await admin.execute(f"alter table eventstore.{table} enable always trigger immutable".encode())
