"""Positions that leave the process carry the timeline of the server.

    17          a plain position, as answers have it: taken at its word
    17@1        a token: position 17 of timeline 1

A server that was promoted in place of another one begins a timeline, and may give positions once more that
the other one had given: a token of another timeline says nothing here. So does a restore from a backup: the
number is that of Postgres's timeline, plus the time of the last restore in seconds.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from eventstore.connections import Pool
from eventstore.restores import Restore, restores

POSITION_MAX: Final = 2**40
POSITION_HEADER: Final = "Saga-Position"
"""The header of an answer that has its position as a token."""
TIMELINE: Final = """
    ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint
    + coalesce((select floor(extract(epoch from max(restored_at)))::bigint from eventstore.restores), 0)"""
"""SQL for the timeline of the server, which must be no standby."""
_TOKEN: Final = re.compile(r"(\d{1,13})(?:@(\d{1,10}))?", re.ASCII)


class OtherTimeline(Exception):
    """The token or cursor is of another history of the database: begin again without it."""

    def __init__(self, theirs: int, ours: int) -> None:
        super().__init__(f"it is of timeline {theirs}, the server is on timeline {ours}")


class LostPosition(Exception):
    """The position is of a log that was lost when the database was restored."""

    def __init__(self, position: int, restore: Restore) -> None:
        super().__init__(
            f"position {position} was lost when the database was restored from a backup: what is"
            f" recorded up to position {restore.last_position} is as it was, all that came after it is gone"
        )
        self.last_position = restore.last_position


@dataclass(frozen=True, slots=True)
class Position:
    """A position, and the timeline that it is of; without one it is of whichever there is."""

    position: int
    timeline: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError."""
        match = _TOKEN.fullmatch(text)
        if match is None or int(match[1]) > POSITION_MAX:
            raise ValueError(f"must be a position, at most {POSITION_MAX}, such as 17 or 17@1")
        return cls(int(match[1]), int(match[2]) if match[2] else None)

    def on(self, timeline: int) -> int:
        """The position on this timeline. Raises OtherTimeline."""
        if self.timeline not in (None, timeline):
            raise OtherTimeline(self.timeline, timeline)
        return self.position

    def __str__(self) -> str:
        return str(self.position) if self.timeline is None else f"{self.position}@{self.timeline}"


@dataclass(frozen=True, slots=True)
class History:
    """The restores of the database. There are none while a server runs."""

    restores: Sequence[Restore] = ()

    @classmethod
    async def of(cls, pool: Pool) -> Self:
        """Raises psycopg.Error."""
        return cls(await restores(pool))

    def timeline(self, of_postgres: int) -> int:
        """The timeline of tokens, as TIMELINE computes it."""
        last = int(self.restores[-1].restored_at.timestamp()) if self.restores else 0
        return of_postgres + last

    def known(self, position: int) -> int:
        """The position. Raises LostPosition."""
        for restore in self.restores:
            if restore.lost(position):
                raise LostPosition(position, restore)
        return position


async def current_timeline(pool: Pool) -> int:
    """The timeline of the server. Raises psycopg.Error."""
    async with pool.connection() as connection:
        row = await (await connection.execute(f"select {TIMELINE}")).fetchone()
    assert row is not None
    return int(row[0])
