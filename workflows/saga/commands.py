"""Command handling: load, fold, decide, append; again when the race was lost.

Folded states are cached and commands are serialised per stream within the process. An append checks a stale
state by its expected version. A rejection and an empty decision append nothing that would check it, so they
are final only on a state that was read from the database for this very command.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from domain import Command, Event, Rejected, State
from domain.catalog import AnyDecider
from eventstore import Appended, Batch, EventStore, RecordedEvent, WrongExpectedVersion
from eventstore.snapshots import Snapshot
from workflows.saga.codec import EventCodec
from workflows.saga.errors import Transient
from workflows.saga.shapes import Shape, shape_of

RACES_MAX = 30
RACE_PAUSE_SECONDS_MAX = 0.02
CACHED_STATES_MAX = 10_000


class Contention(Transient):
    """The stream moved under every try; nothing was appended. Try again in a moment."""


@dataclass(frozen=True, slots=True)
class Folded:
    """An aggregate as of `version`; `last` is the event that made it so (None before the first)."""

    state: State
    version: int
    last: RecordedEvent | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a decider said about a command on `stream` at `version`: events, or a rejection."""

    codec: EventCodec
    stream: str
    version: int
    events: list[Event]
    rejection: Rejected | None = None

    @property
    def last_version(self) -> int:
        return self.version + len(self.events)

    def batch(self, metadata: dict[str, Any]) -> Batch:
        """The events to append; without events, the condition that the stream has not moved.

        A condition is checked, not locked: a refusal was right when it was checked, and that is all.
        """
        return Batch(self.stream, self.version, [self.codec.encode(event, metadata) for event in self.events])


Commit = Callable[[Decision], Awaitable[Appended]]


class StreamLocks:
    """One lock a stream, kept only while somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def holding(self, stream: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(stream, (asyncio.Lock(), 0))
        self._locks[stream] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            _, users = self._locks[stream]
            if users == 1:
                del self._locks[stream]
            else:
                self._locks[stream] = (lock, users - 1)


@dataclass
class CommandHandler:
    """Decides commands on current state and lets the caller commit the decision."""

    store: EventStore
    codec: EventCodec
    _cache: OrderedDict[str, Folded] = field(default_factory=OrderedDict)
    _locks: StreamLocks = field(default_factory=StreamLocks)
    _shapes: dict[str, Shape[Any]] = field(default_factory=dict)

    async def handle(self, command: Command, commit: Commit) -> tuple[Decision, Appended]:
        """Decide `command` and commit the decision, again after each lost race on its stream.

        `commit` appends the decision's batch with whatever must go with it, and may raise what it likes;
        WrongExpectedVersion of the command's own stream means that the race was lost. Raises Contention.
        """
        decider = self.codec.catalog.decider_of(command)
        stream = decider.stream(decider.key(command))
        async with self._locks.holding(stream):
            try:
                return await self._handle(decider, stream, command, commit)
            except BaseException:
                # Whatever went wrong, the next command must not build on what we believed.
                self._cache.pop(stream, None)
                raise

    async def _handle(
        self, decider: AnyDecider, stream: str, command: Command, commit: Commit
    ) -> tuple[Decision, Appended]:
        for _ in range(RACES_MAX):
            folded, decision = await self._decide(decider, stream, command)
            try:
                appended = await commit(decision)
            except WrongExpectedVersion as lost:
                if lost.stream != stream:
                    raise
                await self._read(decider, stream, folded)
                await asyncio.sleep(random.uniform(0, RACE_PAUSE_SECONDS_MAX))
                continue
            if decision.events:
                state = decider.fold(decision.events, folded.state)
                self._remember(stream, Folded(state, decision.last_version))
                every = decider.snapshot_every
                if every and decision.last_version // every > decision.version // every:
                    self._offer(decider, stream, self._cache[stream])
            return decision, appended
        raise Contention(f"{stream} moved under {RACES_MAX} tries")

    async def _decide(self, decider: AnyDecider, stream: str, command: Command) -> tuple[Folded, Decision]:
        cached = self._cache.get(stream)
        if cached is not None:
            decision = self._on(decider, stream, cached, command)
            if decision.events:
                return cached, decision
        current = await self._read(decider, stream, cached)
        return current, self._on(decider, stream, current, command)

    def _on(self, decider: AnyDecider, stream: str, folded: Folded, command: Command) -> Decision:
        try:
            return Decision(self.codec, stream, folded.version, decider.decide(folded.state, command))
        except Rejected as rejection:
            return Decision(self.codec, stream, folded.version, [], rejection)

    async def load(self, category: str, key: str) -> Folded:
        """The aggregate as the database has it now. Raises domain.UnknownName for the category."""
        decider = self.codec.catalog.decider(category)
        return await self._read(decider, decider.stream(key), None)

    async def _read(self, decider: AnyDecider, stream: str, known: Folded | None) -> Folded:
        """The state after all events of the stream, going on from `known`."""
        folded = await self.fold(decider, stream, known)
        self._remember(stream, folded)
        return folded

    async def fold(
        self, decider: AnyDecider, stream: str, known: Folded | None = None, *, to: int | None = None
    ) -> Folded:
        """The state after the events of the stream up to version `to`, going on from `known`, or from a
        snapshot."""
        folded, count = known or Folded(decider.initial, 0), 0
        async for recorded in self._events(decider, stream, known, to):
            if not isinstance(recorded, Snapshot):
                folded, count = self.evolved(decider, folded, recorded), count + 1
            elif (state := self._shape(decider).load(recorded.state)) is not None:
                folded = Folded(state, recorded.version, recorded.last)
            else:  # whoever wrote it: the events say what is so
                return await self.fold(decider, stream, Folded(decider.initial, 0), to=to)
        if to is None and 0 < decider.snapshot_every <= count:
            self._offer(decider, stream, folded)
        return folded

    def evolved(self, decider: AnyDecider, folded: Folded, recorded: RecordedEvent) -> Folded:
        """The state after one more event. Raises what the codec does."""
        state = decider.fold(self.codec.decode(recorded), folded.state)
        return Folded(state, recorded.version, recorded)

    def _events(
        self, decider: AnyDecider, stream: str, known: Folded | None, to: int | None
    ) -> AsyncIterator[Snapshot | RecordedEvent]:
        if known is None and decider.snapshot_every:
            return self.store.snapshots.read(stream, self._shape(decider).fingerprint, to=to)
        return self.store.read_stream(stream, after=known.version if known else 0, to=to)

    def _offer(self, decider: AnyDecider, stream: str, folded: Folded) -> None:
        shape = self._shape(decider)
        self.store.snapshots.offer(stream, shape.fingerprint, shape.offer(folded.state, folded.version))

    def _shape(self, decider: AnyDecider) -> Shape[Any]:
        if decider.category not in self._shapes:
            self._shapes[decider.category] = shape_of(decider)
        return self._shapes[decider.category]

    def _remember(self, stream: str, folded: Folded) -> None:
        self._cache[stream] = folded
        self._cache.move_to_end(stream)
        if len(self._cache) > CACHED_STATES_MAX:
            self._cache.popitem(last=False)
