"""Checkpoints: where each follower of the log stands, one row each (map: migrations/sql_0003)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Self

import orjson
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from eventstore.events import RecordedEvent

Connection = psycopg.AsyncConnection[Any]
Kind = Literal["projection", "subscription"]
State = Literal["following", "paused", "parked"]

LEADER_LOCK: Final = 0x5A6A_0002
HUNG_SECONDS: Final = 12.0
"""Longer than `idle_in_transaction_session_timeout`, and than what a subscription's handler may take."""
REASON_CHARACTERS_MAX: Final = 1_000

COLUMNS: Final = (
    "subscription as name, kind, version, state, position, parked, tables, began_at, updated_at, "
    "events_per_second"
)


@dataclass(frozen=True, slots=True)
class Parked:
    """The event that a follower cannot take in, and why. `attempts` counts those of all processes."""

    position: int
    event_id: str
    type: str
    stream: str
    reason: str
    attempts: int
    since: datetime

    @classmethod
    def before(cls, event: RecordedEvent, error: Exception, attempts: int, since: datetime) -> Self:
        reason = f"{type(error).__name__}: {error}"[:REASON_CHARACTERS_MAX].replace("\0", "")
        return cls(event.position, str(event.event_id), event.type, event.stream, reason, attempts, since)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        return cls(**{**document, "since": datetime.fromisoformat(document["since"])})

    def __str__(self) -> str:
        return f"parked before {self.type} at position {self.position}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Standing:
    """The row of a follower."""

    name: str
    kind: Kind
    version: int
    state: State
    position: int
    parked: Parked | None
    tables: Sequence[str]
    began_at: datetime
    updated_at: datetime
    events_per_second: float | None

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        return cls(**{**row, "parked": Parked.read(row["parked"]) if row["parked"] else None})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The position up to which the follower `name` has come. It moves only from what was read, so of two that
    would move it one loses; the lock keeps them from doing the same work."""

    name: str

    async def standing(self, connection: Connection, *, lock: bool = False) -> Standing | None:
        """None before the first one was recorded. With `lock` it stays so until the transaction ends."""
        query = f"select {COLUMNS} from eventstore.checkpoints where subscription = %s"
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(f"{query}{' for update' if lock else ''}".encode(), [self.name])
        row = await cursor.fetchone()
        return None if row is None else Standing.read(row)

    async def lead(self, connection: Connection) -> bool:
        """Whether the transaction of `connection` is the one that may work, until it ends."""
        cursor = await connection.execute(
            "select pg_try_advisory_xact_lock(%s, hashtext(%s))", [LEADER_LOCK, self.name]
        )
        return await cursor.fetchone() == (True,)

    async def end_hung_leader(self, connection: Connection) -> bool:
        """End the session of a leader that does nothing within its transaction. Whether there was one.

        The server does so itself after `idle_in_transaction_session_timeout`, but not when the last thing it
        got was a Flush: so ends psycopg's executemany, which a projection may use.
        """
        cursor = await connection.execute(
            """
            select pg_terminate_backend(held.pid)
              from pg_locks as held join pg_stat_activity as activity on activity.pid = held.pid
             where held.locktype = 'advisory' and held.granted and held.objsubid = 2
               and held.database = (select oid from pg_database where datname = current_database())
               and held.classid::bigint = %s and held.objid::bigint = hashtext(%s)::bigint & 4294967295
               and activity.usename = current_user and activity.state = 'idle in transaction'
               and activity.state_change < clock_timestamp() - make_interval(secs => %s)
            """,
            [LEADER_LOCK, self.name, HUNG_SECONDS],
        )
        return (True,) in await cursor.fetchall()

    async def move(
        self, connection: Connection, old: Standing, position: int, rate: float | None = None
    ) -> bool:
        """Move it to `position`, following; what it was parked for is behind it. False when it does not stand
        at `old` any more."""
        cursor = await connection.execute(
            """
            update eventstore.checkpoints
               set position = %(new)s, state = 'following', parked = null, events_per_second = %(rate)s,
                   updated_at = clock_timestamp()
             where subscription = %(name)s and position = %(position)s and version = %(version)s
               and state = %(state)s
            """,
            {"new": position, "rate": rate, **_identity(old)},
        )
        return cursor.rowcount == 1

    async def change(
        self, connection: Connection, old: Standing, state: State, parked: Parked | None = None
    ) -> bool:
        """Change its state where it stands. False when it does not stand at `old` any more."""
        document = None if parked is None else Jsonb(parked, dumps=orjson.dumps)
        cursor = await connection.execute(
            """
            update eventstore.checkpoints
               set state = %(new)s, parked = %(parked)s, updated_at = clock_timestamp()
             where subscription = %(name)s and position = %(position)s and version = %(version)s
               and state = %(state)s
            """,
            {"new": state, "parked": document, **_identity(old)},
        )
        return cursor.rowcount == 1

    async def begin(
        self,
        connection: Connection,
        position: int,
        kind: Kind,
        version: int = 1,
        tables: Sequence[str] = (),
    ) -> bool:
        """Record the first one. False when somebody has."""
        cursor = await connection.execute(
            """
            insert into eventstore.checkpoints (subscription, position, kind, version, tables)
            values (%s, %s, %s, %s, %s)
            on conflict (subscription) do nothing
            """,
            [self.name, position, kind, version, list(tables)],
        )
        return cursor.rowcount == 1


def _identity(old: Standing) -> dict[str, Any]:
    return {"name": old.name, "position": old.position, "version": old.version, "state": old.state}
