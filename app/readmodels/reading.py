"""Reading a read model: one answer is as of one position, at or after the one that was asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from app.positions import TIMELINE, Position
from eventstore.connections import Pool
from eventstore.projections import LIVE_SCHEMA

POLL_SECONDS_FIRST: Final = 0.005
POLL_SECONDS_MAX: Final = 0.25
# The lock comes before the snapshot: once the position was read, no other tables are promoted in the place of
# those that it is of.
_SNAPSHOT: Final = sql.SQL(
    "set transaction isolation level repeatable read read only; lock table {} in access share mode"
)
_AS_OF: Final = f"""
    select coalesce((select position from eventstore.checkpoints where subscription = %s), 0), {TIMELINE}"""


class ReadModelBehind(Exception):
    """The read model has not come so far in the time that the client would wait."""

    def __init__(self, name: str, position: int, wanted: int) -> None:
        super().__init__(f"{name} is at position {position}, not yet at {wanted}")
        self.name = name
        self.position = position


@dataclass(frozen=True, slots=True)
class View:
    """A read model as of `position`; what `connection` reads stays so until the end of the transaction."""

    connection: psycopg.AsyncConnection[Any]
    position: Position


@dataclass(frozen=True)
class ReadModel:
    """One read model, by the name of its projection, which is that of its first table, too."""

    pool: Pool
    name: str

    @asynccontextmanager
    async def view(
        self, after: Position, patience_seconds: float, stopping: asyncio.Event
    ) -> AsyncIterator[View]:
        """The read model as soon as it has taken in the log up to `after`.

        Raises ReadModelBehind when the patience is at its end, or the server stops; OtherTimeline.
        """
        clock = asyncio.get_running_loop().time
        deadline, pause = clock() + patience_seconds, POLL_SECONDS_FIRST
        while True:
            async with self.pool.connection() as connection, connection.transaction():
                view = await self._view(connection)
                wanted = after.on(view.position.timeline or 0)
                if view.position.position >= wanted:
                    yield view
                    return
            left = deadline - clock()
            if left <= 0 or await _set_within(stopping, min(pause, left)):
                raise ReadModelBehind(self.name, view.position.position, wanted)
            pause = min(pause * 1.5, POLL_SECONDS_MAX)

    async def _view(self, connection: psycopg.AsyncConnection[Any]) -> View:
        await connection.execute(_SNAPSHOT.format(sql.Identifier(LIVE_SCHEMA, self.name)), prepare=False)
        row = await (await connection.execute(_AS_OF, [self.name])).fetchone()
        assert row is not None
        return View(connection, Position(*row))


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
