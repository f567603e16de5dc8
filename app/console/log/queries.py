"""Reads of the log that only people need, each bounded however long the log is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from app.runtime import Runtime
from eventstore import RecordedEvent
from workflows.saga.journal import RunStarted, journal_stream

STREAMS_PAGE: Final = 50
NEWEST_SHOWN: Final = 10
WINDOW_EVENTS: Final = 20_000
"""So many events one page is looked for in, when only some of them are wanted."""
LATER_EVENTS: Final = 5_000
"""So many events after one are looked through for what it has caused."""
CAUSED_MAX: Final = 50
TAKEOVERS_SHOWN: Final = 50
TAKEN_OVER_SHOWN: Final = 5
"""So many sagas of each takeover are named."""

# From one name to the next by the index of (stream, version), never through the events of a stream.
_STREAMS: Final = """
with recursive found(stream, number) as (
    (select stream, 1 from eventstore.events
      where stream > %(after)s and stream >= %(begins)s order by stream limit 1)
    union all
    select (select e.stream from eventstore.events as e where e.stream > found.stream
             order by e.stream limit 1), found.number + 1
      from found
     where found.number <= %(limit)s and starts_with(found.stream, %(begins)s)
)
select found.stream, last.version, last.recorded_at, last.type
  from found
 cross join lateral (select version, recorded_at, type from eventstore.events as e
                      where e.stream = found.stream order by version desc limit 1) as last
 where found.stream is not null and starts_with(found.stream, %(begins)s)
 order by found.stream
 limit %(limit)s"""

# The first events of streams among the last ones of the log.
_NEWEST: Final = f"""
select began.stream, last.version, last.recorded_at, last.type
  from (select stream, position
          from (select stream, version, position from eventstore.events
                 where position <= %(safe)s order by position desc limit {WINDOW_EVENTS}) as late
         where version = 1 order by position desc limit %(limit)s) as began
 cross join lateral (select version, recorded_at, type from eventstore.events as e
                      where e.stream = began.stream order by version desc limit 1) as last
 order by began.position desc"""

_MATCHES: Final = """
        (%(category)s::text is null or split_part(stream, '-', 1) = %(category)s)
    and (%(types)s::text[] is null or type = any(%(types)s))
    and (%(correlation)s::text is null or metadata->>'correlation_id' = %(correlation)s)"""

_BACKWARDS: Final = f"""
with looked_at as (
    select position, stream, type, metadata from eventstore.events
     where position < %(from)s and position <= %(safe)s order by position desc limit {WINDOW_EVENTS})
select array(select position from looked_at where {_MATCHES} order by position desc limit %(limit)s),
       (select min(position) from looked_at)"""

_FORWARDS: Final = f"""
with looked_at as (
    select position, stream, type, metadata from eventstore.events
     where position > %(from)s and position <= %(safe)s order by position limit {WINDOW_EVENTS})
select array(select position from looked_at where {_MATCHES} order by position limit %(limit)s),
       (select max(position) from looked_at)"""

# A run is begun again under its number when another executor goes on with it.
_TAKEOVERS: Final = f"""
with looked_at as (
    select position, stream, type, data, recorded_at from eventstore.events
     where position <= %(safe)s order by position desc limit {WINDOW_EVENTS}),
begun as (
    select substr(stream, %(prefix)s) as saga_id, position, recorded_at, data->>'executor' as executor,
           lag(data->>'executor') over (partition by stream, data->>'run' order by position) as before
      from looked_at where type = %(type)s)
select before, executor, count(*)::int as runs, max(recorded_at) as latest,
       (array_agg(saga_id order by position desc))[:{TAKEN_OVER_SHOWN}] as sagas
  from begun where before <> executor
 group by before, executor order by latest desc limit {TAKEOVERS_SHOWN}"""

_CAUSED: Final = f"""
select array(select position
               from (select position, metadata from eventstore.events
                      where position > %(after)s and position <= %(safe)s
                      order by position limit {LATER_EVENTS}) as later
              where metadata->>'causation_id' = %(event_id)s
              order by position limit {CAUSED_MAX})"""

_BESIDE: Final = f"""
select array(select position from eventstore.events
              where position > %(low)s and position <= %(commit)s and commit_position = %(commit)s
              order by position limit {CAUSED_MAX})"""


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream and its last event."""

    stream: str
    version: int
    recorded_at: datetime
    type: str


