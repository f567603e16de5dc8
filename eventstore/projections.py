"""Projections: read models that follow the log, their rows and their checkpoint in one transaction.

A batch is read up to the safe position, applied, and committed together with the new checkpoint. The
checkpoint moves only from the value that the batch was read at, so of two runners one loses and rolls back.

A projection has tables in up to three schemas, each with a checkpoint of its own: those that are served,
those that a rebuild fills (staging), and those that were served before (previous).
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

import psycopg
from psycopg import sql

from eventstore.checkpoints import Checkpoint, Standing
from eventstore.connections import Pool
from eventstore.errors import FollowerOutdated
from eventstore.events import RecordedEvent
from eventstore.following import BATCH_EVENTS, follow, passes
from eventstore.parking import Patience, went_on
from eventstore.port import EventStore

LIVE_SCHEMA: Final = "readmodels"
"""The schema that queries read."""
REST_SECONDS: Final = 0.05
"""Between two looks at a busy log: larger batches cost less."""
RATE_SECONDS: Final = 5.0
"""The time over which the speed of a rebuild is taken."""


class Projection(Protocol):
    """A read model: its tables, and how they follow from the events.

    The first table has the name of the projection: whoever reads begins with a lock on that one.
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


class Slot(StrEnum):
    """Which tables of a projection."""

    LIVE = "live"
    STAGING = "staging"
    PREVIOUS = "previous"

    def checkpoint(self, projection: str) -> str:
        """The name of their checkpoint."""
        return projection if self is Slot.LIVE else f"{projection}@{self}"

    def schema(self, projection: str) -> str:
        return LIVE_SCHEMA if self is Slot.LIVE else f"{LIVE_SCHEMA}_{self}_{projection}"


async def work_in(connection: psycopg.AsyncConnection[Any], schema: str) -> None:
    """From here to the end of the transaction, names without a schema are those of `schema`."""
    statement = sql.SQL("set local search_path to {}, pg_catalog").format(sql.Identifier(schema))
    await connection.execute(statement)


@dataclass
class ProjectionRunner:
    """Keeps the tables of one slot up with the log; safe to run in every process.

    An event that cannot be applied is tried some times and then parks the read model before it: nothing else
    waits. Tables of another version than the code's are left alone. `trouble` says so in both cases. Setting
    `committed` makes it look at once instead of a quarter of a second later.
    """

    pool: Pool
    store: EventStore
    projection: Projection
    committed: asyncio.Event = field(default_factory=asyncio.Event)
    slot: Slot = Slot.LIVE
    trouble: str | None = None
    standby: bool = False
    _one_by_one: int = 0
    _taken_in: deque[tuple[float, int]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._patience = Patience(self.pool, self.store)

    @property
    def name(self) -> str:
        return self.slot.checkpoint(self.projection.name)

    async def run(self) -> None:
        """Follow the log until cancelled."""
        await follow(self, rest_seconds=REST_SECONDS if self.slot is Slot.LIVE else 0.0)

    async def advance(self) -> bool:
        """Apply one batch. False when there is nothing new, another runner is at it, or it is paused.

        Raises FollowerParked, FollowerOutdated, PoisonEvent.
        """
        self.standby = False
        standing = await self._standing()
        if standing is None:
            return False
        if standing.version != self.projection.version:
            if self.slot is not Slot.LIVE:  # a server with that version may follow them
                self.standby = True
                return False
            raise FollowerOutdated(
                f"its tables are of version {standing.version}, this code has {self.projection.version}: "
                "rebuild it"
            )
        if not await self._patience.may_try(standing):
            return False
        limit = 1 if self._one_by_one or standing.parked else BATCH_EVENTS
        events = [event async for event in self.store.read_all(standing.position, limit=limit)]
        if not events:
            return False
        try:
            done = await self._take_in(standing, events)
        except Exception as error:
            if passes(error):
                raise
            if len(events) == 1:
                raise await self._patience.failed(standing, events[0], error) from None
            self._one_by_one = len(events)  # to find the one that it is, and to keep those before it
            return True
        self._one_by_one = max(0, self._one_by_one - 1)
        self._patience.forget()
        return done

    async def position(self) -> int:
        """The position up to which the read model has taken in the log."""
        async with self.pool.connection() as connection:
            standing = await Checkpoint(self.name).standing(connection)
        return 0 if standing is None else standing.position

    async def _standing(self) -> Standing | None:
        checkpoint = Checkpoint(self.name)
        async with self.pool.connection() as connection:
            standing = await checkpoint.standing(connection)
            if standing is None and self.slot is Slot.LIVE:
                await checkpoint.begin(
                    connection, 0, "projection", self.projection.version, self.projection.tables
                )
                standing = await checkpoint.standing(connection)
        return standing

    async def _take_in(self, standing: Standing, events: Sequence[RecordedEvent]) -> bool:
        checkpoint, rate = Checkpoint(self.name), self._rate(len(events))
        async with self.pool.connection() as connection, connection.transaction():
            leads = await checkpoint.lead(connection)
            if not leads or not await checkpoint.move(connection, standing, events[-1].position, rate):
                self.standby = True
                if not leads:
                    await checkpoint.end_hung_leader(connection)
                return False
            await work_in(connection, self.slot.schema(self.projection.name))
            await self.projection.apply(connection, events)
            await went_on(connection, standing)
        return True

    def _rate(self, events: int) -> float | None:
        """Events a second of late; None for the tables that are served, which wait for events."""
        if self.slot is not Slot.STAGING:
            return None
        now = asyncio.get_running_loop().time()
        self._taken_in.append((now, events))
        while self._taken_in[0][0] < now - RATE_SECONDS:
            self._taken_in.popleft()
        began, first = self._taken_in[0]
        return (sum(count for _, count in self._taken_in) - first) / (now - began) if now > began else None
