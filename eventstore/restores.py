"""Restores: after one, positions go on far behind those that the lost log may have given."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

from eventstore.connections import Pool

GAP_POSITIONS: Final = 2**30
"""A day at 12,000 events a second; there is room for a thousand restores."""

_NOTE: Final = """
    with log as (select coalesce(max(position), 0) as last_position from eventstore.events),
         moved as (select setval('eventstore.position_seq',
                                 greatest(last_position, (select last_value from eventstore.position_seq))
                                 + %(gap)s) as last_lost, last_position from log)
    insert into eventstore.restores (last_position, first_position)
    select last_position, last_lost + 1 from moved
    returning restored_at, last_position, first_position"""


@dataclass(frozen=True, slots=True)
class Restore:
    """A restore: where the log of the backup ended, and where it went on."""

    restored_at: datetime
    last_position: int
    first_position: int

    def lost(self, position: int) -> bool:
        """Whether the position is one of the log that is lost."""
        return self.last_position < position < self.first_position


def note_restore(owner: psycopg.Connection[Any], gap: int = GAP_POSITIONS) -> Restore:
    """Say that the database was restored, and burn the positions that may have been given since its backup.

    Also brings a sequence forward that was not restored with the events. No server may be running.
    """
    with owner.cursor(row_factory=class_row(Restore)) as cursor:
        noted = cursor.execute(_NOTE, {"gap": gap}).fetchone()
    assert noted is not None
    return noted


async def restores(pool: Pool) -> list[Restore]:
    """All restores, the oldest first."""
    async with pool.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(Restore))
        await cursor.execute(
            "select restored_at, last_position, first_position from eventstore.restores order by 1"
        )
        return await cursor.fetchall()
