"""Following the log: what projections and subscriptions share.

    advance()      one bounded batch, again while there was one
    wait           until this process commits, or a moment: other processes commit too
    advance() ...

A follower that cannot go on stays where it is, says why in `trouble`, and tries again.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

import psycopg
import structlog

from eventstore.connections import TRANSIENT
from eventstore.errors import StoreUnavailable

BATCH_EVENTS: Final = 500
IDLE_SECONDS: Final = 0.25
TROUBLE_SECONDS: Final = 1.0
LEADER_LOCK: Final = 0x5A6A_0002

PASSING: Final = (StoreUnavailable, TimeoutError, *TRANSIENT)
"""Errors that pass by themselves: no fault of an event, and no line in the log."""

log = structlog.get_logger(__name__)


class Follower(Protocol):
    """Reads the log from its checkpoint on. Setting `committed` makes it look at once."""

    committed: asyncio.Event
    trouble: str | None

    @property
    def name(self) -> str: ...

    async def advance(self) -> bool:
        """Take in one batch. False when there is nothing new, or another process is at it."""
        ...


async def follow(follower: Follower, *, rest_seconds: float = 0.0) -> None:
    """Keep `follower` up with the log until cancelled; between two looks it rests for `rest_seconds`.

    On a busy store there is always something new: without a rest it would be looked for all the time.
    """
    while True:
        follower.committed.clear()
        try:
            more = await follower.advance()
        except Exception as error:
            _note(follower, error)
            # No commit wakes it: on a busy store a poison event would keep the process busy as well.
            await asyncio.sleep(TROUBLE_SECONDS)
            continue
        follower.trouble = None
        await asyncio.sleep(rest_seconds)
        if not more:
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await follower.committed.wait()


def _note(follower: Follower, error: Exception) -> None:
    passing = isinstance(error, PASSING)
    trouble = str(error) if passing and str(error) else f"{type(error).__name__}: {error}"
    if not passing and trouble != follower.trouble:  # said once, however often it is tried
        log.exception("follower of the log cannot go on", follower=follower.name)
    follower.trouble = trouble


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The position up to which the follower `name` has come. It moves only from the value that was read, so
    of two that would move it one loses; the lock keeps them from doing the same work."""

    name: str

    async def position(self, connection: psycopg.AsyncConnection[Any]) -> int | None:
        """None before the first one was recorded."""
        cursor = await connection.execute(
            "select position from eventstore.checkpoints where subscription = %s", [self.name]
        )
        row = await cursor.fetchone()
        return None if row is None else int(row[0])

    async def lead(self, connection: psycopg.AsyncConnection[Any]) -> bool:
        """Whether the transaction of `connection` is the one that may work, until it ends."""
        cursor = await connection.execute(
            "select pg_try_advisory_xact_lock(%s, hashtext(%s))", [LEADER_LOCK, self.name]
        )
        return await cursor.fetchone() == (True,)

    async def move(self, connection: psycopg.AsyncConnection[Any], old: int, new: int) -> bool:
        """Move it from `old` to `new`. False when it is not at `old`."""
        cursor = await connection.execute(
            """
            insert into eventstore.checkpoints as c (subscription, position) values (%(name)s, %(new)s)
            on conflict (subscription) do update set position = %(new)s, updated_at = clock_timestamp()
            where c.position = %(old)s
            """,
            {"name": self.name, "old": old, "new": new},
        )
        return cursor.rowcount == 1

    async def begin(self, connection: psycopg.AsyncConnection[Any], position: int) -> None:
        """Record the first one, unless somebody has."""
        await connection.execute(
            """
            insert into eventstore.checkpoints (subscription, position) values (%s, %s)
            on conflict (subscription) do nothing
            """,
            [self.name, position],
        )
