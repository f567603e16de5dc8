"""The read model `sagas`: one row a saga, for lists and for the reconciler. It lags the journal a little."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb
from pydantic import BaseModel, TypeAdapter

from app.readmodels.paging import Listing, Sort
from app.readmodels.tables import Row, Table
from eventstore import RecordedEvent
from eventstore.connections import Pool
from workflows.saga.codec import EventCodec
from workflows.saga.errors import StuckReason
from workflows.saga.journal import CATEGORY
from workflows.saga.summary import ENDED, SagaStatus, SagaSummary, summarise

NAME: Final = "sagas"
SORT: Final = "-requested"
"""Newest first: the order of a list that is asked for none."""
_SUMMARY: Final = TypeAdapter(SagaSummary)
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
TABLE: Final = Table(
    "sagas",
    key=("saga_id",),
    columns=("position", "name", "status", "named_run", "parked_until", "updated_at", "summary"),
)
# No clock_timestamp(): it moves within the statement, so that the index could not be asked with it.
_OVERDUE: Final = """
    select saga_id, named_run, due_at from readmodels.sagas
     where due_at < statement_timestamp() - %(age)s and (due_at, saga_id) > (%(due_at)s, %(saga_id)s)
     order by due_at, saga_id limit %(limit)s
"""


_LAST_RUNS_OVER: Final = f"""
    select saga_id,
           case when status in ({", ".join(f"'{status}'" for status in sorted(ENDED))}) then named_run
                else named_run - 1 end
      from readmodels.sagas where saga_id = any(%s)
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


ERROR_SHOWN: Final = 200
"""So many characters of an error are in a list."""


class StuckRow(BaseModel):
    """Why a saga in a list needs a person; the saga itself tells more."""

    reason: StuckReason
    step: str | None
    error: str


class SagaRow(BaseModel):
    """A saga in a list."""

    saga_id: str
    name: str
    version: int
    status: SagaStatus
    correlation_id: str
    parent: str | None
    attributes: dict[str, str]
    requested_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    stuck: StuckRow | None
    position: int


SAGAS: Final[Listing[SagaRow]] = Listing(
    name=NAME,
    select=f"""saga_id, name, (summary->>'saga_version')::int as version, status, correlation_id, parent,
           attributes, requested_at, updated_at, (summary->>'ended_at')::timestamptz as ended_at, position,
           case when status = 'stuck' then jsonb_build_object(
               'reason', summary->'stuck'->'reason', 'step', summary->'stuck'->'step',
               'error', left(summary->'stuck'->>'error', {ERROR_SHOWN})) end as stuck""",
    source="readmodels.sagas",
    key="position",
    key_value=int,
    sorts={"requested": Sort("position", unique=True), "updated": Sort("updated_at", datetime)},
    conditions={
        "status": "status = %(status)s",
        "name": "name = %(name)s",
        "correlation_id": "correlation_id = %(correlation_id)s",
        "parent": "parent = %(parent)s",
        # The second half is that of the index.
        "attributes": "attributes @> %(attributes)s and attributes <> '{}'",
        "requested_after": "requested_at >= %(requested_after)s",
        "requested_before": "requested_at < %(requested_before)s",
        "ids": "saga_id = any(%(ids)s)",
        "before": "position < %(before)s",
    },
    row=SagaRow,
)


@dataclass(frozen=True, slots=True)
class SagaFilter:
    """Which sagas: all that is said must be so."""

    status: str | None = None
    name: str | None = None
    correlation_id: str | None = None
    parent: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    requested_after: datetime | None = None
    requested_before: datetime | None = None
    ids: Sequence[str] = ()

    def given(self) -> dict[str, Any]:
        """The rules that say something, as the conditions of `SAGAS` take them."""
        given = {rule.name: value for rule in fields(self) if (value := getattr(self, rule.name))}
        return given | ({"attributes": Jsonb(self.attributes)} if self.attributes else {})


@dataclass(frozen=True, slots=True)
class Overdue:
    """An open saga for which something should have happened, and the run that should have done it."""

    saga_id: str
    named_run: int
    due_at: datetime


class SagaProjection:
    """Folds each journal without its steps."""

    name = NAME
    version = 1
    tables = ("sagas",)

    def __init__(self, codec: EventCodec) -> None:
        self._codec = codec

    async def apply(self, connection: psycopg.AsyncConnection[Any], events: Sequence[RecordedEvent]) -> None:
        journals = [event for event in events if event.stream.startswith(f"{CATEGORY}-")]
        known = await self._known(connection, {event.stream for event in journals})
        for event in journals:
            position, summary = known.get(event.stream, (event.position, None))
            known[event.stream] = (position, summarise(self._codec, event, summary))
        await TABLE.put(connection, [_row(position, saga) for position, saga in known.values()])

    @staticmethod
    async def _known(
        connection: psycopg.AsyncConnection[Any], streams: set[str]
    ) -> dict[str, tuple[int, SagaSummary | None]]:
        saga_ids = [stream.removeprefix(f"{CATEGORY}-") for stream in streams]
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute("select position, summary from sagas where saga_id = any(%s)", [saga_ids])
        rows = [(row["position"], _SUMMARY.validate_python(row["summary"])) async for row in cursor]
        return {f"{CATEGORY}-{saga.saga_id}": (position, saga) for position, saga in rows}


def _row(position: int, saga: SagaSummary | None) -> Row:
    assert saga is not None
    return {
        "saga_id": saga.saga_id,
        "position": position,
        "name": saga.name,
        "status": saga.status,
        "named_run": saga.named_run,
        "parked_until": saga.parked_until if saga.parked else None,
        "updated_at": saga.updated_at,
        "summary": _SUMMARY.dump_python(saga, mode="json"),
    }


class SagaList:
    """Queries of the read model."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self, wanted: SagaFilter, *, limit: int = 50, before: int | None = None
    ) -> tuple[list[SagaRow], int | None]:
        """Sagas, newest first, below the position `before`, and the `before` of the next page."""
        given = wanted.given() | ({} if before is None else {"before": before})
        async with self._pool.connection() as connection:
            rows, place = await SAGAS.rows(connection, given, SORT, limit)
        return rows, None if place is None else rows[-1].position

    async def names(self) -> set[str]:
        """The names of all sagas that were ever started."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_NAMES)
            return {str(row[0]) for row in await cursor.fetchall()}

    async def last_runs_over(self, saga_ids: Collection[str]) -> dict[str, int]:
        """Of each saga that is known, the number of the last run that it certainly does not wait for any
        more. However far this list is behind: a saga that goes on names a larger number."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_LAST_RUNS_OVER.encode(), [list(saga_ids)])
            return {saga_id: run async for saga_id, run in cursor}

    async def overdue(
        self, age: timedelta, *, after: Overdue | None = None, limit: int = 500
    ) -> list[Overdue]:
        """Open sagas that nothing has happened to for `age`, though something should; the longest first."""
        due_at, saga_id = (after.due_at, after.saga_id) if after else (_LONG_AGO, "")
        parameters = {"age": age, "due_at": due_at, "saga_id": saga_id, "limit": limit}
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(Overdue))
            return await (await cursor.execute(_OVERDUE, parameters)).fetchall()
