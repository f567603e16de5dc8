"""What an operator asks the store: who holds the readers back, and is the sequence of positions sound?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from psycopg.rows import args_row

from eventstore.connections import Pool

_OPEN_APPENDS: Final = """
    select held.pid, held.position, clock_timestamp() - activity.xact_start, activity.application_name
      from eventstore.position_locks as held
      join pg_stat_activity as activity on activity.pid = held.pid
     order by held.position, held.pid"""

SEQUENCE: Final = """
    select s.seqcache, s.seqcycle, (select last_value from eventstore.position_seq),
           (select coalesce(max(position), 0) from eventstore.events)
      from pg_sequence as s where s.seqrelid = 'eventstore.position_seq'::regclass"""


@dataclass(frozen=True, slots=True)
class OpenAppend:
    """A transaction that has appended and not ended: no reader passes `position` until it does.

    `open_for` is None when this role may not see the activity of the other one.
    """

    pid: int
    position: int
    open_for: timedelta | None
    application_name: str | None


async def open_appends(pool: Pool) -> list[OpenAppend]:
    """Who holds the safe position back, the one that holds it back furthest first."""
    async with pool.connection() as connection:
        cursor = connection.cursor(row_factory=args_row(OpenAppend))
        await cursor.execute(_OPEN_APPENDS)
        return await cursor.fetchall()


async def sequence_faults(pool: Pool) -> list[str]:
    """What would make readers lose events, in words; empty when all is well."""
    async with pool.connection() as connection:
        return faults_of_sequence(await (await connection.execute(SEQUENCE)).fetchall())


def faults_of_sequence(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    """The same of what `SEQUENCE` gives."""
    ((cache, cycles, last_value, last_position),) = rows
    faults = []
    if cache != 1:
        faults.append(f"eventstore.position_seq has CACHE {cache}: set it to 1, readers lose events")
    if cycles:
        faults.append("eventstore.position_seq cycles: set NO CYCLE")
    if last_value < last_position:
        faults.append(
            f"eventstore.position_seq is at {last_value}, behind the events at {last_position}: "
            "it was not restored with them, set it to that position"
        )
    return faults
