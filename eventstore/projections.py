"""Projections: read models that follow the log, their rows and their checkpoint in one transaction.

A batch is read up to the safe position, applied, and committed together with the new checkpoint. The
checkpoint moves only from the value that the batch was read at, so of two runners one loses and rolls back.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import psycopg
from psycopg import sql

from eventstore.connections import Pool
from eventstore.events import RecordedEvent
from eventstore.following import BATCH_EVENTS, Checkpoint, follow
from eventstore.port import EventStore

LIVE_SCHEMA: Final = "readmodels"
"""The schema that queries read."""


class Projection(Protocol):
    """A read model: its tables, and how they follow from the events.

    `apply` sees every event once, in order of position. It names its tables without a schema, because a
    rebuild fills other ones of the same names; the search path of its transaction is that schema and
    `pg_catalog`. Whoever changes its tables, or what `apply` makes of an event, raises `version`: the read
    model must be rebuilt.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def tables(self) -> Sequence[str]: ...

    async def apply(
        self, connection: psycopg.AsyncConnection[Any], events: Sequence[RecordedEvent]
    ) -> None: ...


async def work_in(connection: psycopg.AsyncConnection[Any], schema: str) -> None:
    """From here to the end of the transaction, names without a schema are those of `schema`."""
    await connection.execute(
        sql.SQL("set local search_path to {}, pg_catalog").format(sql.Identifier(schema))
    )


@dataclass
class ProjectionRunner:
    """Keeps one read model up with the log; safe to run in every process.

    A batch that cannot be applied is not skipped: the read model stays where it is, `trouble` says why, and
    the runner tries again. Setting `committed` makes it look at once instead of a quarter of a second later.
    """

    pool: Pool
    store: EventStore
    projection: Projection
    committed: asyncio.Event = field(default_factory=asyncio.Event)
    trouble: str | None = None

    @property
    def name(self) -> str:
        return self.projection.name

    async def run(self) -> None:
        """Follow the log until cancelled."""
        await follow(self)

    async def advance(self) -> bool:
        """Apply one batch. False when there is nothing new, or another runner is at it."""
        position = await self.position()
        events = [event async for event in self.store.read_all(position, limit=BATCH_EVENTS)]
        if not events:
            return False
        checkpoint = Checkpoint(self.name)
        async with self.pool.connection() as connection, connection.transaction():
            if not await checkpoint.lead(connection):
                return False
            if not await checkpoint.move(connection, position, events[-1].position):
                return False
            await work_in(connection, LIVE_SCHEMA)
            await self.projection.apply(connection, events)
        return True

    async def position(self) -> int:
        """The position up to which the read model has taken in the log."""
        async with self.pool.connection() as connection:
            return await Checkpoint(self.name).position(connection) or 0