@dataclass(frozen=True, slots=True)
class Takeover:
    """Runs that one executor had begun, `before`, and another one went on with; the latest of their sagas."""

    before: str
    executor: str
    runs: int
    latest: datetime
    sagas: list[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events; what is None is not asked for."""

    category: str | None = None
    types: list[str] | None = None
    correlation: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of events. `next` is the place where the next one begins; None at the end of the log.
    `looked_to` is the last position that was looked at."""

    events: list[RecordedEvent]
    next: int | None
    looked_to: int | None


async def find_streams(runtime: Runtime, begins: str, after: str) -> tuple[list[StreamRow], str | None]:
    """Streams by name, those that begin so, behind `after`; and the `after` of the next page."""
    parameters = {"begins": begins, "after": after, "limit": STREAMS_PAGE + 1}
    async with runtime.pool.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(StreamRow))
        rows = await (await cursor.execute(_STREAMS, parameters)).fetchall()
    following = rows[STREAMS_PAGE - 1].stream if len(rows) > STREAMS_PAGE else None
    return rows[:STREAMS_PAGE], following


async def newest_streams(runtime: Runtime) -> list[StreamRow]:
    """Those that began last, the latest first, among the last events of the log."""
    parameters = {"safe": await runtime.store.safe_position(), "limit": NEWEST_SHOWN}
    async with runtime.pool.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(StreamRow))
        return await (await cursor.execute(_NEWEST.encode(), parameters)).fetchall()


async def takeovers(runtime: Runtime) -> list[Takeover]:
    """Who went on with whose runs, the latest first, by the last events of the log."""
    parameters = {
        "safe": await runtime.store.safe_position(),
        "type": RunStarted.__name__,
        "prefix": len(journal_stream("")) + 1,
    }
    async with runtime.pool.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(Takeover))
        return await (await cursor.execute(_TAKEOVERS.encode(), parameters)).fetchall()


async def find_events(runtime: Runtime, wanted: Wanted, start: int, limit: int, *, backwards: bool) -> Found:
    """Events before the position `start`, the newest first, or after it, the oldest first."""
    safe = await runtime.store.safe_position()
    parameters = {
        "from": start,
        "safe": safe,
        "limit": limit + 1,
        "category": wanted.category,
        "types": wanted.types,
        "correlation": wanted.correlation,
    }
    async with runtime.pool.connection() as connection:
        statement = _BACKWARDS if backwards else _FORWARDS
        row = await (await connection.execute(statement.encode(), parameters)).fetchone()
    assert row is not None, "a statement without FROM gives a row"
    positions, looked_to = row
    events = await events_at(runtime, positions[:limit])
    if len(positions) > limit:
        return Found(events, positions[limit - 1], looked_to)
    more = looked_to is not None and (looked_to > 1 if backwards else looked_to < safe)
    return Found(events, looked_to if more else None, looked_to)


async def events_at(runtime: Runtime, positions: list[int]) -> list[RecordedEvent]:
    """The events at these positions, in that order."""
    found = {}
    for low, high in _runs(sorted(positions)):
        async for event in runtime.store.read_all(low - 1, to=high):
            found[event.position] = event
    return [found[position] for position in positions if position in found]


def _runs(positions: list[int]) -> list[tuple[int, int]]:
    """Neighbours are read at once: (first, last) of each row of them."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and position == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], position)
        else:
            runs.append((position, position))
    return runs


async def caused_by(runtime: Runtime, event: RecordedEvent) -> list[RecordedEvent]:
    """What names the event as its cause, among the next ones in the log."""
    safe = await runtime.store.safe_position()
    parameters = {"after": event.position, "safe": safe, "event_id": str(event.event_id)}
    return await _events(runtime, _CAUSED, parameters)


async def appended_with(runtime: Runtime, event: RecordedEvent) -> list[RecordedEvent]:
    """The others of its append."""
    low = max(0, event.commit_position - 1_000)
    parameters = {"low": low, "commit": event.commit_position}
    beside = await _events(runtime, _BESIDE, parameters)
    return [each for each in beside if each.position != event.position]


async def _events(runtime: Runtime, query: str, parameters: Mapping[str, object]) -> list[RecordedEvent]:
    async with runtime.pool.connection() as connection:
        row = await (await connection.execute(query.encode(), parameters)).fetchone()
    assert row is not None, "a statement without FROM gives a row"
    return await events_at(runtime, row[0])
