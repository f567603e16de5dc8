"""Which executors there are, for people: the same on every surface, whichever process is asked."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from psycopg.rows import dict_row

from app.executors.lease import LEASE_CLASS, Kind
from eventstore.connections import Pool
from workflows.saga.dbos_runs import DbosRuns

State = Literal["alive", "silent", "buried"]

SILENT_SECONDS: Final = 6.0
"""Three pings. It may only be slow: its runs are taken over when its lease is free."""
LISTED_MAX: Final = 200
BURIED_HOURS: Final = 24

_LIST: Final = """
    select number, executor_id, kind, host, pid, slots, process_started_at as since, pinged_at as last_ping,
           buried_at is not null as buried,
           pinged_at > clock_timestamp() - make_interval(secs => %(silent)s) and exists (
               select from pg_locks where locktype = 'advisory' and granted and objsubid = 2
                  and database = (select oid from pg_database where datname = current_database())
                  and classid = %(class)s::int8::oid and objid = e.number::int8::oid) as alive
      from eventstore.executors as e
     where buried_at is null or buried_at > clock_timestamp() - make_interval(hours => %(hours)s)
     order by buried_at is not null, number desc
     limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class ListedExecutor:
    """A process that runs sagas, or did.

    alive: it holds its lease and pings. silent: it does not, and nobody has taken over yet. buried: its runs
    were taken over, or it had stopped and there were none.
    """

    id: str
    number: int
    kind: Kind
    host: str | None
    pid: int
    since: datetime
    last_ping: datetime
    state: State
    runs_in_flight: int
    slots: int | None


async def list_executors(pool: Pool, runs: DbosRuns) -> list[ListedExecutor]:
    """As `read_executors`; `runs_in_flight` are those that an executor has taken and not ended."""
    return await read_executors(pool, Counter(run.executor_id for run in await runs.pending()))


async def read_executors(pool: Pool, in_flight: Mapping[str, int] | None = None) -> list[ListedExecutor]:
    """Those that live first, the newest first; the buried ones of the last day. `LISTED_MAX` at most."""
    in_flight = in_flight or {}
    async with pool.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        parameters = {"class": LEASE_CLASS, "silent": SILENT_SECONDS, "hours": BURIED_HOURS}
        await cursor.execute(_LIST, {**parameters, "limit": LISTED_MAX})
        rows = await cursor.fetchall()
    return [
        ListedExecutor(
            id=row["executor_id"],
            number=row["number"],
            kind=row["kind"],
            host=row["host"],
            pid=row["pid"],
            since=row["since"],
            last_ping=row["last_ping"],
            state="buried" if row["buried"] else "alive" if row["alive"] else "silent",
            runs_in_flight=in_flight.get(row["executor_id"], 0),
            slots=row["slots"],
        )
        for row in rows
    ]
