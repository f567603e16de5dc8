"""Seals: the blocks of the chain, who makes them, and how far they have come."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import args_row

from eventstore.audit.hashes import Header
from eventstore.connections import TRANSIENT, Pool
from eventstore.errors import StoreUnavailable

BLOCK_EVENTS: Final = 1_000
"""Events of one block at most: what one statement reads, and what a proof is looked up in."""
REST_SECONDS: Final = 0.01
"""Between two blocks, so that sealing a long log leaves the database to others."""
LAG_FACTOR: Final = 10
"""A log that is unsealed for so many rounds is worth a word."""

_HEADER: Final = "algorithm, block, first_position, last_position, records, sealed_at, previous, root"
_PAGE: Final = f"""
    select {_HEADER}, hash, entries from eventstore.seals
     where block >= %(block)s order by block limit %(limit)s"""
_NEWEST: Final = f"""
    select {_HEADER}, hash, ''::bytea from eventstore.seals
     where block < %(before)s order by block desc limit %(limit)s"""
# Positions of events are looked at one after the other: the first one that is unsealed is found at once.
_UNSEALED_SINCE: Final = """
    select recorded_at, clock_timestamp() - recorded_at from eventstore.events
     where position > coalesce((select last_position from eventstore.seals order by block desc limit 1), 0)
     order by position limit 1"""


@dataclass(frozen=True, slots=True)
class Seal:
    """A block of the chain as it is stored."""

    header: Header
    hash: bytes
    entries: bytes

    @classmethod
    def of(cls, *row: Any) -> "Seal":
        return cls(Header(*row[:8]), row[8], row[9])


async def seals_from(
    connection: psycopg.AsyncConnection[Any], block: int, page: int
) -> AsyncIterator[Sequence[Seal]]:
    """The seals from `block` on, in pages."""
    while seals := await page_of_seals(connection, block, page):
        yield seals
        block = seals[-1].header.block + 1


async def page_of_seals(connection: psycopg.AsyncConnection[Any], block: int, limit: int) -> list[Seal]:
    """So many seals from `block` on."""
    cursor = connection.cursor(row_factory=args_row(Seal.of))
    await cursor.execute(_PAGE.encode(), {"block": block, "limit": limit})
    return await cursor.fetchall()


async def newest_seals(pool: Pool, limit: int = 1, before: int = 2**62) -> list[Seal]:
    """The newest first, without their entries. Raises StoreUnavailable."""
    try:
        async with pool.connection() as connection:
            cursor = connection.cursor(row_factory=args_row(Seal.of))
            await cursor.execute(_NEWEST.encode(), {"before": before, "limit": limit})
            return await cursor.fetchall()
    except TRANSIENT as error:
        raise StoreUnavailable(str(error)) from error


@dataclass
class Sealer:
    """Seals what is recorded, block by block, from the background of every process; one does it at a time.

    `trouble` says why the log stays unsealed, if it does. It looks every `seconds`.
    """

    pool: Pool
    seconds: float
    block_events: int = BLOCK_EVENTS
    trouble: str | None = None
    name: str = "sealer"

    async def seal(self) -> None:
        """Seal all that is decided, unless another session is at it."""
        try:
            while await self.seal_block():  # noqa: ASYNC110 - a pause, not a poll
                await asyncio.sleep(REST_SECONDS)
            self.trouble = await self._lag()
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}"
            raise

    async def seal_block(self) -> int:
        """Seal one block; how many records it has, 0 when there was nothing to do here."""
        async with self.pool.connection() as connection:
            cursor = await connection.execute("select eventstore.seal_block_v1(%s)", [self.block_events])
            row = await cursor.fetchone()
        return int(row[0] or 0) if row else 0

    async def _lag(self) -> str | None:
        unsealed = await unsealed_since(self.pool)
        if unsealed is None or unsealed[1] < timedelta(seconds=LAG_FACTOR * self.seconds):
            return None
        return (
            f"events since {unsealed[0].isoformat()} are not sealed: an open transaction may hold them back"
        )


async def unsealed_since(pool: Pool) -> tuple[datetime, timedelta] | None:
    """When the first event that no block covers was recorded, and how long that is ago."""
    async with pool.connection() as connection:
        row = await (await connection.execute(_UNSEALED_SINCE)).fetchone()
    return None if row is None else (row[0], row[1])
