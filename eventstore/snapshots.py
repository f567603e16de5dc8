"""Snapshots: the folded state of a stream at a version, so that who reads it folds only what came after.

offer()  ->  waiting, one a stream and fingerprint, bounded  ->  run(): a few in one statement  ->  the table
read()   <-  the snapshot and the events after it, one statement

Nothing depends on them. A state that cannot be kept is left out; a row may be deleted at any time; code whose
fingerprint is another one does not see it; and one that says more than its stream does is passed over.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

import orjson
from psycopg.rows import tuple_row

from eventstore.connections import Pool
from eventstore.events import RecordedEvent
from eventstore.reader import COLUMNS, Reader
from eventstore.validation import MAX_VERSION

logger = logging.getLogger(__name__)

WAITING_MAX: Final = 1_000
BATCH_SNAPSHOTS: Final = 16
STATE_BYTES_MAX: Final = 16 * 1024 * 1024
TROUBLE_SECONDS: Final = 1.0
STALE_ROWS: Final = 1_000
"""So many stale rows one statement deletes."""

Key = tuple[str, str]
"""Stream and fingerprint."""
Dump = Callable[[], tuple[int, bytes]]
"""Gives a version and the state at it as JSON; called some time later, when the state may have moved on."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a stream after the event `last`, which has this version."""

    version: int
    state: Any
    last: RecordedEvent


class Snapshots(Protocol):
    """States of streams, under the fingerprint of the code that folded them."""

    def read(
        self, stream: str, fingerprint: str, *, to: int | None = None
    ) -> AsyncIterator[Snapshot | RecordedEvent]:
        """The snapshot that is not after version `to`, if there is one; then the events after it, up to
        `to`."""
        ...

    def offer(self, stream: str, fingerprint: str, dump: Dump) -> None:
        """Keep a state some time later, unless a later one is kept already. Neither waits nor raises."""
        ...

    async def discard(self, stream: str) -> None:
        """Forget the states of this stream."""
        ...

    async def discard_stale(self, fingerprints: Collection[str], age: timedelta) -> int:
        """Forget states under other fingerprints than these that were taken so long ago; gives how many.

        Not at once: while a new version is deployed, processes of the old one still read theirs.
        """
        ...


class EventReader(Protocol):
    """What reads a stream."""

    def read_stream(
        self, stream: str, *, after: int = 0, to: int | None = None
    ) -> AsyncIterator[RecordedEvent]: ...


class MemorySnapshots:
    """The twin in memory, for tests; what is offered is kept at once."""

    def __init__(self, events: EventReader) -> None:
        self._events = events
        self._kept: dict[Key, tuple[int, bytes]] = {}

    async def read(
        self, stream: str, fingerprint: str, *, to: int | None = None
    ) -> AsyncIterator[Snapshot | RecordedEvent]:
        version, state = self._kept.get((stream, fingerprint), (0, b""))
        if version > (MAX_VERSION if to is None else to):
            version = 0
        ahead = bool(version)
        async for event in self._events.read_stream(stream, after=max(version - 1, 0), to=to):
            ahead = False
            yield Snapshot(version, orjson.loads(state), event) if event.version == version else event
        if ahead:
            async for event in self._events.read_stream(stream, to=to):
                yield event

    def offer(self, stream: str, fingerprint: str, dump: Dump) -> None:
        version, state = dump()
        known, _ = self._kept.get((stream, fingerprint), (0, b""))
        if version > known:
            self._kept[stream, fingerprint] = version, state

    async def discard(self, stream: str) -> None:
        self.forget(stream)

    def forget(self, stream: str) -> None:
        """Discard at once."""
        self._kept = {key: kept for key, kept in self._kept.items() if key[0] != stream}

    async def discard_stale(self, fingerprints: Collection[str], age: timedelta) -> int:
        stale = [key for key in self._kept if key[1] not in fingerprints] if age <= timedelta() else []
        for key in stale:
            del self._kept[key]
        return len(stale)


# Versions have no gaps, so the limit is the upper bound as well: with two bounds, one of them unknown, the
# planner expects a handful of rows, and would rather collect and sort them all than walk along the index.
_READ: Final = f"""
    with snapshot as materialized (
        select version, state from eventstore.snapshots
         where stream = %(stream)s and fingerprint = %(fingerprint)s and version <= %(to)s)
    select s.version, case when e.version = s.version then s.state end, {", ".join(f"e.{c}" for c in COLUMNS)}
      from (select) as once
      left join snapshot as s on true
      left join lateral (
           select * from eventstore.events
            where stream = %(stream)s and version >= coalesce(s.version, 1)
            order by version
            limit greatest(0, least(%(limit)s, %(to)s - coalesce(s.version, 1) + 1))) as e on true
     order by e.version"""
