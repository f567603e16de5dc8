"""The end of the log in memory: all followers of a process share one read of it.

What was read up to a safe position is decided and never changes, so it is kept and given to whoever comes
later. Who asks for what lies before it, or far behind, reads for himself. When another database server
answers than before, what the old one had said is forgotten: after an asynchronous failover it may not be so.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from eventstore.connections import Pool
from eventstore.events import Appended, Batch, CommandId, RecordedEvent
from eventstore.port import EventStore
from eventstore.reader import Reader
from eventstore.snapshots import Snapshots

KEPT_EVENTS: Final = 1_000
"""Enough for those that take longer over a batch than others."""
PAGE_EVENTS: Final = 500
"""Who is further behind than this catches up by reads of his own."""

_position = attrgetter("position")


class Tail:
    """The store, with `read_all` answered from memory near the end of the log."""

    def __init__(self, pool: Pool, store: EventStore) -> None:
        self._store = store
        self._reader = Reader(pool)
        self._events: list[RecordedEvent] = []
        self._after = self._upto = 0
        """In memory is all with `_after` < position ≤ `_upto`."""
        self._server: datetime | None = None
        self._next: asyncio.Task[None] | None = None
        self._looks: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()

    async def read_all(
        self,
        after: int = 0,
        *,
        to: int | None = None,
        limit: int | None = None,
        category: str | None = None,
    ) -> AsyncIterator[RecordedEvent]:
        if category is None:
            await self._look()
            if self._after <= after:
                upper = self._upto if to is None else min(to, self._upto)
                first = bisect_right(self._events, after, key=_position)
                known = self._events[first : bisect_right(self._events, upper, key=_position)]
                for event in known[:limit]:
                    yield event
                return
        async for event in self._store.read_all(after, to=to, limit=limit, category=category):
            yield event

    async def _look(self) -> None:
        """Read on to the end. Those who ask before that has begun share it."""
        if self._next is None:
            self._next = asyncio.create_task(self._read_on(), name="tail-of-the-log")
            self._looks.add(self._next)
            self._next.add_done_callback(self._looked)
        # Shielded: one that is cancelled must not take it from the others.
        await asyncio.shield(self._next)

    def _looked(self, look: asyncio.Task[None]) -> None:
        self._looks.discard(look)
        if not look.cancelled():
            look.exception()  # those who asked have it, if there are any left

    async def _read_on(self) -> None:
        async with self._one_at_a_time:
            self._next = None  # who asks from here on may want more than this will find
            page = [event async for event in self._store.read_all(self._upto, limit=PAGE_EVENTS)]
            # Only now: what was read came from this server, or from one before, which is found out here.
            server = await self._reader.scalar("select pg_postmaster_start_time()")
            if server != self._server or len(page) == PAGE_EVENTS:
                self._events, self._after = [], await self._store.safe_position()
                self._upto, self._server = self._after, server
            elif page:
                events = [*self._events, *page]
                self._events, self._upto = events[-KEPT_EVENTS:], page[-1].position
                if len(events) > KEPT_EVENTS:
                    self._after = self._events[0].position - 1

    @property
    def snapshots(self) -> Snapshots:
        return self._store.snapshots

    async def append(
        self,
        batches: Sequence[Batch],
        *,
        command: CommandId | None = None,
        attachment: Mapping[str, Any] | None = None,
    ) -> Appended:
        return await self._store.append(batches, command=command, attachment=attachment)

    def read_stream(
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
        return self._store.read_stream(
            stream, after=after, to=to, as_of=as_of, position=position, limit=limit, backwards=backwards
        )

    async def find(self, event_id: UUID) -> RecordedEvent | None:
        return await self._store.find(event_id)

    async def safe_position(self) -> int:
        return await self._store.safe_position()

    async def now(self) -> datetime:
        return await self._store.now()
