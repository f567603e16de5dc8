"""The in-memory store, reached over a network that is slow and loses answers."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from domain import Catalog, Event
from eventstore import Appended, Batch, CommandId, RecordedEvent, StoreUnavailable
from eventstore.memory import MemoryEventStore
from tests.simulation.trouble import STORE_FAULTS
from tests.simulation.world import World
from workflows.saga.codec import EventCodec
from workflows.saga.patience import PatientStore


class SimulatedStore(MemoryEventStore):
    """Every operation happens at one instant, some time after it was asked for."""

    def __init__(
        self,
        world: World,
        on_append: Callable[[Mapping[str, Any]], None],
        on_commit: Callable[[list[RecordedEvent]], None],
    ) -> None:
        super().__init__(on_append, world.now)
        self._world = world
        self._on_commit = on_commit

    async def append(
        self,
        batches: Sequence[Batch],
        *,
        command: CommandId | None = None,
        attachment: Mapping[str, Any] | None = None,
    ) -> Appended:
        return await self._world.io(lambda: self._append_now(batches, command, attachment), STORE_FAULTS)

    def _append_now(
        self, batches: Sequence[Batch], command: CommandId | None, attachment: Mapping[str, Any] | None
    ) -> Any:
        before = len(self._log)
        appended = at_once(super().append(batches, command=command, attachment=attachment))
        self._on_commit(self._log[before:])
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
        def operation() -> list[RecordedEvent]:
            return self._read_now(stream, after, to, limit, backwards)

        for event in await self._world.io(operation, STORE_FAULTS):
            yield event

    def _read_now(
        self, stream: str, after: int, to: int | None, limit: int | None, backwards: bool
    ) -> list[RecordedEvent]:
        events = self._streams.get(stream, [])[max(after, 0) : to]
        return (events[::-1] if backwards else events)[:limit]

    async def now(self) -> datetime:
        return await self._world.io(self._now, STORE_FAULTS)

    def events(self, stream: str) -> list[RecordedEvent]:
        """The stream as it is, at once."""
        return self._streams.get(stream, [])

    def told(self, position: int) -> int:
        """The position that executions were told in place of this one of the log."""
        return position

    def everything(self) -> list[RecordedEvent]:
        return self._log


class QuickPatience(PatientStore):
    """A patient store that does without the machinery of retries until something fails."""

    async def patiently(self, operation: Callable[[], Any]) -> Any:
        try:
            return await operation()
        except StoreUnavailable:
            return await super().patiently(operation)


class QuickCodec(EventCodec):
    """Decodes each event once: who reads a journal again gets the same entries, which nobody may change."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(catalog)
        self._decoded: dict[int, tuple[RecordedEvent, list[Event]]] = {}

    def decode(self, recorded: RecordedEvent) -> list[Event]:
        known = self._decoded.get(id(recorded))
        if known is None:
            known = self._decoded[id(recorded)] = recorded, super().decode(recorded)
        return known[1]

    def changed(self) -> Iterator[RecordedEvent]:
        """The events whose entries are not what they were."""
        for recorded, entries in self._decoded.values():
            if super().decode(recorded) != entries:
                yield recorded


def at_once(coro: Any) -> Any:
    """The result of a coroutine that awaits nothing."""
    try:
        coro.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it awaited something")