_KEEP: Final = """
    insert into eventstore.snapshots as kept (stream, fingerprint, version, state)
    select stream, fingerprint, version, state::json
      from unnest(%s::text[], %s::text[], %s::integer[], %s::text[])
           as new (stream, fingerprint, version, state)
     order by stream, fingerprint
        on conflict (stream, fingerprint) do update
       set version = excluded.version, state = excluded.state, taken_at = clock_timestamp()
     where kept.version < excluded.version"""
_STALE: Final = """
    delete from eventstore.snapshots where ctid = any (array(
        select ctid from eventstore.snapshots
         where fingerprint <> all (%s) and taken_at < clock_timestamp() - %s::interval limit %s))"""


class PostgresSnapshots:
    """States in the table `eventstore.snapshots`.

    What is offered is kept only while `run` runs. `taken`, `dropped` and `failed` count what became of it;
    `trouble` is why the last ones could not be kept.
    """

    def __init__(self, pool: Pool, reader: Reader, events: EventReader, page_events: int) -> None:
        self._pool = pool
        self._reader = reader
        self._events = events
        self._page_events = page_events
        self._waiting: dict[Key, Dump] = {}
        self._offered = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._running = False
        self.taken = self.dropped = self.failed = 0
        self.trouble: str | None = None

    async def read(
        self, stream: str, fingerprint: str, *, to: int | None = None
    ) -> AsyncIterator[Snapshot | RecordedEvent]:
        upper = MAX_VERSION if to is None else min(to, MAX_VERSION)
        limit = self._page_events
        parameters = {"stream": stream, "fingerprint": fingerprint, "to": upper, "limit": limit}
        rows = await self._reader.rows(_READ, parameters, tuple_row)
        (version, _, *_), count, after = rows[0], 0, 0
        for _, state, *columns in rows:
            event = RecordedEvent(*columns) if columns[0] is not None else None
            if event is None or (count == 0 and version is not None and event.version != version):
                break  # no events, or none that the snapshot could be of
            count, after = count + 1, event.version
            yield event if state is None else Snapshot(version, state, event)
        if count == limit or (count == 0 and version is not None):
            async for event in self._events.read_stream(stream, after=after, to=upper):
                yield event

    def offer(self, stream: str, fingerprint: str, dump: Dump) -> None:
        key = stream, fingerprint
        if not self._running or (len(self._waiting) >= WAITING_MAX and key not in self._waiting):
            self.dropped += 1
            return
        self._waiting[key] = dump
        self._offered.set()
        self._idle.clear()

    async def run(self) -> None:
        """Keep what is offered, until cancelled."""
        self._running = True
        try:
            while True:
                await self._offered.wait()
                self._offered.clear()
                while self._waiting:
                    keys = list(self._waiting)[:BATCH_SNAPSHOTS]
                    await self._take([(key, self._waiting.pop(key)) for key in keys])
                self._idle.set()
        finally:
            self._running = False

    async def settled(self) -> None:
        """Wait until all that was offered has been seen to."""
        await self._idle.wait()

    async def _take(self, batch: Sequence[tuple[Key, Dump]]) -> None:
        """Nothing depends on a snapshot, and another one will come: a failure is said, and that is all."""
        try:
            kept = self._dumped(batch)
            async with self._pool.connection() as connection:
                await connection.execute(_KEEP, [[row[column] for row in kept] for column in range(4)])
        except Exception as error:
            self.failed += len(batch)
            if self.trouble is None:
                logger.warning("snapshots are not kept", exc_info=True)
            self.trouble = f"{type(error).__name__}: {error}"
            await asyncio.sleep(TROUBLE_SECONDS)
        else:
            self.taken += len(kept)
            self.trouble = None

    def _dumped(self, batch: Sequence[tuple[Key, Dump]]) -> list[tuple[str, str, int, str]]:
        kept = []
        for key, dump in batch:
            try:
                version, state = dump()
            except Exception:
                self.failed += 1
                logger.warning("the state of %s cannot be kept", key[0], exc_info=True)
                continue
            if len(state) <= STATE_BYTES_MAX:
                kept.append((*key, version, state.decode()))
            else:
                self.dropped += 1
        return kept

    async def discard(self, stream: str) -> None:
        async with self._pool.connection() as connection:
            await connection.execute("delete from eventstore.snapshots where stream = %s", [stream])

    async def discard_stale(self, fingerprints: Collection[str], age: timedelta) -> int:
        total = 0
        while True:
            async with self._pool.connection() as connection:
                deleted = await connection.execute(_STALE, [list(fingerprints), age, STALE_ROWS])
            total += deleted.rowcount
            if deleted.rowcount < STALE_ROWS:
                return total
