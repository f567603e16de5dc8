"""The read model `sagas`: one row a saga, for lists and for the reconciler. It lags the journal a little."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb
from pydantic import BaseModel, TypeAdapter

from eventstore import RecordedEvent
from eventstore.connections import Pool
from workflows.saga.journal import CATEGORY
from workflows.saga.state import SagaStatus, SagaSummary, summarise

NAME: Final = "sagas"
_SUMMARY: Final = TypeAdapter(SagaSummary)
_UPSERT: Final = """
    insert into readmodels.sagas
           (saga_id, position, name, status, named_run, parked_until, updated_at, summary)
    values (%(saga_id)s, %(position)s, %(name)s, %(status)s, %(named_run)s, %(parked_until)s, %(updated_at)s,
            %(summary)s)
    on conflict (saga_id) do update set status = excluded.status, named_run = excluded.named_run,
        parked_until = excluded.parked_until, updated_at = excluded.updated_at, summary = excluded.summary
"""
_PAGE: Final = """
    select saga_id, name, (summary->>'saga_version')::int as version, status,
           summary->>'correlation_id' as correlation_id,
           (summary->>'requested_at')::timestamptz as requested_at,
           updated_at, (summary->>'ended_at')::timestamptz as ended_at, position
      from readmodels.sagas
     where (%(status)s::text is null or status = %(status)s) and (%(name)s::text is null or name = %(name)s)
       and position < %(before)s
     order by position desc limit %(limit)s
"""
_OVERDUE: Final = """
    select saga_id, named_run from readmodels.sagas
     where status in ('queued', 'running', 'waiting', 'compensating')
       and greatest(updated_at, parked_until) < clock_timestamp() - %(age)s and saga_id > %(after)s
     order by saga_id limit %(limit)s
"""


# One step of the index for each name, however many sagas there are.
_NAMES: Final = """
    with recursive names as (
        select min(name) as name from readmodels.sagas
        union all
        select (select min(s.name) from readmodels.sagas as s where s.name > n.name) from names as n
         where n.name is not null)
    select name from names where name is not null
"""


class InvalidCursor(ValueError):
    """The cursor was not made by this list."""


class SagaRow(BaseModel):
    """A saga in a list."""

    saga_id: str
    name: str
    version: int
    status: SagaStatus
    correlation_id: str
    requested_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    position: int


class SagaProjection:
    """Folds each journal without its steps."""

    name = NAME

    async def apply(self, connection: psycopg.AsyncConnection[Any], events: Sequence[RecordedEvent]) -> None:
        journals = [event for event in events if event.stream.startswith(f"{CATEGORY}-")]
        known = await self._known(connection, {event.stream for event in journals})
        for event in journals:
            position, summary = known.get(event.stream, (event.position, None))
            known[event.stream] = (position, summarise(event, summary))
        if known:
            async with connection.cursor() as cursor:
                await cursor.executemany(_UPSERT, [_row(position, saga) for position, saga in known.values()])

    @staticmethod
    async def _known(
        connection: psycopg.AsyncConnection[Any], streams: set[str]
    ) -> dict[str, tuple[int, SagaSummary | None]]:
        saga_ids = [stream.removeprefix(f"{CATEGORY}-") for stream in streams]
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(
            "select position, summary from readmodels.sagas where saga_id = any(%s)", [saga_ids]
        )
        rows = [(row["position"], _SUMMARY.validate_python(row["summary"])) async for row in cursor]
        return {f"{CATEGORY}-{saga.saga_id}": (position, saga) for position, saga in rows}


def _row(position: int, saga: SagaSummary | None) -> dict[str, Any]:
    assert saga is not None
    return {
        "saga_id": saga.saga_id,
        "position": position,
        "name": saga.name,
        "status": saga.status,
        "named_run": saga.named_run,
        "parked_until": saga.parked_until if saga.parked else None,
        "updated_at": saga.updated_at,
        "summary": Jsonb(_SUMMARY.dump_python(saga, mode="json")),
    }


class SagaList:
    """Queries of the read model."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self, *, status: str | None = None, name: str | None = None, limit: int = 50, after: str | None = None
    ) -> tuple[list[SagaRow], str | None]:
        """Sagas, newest first, and the cursor of the next page. Raises InvalidCursor."""
        parameters = {"status": status, "name": name, "before": _position(after), "limit": limit + 1}
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(SagaRow))
            rows = await (await cursor.execute(_PAGE, parameters)).fetchall()
        more = len(rows) > limit
        return rows[:limit], str(rows[limit - 1].position) if more else None

    async def names(self) -> set[str]:
        """The names of all sagas that were ever started."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_NAMES)
            return {str(row[0]) for row in await cursor.fetchall()}

    async def overdue(self, age: timedelta, *, after: str = "", limit: int = 500) -> list[tuple[str, int]]:
        """Open sagas that nothing has happened to for `age`, though something should: id and named run."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_OVERDUE, {"age": age, "after": after, "limit": limit})
            return [(str(row[0]), int(row[1])) for row in await cursor.fetchall()]


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 2**62
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 15):
        raise InvalidCursor("the cursor is not one of this list")
    return int(cursor)
