"""The in-memory store, reached over a network that is slow and loses answers."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from eventstore import Appended, Batch, CommandId, RecordedEvent, StoreUnavailable
from eventstore.memory import MemoryEventStore
from tests.simulation.trouble import STORE_FAULTS
from tests.simulation.world import World
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
        def operation() -> Appended:
            before = len(self._log)
            appended: Appended = _at_once(
                super(SimulatedStore, self).append(batches, command=command, attachment=attachment)
            )
            self._on_commit(self._log[before:])
            return appended

        return await self._world.io(operation, STORE_FAULTS)

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
            events = self._streams.get(stream, [])[max(after, 0) : to]
            return (events[::-1] if backwards else events)[:limit]

        for event in await self._world.io(operation, STORE_FAULTS):
            yield event

    async def now(self) -> datetime:
        return await self._world.io(self._now, STORE_FAULTS)

    def events(self, stream: str) -> list[RecordedEvent]:
        """The stream as it is, at once."""
        return self._streams.get(stream, [])

    def everything(self) -> list[RecordedEvent]:
        return self._log


class QuickPatience(PatientStore):
    """A patient store that does without the machinery of retries until something fails."""

    async def patiently(self, operation: Callable[[], Any]) -> Any:
        try:
            return await operation()
        except StoreUnavailable:
            return await super().patiently(operation)


def _at_once(coro: Any) -> Any:
    """The result of a coroutine that awaits nothing."""
    try:
        coro.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it awaited something")
