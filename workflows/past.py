"""Aggregates and sagas as they were: at a version, a time, or a position of the whole store.

A position is answered only up to the safe one, below which nothing can become visible any more: the same
question gets the same answer for ever. Appends are never cut in two: one that ends after the position is left
out, in all of its streams.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from domain import UnknownName
from domain.catalog import AnyDecider
from eventstore import EventStore, RecordedEvent
from workflows.differences import FieldChange, differences
from workflows.saga.commands import CommandHandler, Folded
from workflows.saga.definition import checked_saga_id
from workflows.saga.errors import SagaNotFound
from workflows.saga.journal import journal_stream
from workflows.saga.state import SagaState, read_state

AGGREGATES_MAX: Final = 100
"""So many of those that a saga touched are shown, the ones that it touched last."""
ENTRIES_MAX: Final = 20_000
"""So far back in a journal they are looked for."""


class NotReached(Exception):
    """The log has not come as far as was asked for. `known` says how far it has."""

    def __init__(self, message: str, **known: Any) -> None:
        super().__init__(message)
        self.known = known


class NotThereYet(Exception):
    """It was not there yet at that moment. `known` says when it came to be."""

    def __init__(self, what: str, first: RecordedEvent) -> None:
        moment = f"{first.recorded_at:%Y-%m-%dT%H:%M:%S.%fZ}"
        super().__init__(f"{what} begins at position {first.commit_position}, recorded at {moment}")
        self.known = {"first_position": first.commit_position, "first_recorded_at": first.recorded_at}


@dataclass(frozen=True, slots=True)
class Moment:
    """When: a version, a time or a position; nothing is now."""

    version: int | None = None
    as_of: datetime | None = None
    position: int | None = None

    @property
    def is_now(self) -> bool:
        return self == Moment()


@dataclass(frozen=True, slots=True)
class Change:
    """An event of an aggregate, the state after it, and what it changed."""

    event: RecordedEvent
    state: dict[str, Any]
    differences: list[FieldChange]


@dataclass(frozen=True, slots=True)
class Touched:
    """An aggregate at a position. `folded` is None when its stream is none of a known aggregate."""

    stream: str
    folded: Folded | None


@dataclass(frozen=True, slots=True)
class Stops:
    """The positions at which something of a saga changed, around one: where a slider stops."""

    first: int
    previous: int | None
    current: int
    next: int | None
    last: int


@dataclass(frozen=True, slots=True)
class SagaThen:
    """A saga and the aggregates that it had touched, at one position. `all_touched`: none was left out."""

    position: int
    state: SagaState
    aggregates: list[Touched]
    all_touched: bool
    stops: Stops


@dataclass(frozen=True)
class Past:
    """Looks back. Writes nothing, and remembers nothing that commands would be decided on."""

    store: EventStore
    handler: CommandHandler

    async def aggregate(self, category: str, key: str, moment: Moment) -> Folded:
        """The aggregate at that moment; of version 0 when it never had an event.

        Raises UnknownName, NotReached, NotThereYet.
        """
        decider = self.handler.codec.catalog.decider(category)
        stream = decider.stream(key)
        event = await self._event_at(stream, moment)
        if event is None and (first := await _first(self.store.read_stream(stream, limit=1))) is not None:
            raise NotThereYet(stream, first)
        return await self._fold(decider, stream, event)

    async def _event_at(self, stream: str, moment: Moment) -> RecordedEvent | None:
        """The last event of the stream at that moment. Raises NotReached."""
        if moment.version is not None:
            event = await self._last(stream, to=moment.version)
            if moment.version > (event.version if event else 0) > 0:
                at = event.version if event else 0
                raise NotReached(f"{stream} is at version {at}", current_version=at)
            return event
        position = await self._reached(moment.position)
        if moment.as_of is not None and moment.as_of > (now := await self.store.now()):
            raise NotReached(f"by the clock of the database it is {now:%Y-%m-%dT%H:%M:%S.%fZ}", now=now)
        return await self._last(stream, as_of=moment.as_of, position=position)

    async def _reached(self, position: int | None) -> int:
        """This position, if the log has come so far; without one how far it has come. Raises NotReached."""
        safe = await self.store.safe_position()
        if position is not None and position > safe:
            raise NotReached(f"the log has come to position {safe}", safe_position=safe)
        return safe if position is None else position

    async def history(
        self, category: str, key: str, start: int | None, limit: int, *, backwards: bool = False
    ) -> tuple[list[Change], int | None]:
        """A page of what happened to the aggregate, from version `start` on or back from it, and the version
        at which the next page starts; no changes when it never had an event. Raises UnknownName."""
        decider = self.handler.codec.catalog.decider(category)
        stream = decider.stream(key)
        after, to = (0, start) if backwards else ((start or 1) - 1, None)
        read = self.store.read_stream(stream, after=after, to=to, limit=limit + 1, backwards=backwards)
        events = [event async for event in read]
        following = events[limit].version if len(events) > limit else None
        page = sorted(events[:limit], key=lambda event: event.version)
        changes = await self._changes(decider, page)
        return changes[::-1] if backwards else changes, following

    async def _changes(self, decider: AnyDecider, events: list[RecordedEvent]) -> list[Change]:
        if not events:
            return []
        folded = await self.handler.fold(decider, events[0].stream, to=events[0].version - 1)
        before, changes = folded.state.model_dump(mode="json"), []
        for event in events:
            folded = self.handler.evolved(decider, folded, event)
            after = folded.state.model_dump(mode="json")
            changes.append(Change(event, after, list(differences(before, after))))
            before = after
        return changes

    async def saga(self, saga_id: str, position: int | None = None) -> SagaThen:
        """The saga at that position (None: now), with every aggregate that it had touched.

        Raises InvalidSagaId, SagaNotFound, NotReached, NotThereYet.
        """
        stream = journal_stream(checked_saga_id(saga_id))
        at = await self._reached(position)
        first = await _first(self.store.read_stream(stream, limit=1))
        if first is None:
            raise SagaNotFound(f"there is no saga {saga_id!r}")
        entry = await self._last(stream, position=at)
        if entry is None:
            raise NotThereYet(stream, first)
        state = await read_state(self.store, self.handler.codec, saga_id, to=entry.version)
        assert state is not None, "its journal has an entry"
        streams, all_touched = await self._touched(entry)
        aggregates = [await self.aggregate_at(each, at) for each in streams]
        return SagaThen(at, state, aggregates, all_touched, await self._stops(first, entry))

    async def _stops(self, first: RecordedEvent, entry: RecordedEvent) -> Stops:
        stream, here = entry.stream, entry.commit_position
        safe = await self.store.safe_position()
        before = await self._last(stream, position=here - 1)
        after = await _first(self.store.read_stream(stream, after=entry.version, position=safe, limit=1))
        last = await self._last(stream, position=max(safe, here))
        return Stops(
            first=first.commit_position,
            previous=before.commit_position if before else None,
            current=here,
            next=after.commit_position if after else None,
            last=last.commit_position if last else here,
        )

    async def touched(self, saga_id: str, position: int) -> tuple[list[str], bool]:
        """The streams that the saga had touched at that position, in the order of the last time, of very many
        the last ones; whether these are all."""
        entry = await self._last(journal_stream(saga_id), position=position)
        return ([], True) if entry is None else await self._touched(entry)

    async def _touched(self, entry: RecordedEvent) -> tuple[list[str], bool]:
        """The streams that the saga had touched at this entry, in the order of the last time; whether these
        are all."""
        streams: dict[str, None] = {}
        journal = self.store.read_stream(entry.stream, to=entry.version, limit=ENTRIES_MAX, backwards=True)
        async for each in journal:
            touched = each.data.get("stream")
            if isinstance(touched, str) and touched not in streams:
                if len(streams) == AGGREGATES_MAX:
                    return list(streams)[::-1], False
                streams[touched] = None
        return list(streams)[::-1], entry.version <= ENTRIES_MAX

    async def aggregate_at(self, stream: str, position: int) -> Touched:
        """What a saga touches, as it was at a position that the log has come to."""
        try:
            decider = self.handler.codec.catalog.decider(stream.partition("-")[0])
        except UnknownName:
            return Touched(stream, None)
        return Touched(stream, await self._fold(decider, stream, await self._last(stream, position=position)))

    async def _fold(self, decider: AnyDecider, stream: str, last: RecordedEvent | None) -> Folded:
        return await self.handler.fold(decider, stream, to=last.version if last else 0)

    async def _last(self, stream: str, **bounds: Any) -> RecordedEvent | None:
        return await _first(self.store.read_stream(stream, **bounds, limit=1, backwards=True))


async def _first(events: AsyncIterator[RecordedEvent]) -> RecordedEvent | None:
    return await anext(events, None)
