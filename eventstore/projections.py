"""Projections: read models that follow the log, their rows and their checkpoint in one transaction.

A batch is read up to the safe position, applied, and committed together with the new checkpoint. The
checkpoint moves only from the value that the batch was read at, so of two runners one loses and rolls back.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import psycopg
import structlog

from eventstore.connections import TRANSIENT, Pool
from eventstore.errors import StoreUnavailable
from eventstore.events import RecordedEvent
from eventstore.port import EventStore

BATCH_EVENTS: Final = 500
IDLE_SECONDS: Final = 0.25
TROUBLE_SECONDS: Final = 1.0
LEADER_LOCK: Final = 0x5A6A_0002

log = structlog.get_logger(__name__)


class Projection(Protocol):
    """A read model. `apply` sees every event once, in order of position."""

    @property
    def name(self) -> str: ...

    async def apply(
        self, connection: psycopg.AsyncConnection[Any], events: Sequence[RecordedEvent]
    ) -> None: ...


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

    async def run(self) -> None:
        """Follow the log until cancelled."""
        while True:
            self.committed.clear()
            pause = IDLE_SECONDS
            try:
                while await self.advance():
                    pass
                self.trouble = None
            except (StoreUnavailable, *TRANSIENT) as away:
                self.trouble, pause = str(away), TROUBLE_SECONDS
            except Exception as error:
                log.exception("projection cannot go on", projection=self.projection.name)
                self.trouble, pause = f"{type(error).__name__}: {error}", TROUBLE_SECONDS
            try:
                async with asyncio.timeout(pause):
                    await self.committed.wait()
            except TimeoutError:
                pass

    async def advance(self) -> bool:
        """Apply one batch. False when there is nothing new, or another runner is at it."""
        position = await self.position()
        events = [event async for event in self.store.read_all(position, limit=BATCH_EVENTS)]
        if not events:
            return False
        async with self.pool.connection() as connection, connection.transaction():
            if not await self._claim(connection, position, events[-1].position):
                return False
            await self.projection.apply(connection, events)
        return True

    async def position(self) -> int:
        """The position up to which the read model has taken in the log."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                "select position from eventstore.checkpoints where subscription = %s", [self.projection.name]
            )
            row = await cursor.fetchone()
        return 0 if row is None else int(row[0])

    async def _claim(self, connection: psycopg.AsyncConnection[Any], old: int, new: int) -> bool:
        """Move the checkpoint, if it still is where the batch was read at and nobody else is moving it."""
        cursor = await connection.execute(
            "select pg_try_advisory_xact_lock(%s, hashtext(%s))", [LEADER_LOCK, self.projection.name]
        )
        if await cursor.fetchone() != (True,):
            return False
        cursor = await connection.execute(
            """
            insert into eventstore.checkpoints as c (subscription, position) values (%(name)s, %(new)s)
            on conflict (subscription) do update set position = %(new)s, updated_at = clock_timestamp()
            where c.position = %(old)s
            """,
            {"name": self.projection.name, "old": old, "new": new},
        )
        return cursor.rowcount == 1
