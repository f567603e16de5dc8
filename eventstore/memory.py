"""The in-memory twin of the Postgres store, for tests: the same port, held to the same contract suite."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import takewhile
from typing import Any

import orjson

from eventstore.documents import item
from eventstore.errors import CommandIdReused, WrongExpectedVersion
from eventstore.events import ANY_VERSION, Appended, Batch, CommandId, NewEvent, RecordedEvent
from eventstore.snapshots import MemorySnapshots
from eventstore.validation import DEFAULT_BOUNDS, AppendBounds


@dataclass(frozen=True, slots=True)
class _UsedCommand:
    fingerprint: str
    appended: Appended


class MemoryEventStore:
    """Streams in a list. Nothing awaits inside an append, so every append is a transaction.

    `on_append` is called with the attachment of an append that would succeed, before it is stored; it may
    raise AppendRefused, and then nothing is appended. `now` is the clock of the store.
    """

    def __init__(
        self,
        on_append: Callable[[Mapping[str, Any]], None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        bounds: AppendBounds = DEFAULT_BOUNDS,
    ) -> None:
        self._on_append = on_append
        self._now = now
        self._bounds = bounds
        self._log: list[RecordedEvent] = []
        self._streams: dict[str, list[RecordedEvent]] = {}
        self._commands: dict[str, _UsedCommand] = {}
        self.snapshots = MemorySnapshots(self)

    async def append(
        self,
        batches: Sequence[Batch],
        *,
        command: CommandId | None = None,
        attachment: Mapping[str, Any] | None = None,
    ) -> Appended:
        payloads = item(batches, command, attachment, self._bounds).payloads
        earlier = self._earlier_command(command) or self._earlier_events(batches)
        if earlier is not None:
            return Appended(earlier.position, earlier.recorded_at, duplicate=True)
        for batch in batches:
            actual = self._version(batch.stream)
            if batch.expected_version not in (ANY_VERSION, actual):
                raise WrongExpectedVersion(batch.stream, batch.expected_version, actual)
        if attachment is not None and self._on_append is not None:
            self._on_append(attachment)
        appended = self._store(batches, payloads)
        if command is not None:
            self._commands[command.command_id] = _UsedCommand(command.fingerprint, appended)
        return appended

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
        events = self._streams.get(stream, [])[max(after, 0) : to]
        events = list(takewhile(partial(_is_known, as_of=as_of, position=position), events))
        for event in (events[::-1] if backwards else events)[:limit]:
            yield _copy(event)

    async def read_all(
        self,
        after: int = 0,
        *,
        to: int | None = None,
        limit: int | None = None,
        category: str | None = None,
    ) -> AsyncIterator[RecordedEvent]:
        events: Iterable[RecordedEvent] = self._log[max(after, 0) : to]
        if category is not None:
            events = [event for event in events if event.stream.split("-", 1)[0] == category]
        for event in list(events)[:limit]:
            yield _copy(event)

    async def safe_position(self) -> int:
        return len(self._log)

    async def now(self) -> datetime:
        return self._now()

    def _version(self, stream: str) -> int:
        return len(self._streams.get(stream, ()))

    def _earlier_command(self, command: CommandId | None) -> Appended | None:
        used = self._commands.get(command.command_id) if command is not None else None
        if used is None or command is None:
            return None
        if used.fingerprint != command.fingerprint:
            raise CommandIdReused(command.command_id)
        return used.appended

    def _earlier_events(self, batches: Sequence[Batch]) -> Appended | None:
        """What a lost acknowledgement appended: every event is at its place, under its own id."""
        last = None
        for batch in batches:
            if batch.expected_version == ANY_VERSION:
                return None
            first = batch.expected_version
            found = self._streams.get(batch.stream, [])[first : first + len(batch.events)]
            if [event.event_id for event in found] != [event.event_id for event in batch.events]:
                return None
            last = found[-1] if found else last
        return None if last is None else Appended(last.commit_position, last.recorded_at)

    def _store(self, batches: Sequence[Batch], payloads: Sequence[tuple[bytes, bytes]]) -> Appended:
        recorded_at = self._now()
        commit_position = len(self._log) + len(payloads)
        remaining = iter(payloads)
        for batch in batches:
            for event in batch.events:
                data, metadata = next(remaining)
                self._record(batch.stream, event, data, metadata, commit_position, recorded_at)
        return Appended(commit_position, recorded_at)

    def _record(
        self,
        stream: str,
        event: NewEvent,
        data: bytes,
        metadata: bytes,
        commit_position: int,
        recorded_at: datetime,
    ) -> None:
        recorded = RecordedEvent(
            position=len(self._log) + 1,
            commit_position=commit_position,
            stream=stream,
            version=self._version(stream) + 1,
            event_id=event.event_id,
            type=event.type,
            schema_version=event.schema_version,
            data=orjson.loads(data),
            metadata=orjson.loads(metadata),
            recorded_at=recorded_at,
        )
        self._log.append(recorded)
        self._streams.setdefault(stream, []).append(recorded)


def _is_known(event: RecordedEvent, as_of: datetime | None, position: int | None) -> bool:
    """Whether it was there at that time and position."""
    return (as_of is None or event.recorded_at <= as_of) and (
        position is None or event.commit_position <= position
    )


def _copy(event: RecordedEvent) -> RecordedEvent:
    """A reader may change what it gets; the log must not notice."""
    data, metadata = orjson.loads(orjson.dumps([event.data, event.metadata]))
    return replace(event, data=data, metadata=metadata)
