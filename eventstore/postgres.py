"""The event store in Postgres: appends through the appender, reads in pages."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import args_row
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random

from eventstore.appender import Appender
from eventstore.connections import Pool
from eventstore.documents import Item, item
from eventstore.errors import WrongExpectedVersion
from eventstore.events import ANY_VERSION, Appended, Batch, CommandId, RecordedEvent
from eventstore.reader import COLUMNS, Reader
from eventstore.snapshots import PostgresSnapshots
from eventstore.validation import DEFAULT_BOUNDS, MAX_VERSION, AppendBounds

PAGE_EVENTS: Final = 500
"""Events that one read holds in memory."""

WINDOW_POSITIONS: Final = 50_000
"""Positions that one statement looks through for a category: no statement runs without a bound."""

ANY_VERSION_ATTEMPTS: Final = 30
"""How often an append after whatever is there looks again before contention is the caller's concern."""

_COLUMNS: Final = ", ".join(COLUMNS)
_STREAM_FORWARDS: Final = f"""
    select {_COLUMNS} from eventstore.events
     where stream = %(stream)s and version > %(after)s and version <= %(to)s
     order by version limit %(limit)s"""
_STREAM_BACKWARDS: Final = f"""
    select {_COLUMNS} from eventstore.events
     where stream = %(stream)s and version > %(after)s and version <= %(to)s
     order by version desc limit %(limit)s"""
_ALL: Final = f"""
    select {_COLUMNS} from eventstore.events
     where position > %(after)s and position <= %(to)s order by position limit %(limit)s"""
_CATEGORY: Final = f"""
    select {_COLUMNS} from eventstore.events
     where position > %(after)s and position <= %(to)s and split_part(stream, '-', 1) = %(category)s
     order by position limit %(limit)s"""
_BEFORE_NEXT: Final = """
    select coalesce(min(position) - 1, %(to)s) from eventstore.events where position > %(after)s"""
# A binary search, one look into the index of (stream, version) a turn: from one version of a stream to the
# next neither the time nor the end of the append is ever an earlier one.
_VERSION_AT: Final = """
    with recursive search (low, high) as (
        select 0, least(%(to)s, coalesce((select max(version) from eventstore.events
                                           where stream = %(stream)s), 0))
        union all
        select case when middle.is_past then low else middle.version end,
               case when middle.is_past then middle.version - 1 else high end
          from search
         cross join lateral (
               select version, coalesce(recorded_at > %(as_of)s, false)
                               or coalesce(commit_position > %(position)s, false) as is_past
                 from eventstore.events
                where stream = %(stream)s and version = low + (high - low + 1) / 2 limit 1) as middle
         where low < high)
    select low from search where low >= high"""
# Without an order, which an index of another column could give: the one of ids would not be used.
_BY_ID: Final = f"select {_COLUMNS} from eventstore.events where event_id = %(event_id)s"
_VERSION: Final = "select coalesce(max(version), 0) from eventstore.events where stream = %(stream)s"


class PostgresEventStore:
    """The port on Postgres. Reads raise StoreUnavailable when the database stays away for long."""

    def __init__(
        self,
        pool: Pool,
        appender: Appender,
        *,
        bounds: AppendBounds = DEFAULT_BOUNDS,
        page_events: int = PAGE_EVENTS,
        window_positions: int = WINDOW_POSITIONS,
    ) -> None:
        self._reader = Reader(pool)
        self._appender = appender
        self._bounds = bounds
        self._page_events = page_events
        self._window_positions = window_positions
        self._any_version = AsyncRetrying(
            stop=stop_after_attempt(ANY_VERSION_ATTEMPTS),
            wait=wait_random(max=0.05),
            reraise=True,
        )
        self.snapshots = PostgresSnapshots(pool, self._reader, self, page_events)

    async def append(
        self,
        batches: Sequence[Batch],
        *,
        command: CommandId | None = None,
        attachment: Mapping[str, Any] | None = None,
    ) -> Appended:
        """As the port says; also raises StoreUnavailable.

        Each value of `attachment` is a list of objects; the append function gets them in its document's list
        of that name. `saga.append_items` reads "runs", `eventstore.append_items` none.
        """
        one = item(batches, command, attachment, self._bounds)
        unbound = {batch.stream for batch in batches if batch.expected_version == ANY_VERSION}
        if not unbound:
            return await self._appender.append(one)

        def lost_race(error: BaseException) -> bool:
            return isinstance(error, WrongExpectedVersion) and error.stream in unbound

        retrying = self._any_version.copy(retry=retry_if_exception(lost_race))
        return await retrying(self._append_after_current_versions, one)

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        to: int | None = None,
        as_of: datetime | None = None,
        position: int | None = None,
        limit: int | None = None,
        backwards: bool = False,
    ) -> AsyncIterator[RecordedEvent]:
        lower = max(after, 0)
        upper = MAX_VERSION if to is None else min(to, MAX_VERSION)
        if as_of is not None or position is not None:
            cut = {"stream": stream, "to": upper, "as_of": as_of, "position": position}
            upper = await self._reader.scalar(_VERSION_AT, cut)
        remaining = limit
        while lower < upper and remaining != 0:
            page = await self._page(
                _STREAM_BACKWARDS if backwards else _STREAM_FORWARDS,
                {"stream": stream, "after": lower, "to": upper},
                remaining,
            )
            for event in page:
                yield event
            if len(page) < self._page_events:
                return
            lower, upper = (lower, page[-1].version - 1) if backwards else (page[-1].version, upper)
            remaining = None if remaining is None else remaining - len(page)

    async def read_all(
        self,
        after: int = 0,
        *,
        to: int | None = None,
        limit: int | None = None,
        category: str | None = None,
    ) -> AsyncIterator[RecordedEvent]:
        # A statement of its own: rows are read with a later snapshot than the locks (03_positions.sql).
        safe = await self.safe_position()
        upper = safe if to is None else min(to, safe)
        position = max(after, 0)
        remaining = limit
        while position < upper and remaining != 0:
            window = upper if category is None else min(upper, position + self._window_positions)
            parameters = {"after": position, "to": window, "category": category}
            page = await self._page(_ALL if category is None else _CATEGORY, parameters, remaining)
            for event in page:
                yield event
            position = page[-1].position if len(page) == self._page_events else window
            if not page and position < upper:  # a restore leaves gaps of many windows
                position = await self._reader.scalar(_BEFORE_NEXT, {"after": position, "to": upper})
            remaining = None if remaining is None else remaining - len(page)

    async def find(self, event_id: UUID) -> RecordedEvent | None:
        found = await self._reader.rows(_BY_ID, {"event_id": event_id}, args_row(RecordedEvent))
        return found[0] if found else None

    async def safe_position(self) -> int:
        safe: int = await self._reader.scalar("select eventstore.safe_position()")
        return safe

    async def now(self) -> datetime:
        now: datetime = await self._reader.scalar("select clock_timestamp()")
        return now

    async def _append_after_current_versions(self, one: Item) -> Appended:
        batches = [
            replace(batch, expected_version=await self._reader.scalar(_VERSION, {"stream": batch.stream}))
            if batch.expected_version == ANY_VERSION
            else batch
            for batch in one.batches
        ]
        return await self._appender.append(replace(one, batches=batches))

    async def _page(self, query: str, parameters: dict[str, Any], limit: int | None) -> list[RecordedEvent]:
        size = self._page_events if limit is None else min(limit, self._page_events)
        return await self._reader.rows(query, {**parameters, "limit": size}, args_row(RecordedEvent))
