"""A store that waits for a database that is away, so that an outage never looks like a failure of a saga."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter
from tenacity.stop import stop_after_delay

from eventstore import Appended, Batch, CommandId, EventStore, RecordedEvent, StoreUnavailable
from eventstore.snapshots import Dump, Snapshot, Snapshots
from workflows.saga.errors import Stopping, StoreAway

T = TypeVar("T")


@dataclass(frozen=True)
class PatientStore:
    """The port once more. Retries StoreUnavailable for `patience_seconds`, then gives the run up.

    Retrying an append is safe: its events keep their ids, and the store recognises them at their place.
    Raises Stopping as soon as the process is shutting down, StoreAway when the patience is used up.
    """

    store: EventStore
    stopping: Callable[[], bool] = lambda: False
    patience_seconds: float = 120.0

    @property
    def snapshots(self) -> Snapshots:
        return PatientSnapshots(self, self.store.snapshots)

    async def append(
        self,
        batches: Sequence[Batch],
        *,
        command: CommandId | None = None,
        attachment: Mapping[str, Any] | None = None,
    ) -> Appended:
        return await self.patiently(
            lambda: self.store.append(batches, command=command, attachment=attachment)
        )

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
        for event in await self.patiently(
            lambda: _collect(
                self.store.read_stream(
                    stream,
                    after=after,
                    to=to,
                    as_of=as_of,
                    position=position,
                    limit=limit,
                    backwards=backwards,
                )
            )
        ):
            yield event

    async def read_all(
        self,
        after: int = 0,
        *,
        to: int | None = None,
        limit: int | None = None,
        category: str | None = None,
    ) -> AsyncIterator[RecordedEvent]:
        for event in await self.patiently(
            lambda: _collect(self.store.read_all(after, to=to, limit=limit, category=category))
        ):
            yield event

    async def find(self, event_id: UUID) -> RecordedEvent | None:
        return await self.patiently(lambda: self.store.find(event_id))

    async def safe_position(self) -> int:
        return await self.patiently(self.store.safe_position)

    async def now(self) -> datetime:
        return await self.patiently(self.store.now)

    async def patiently(self, operation: Callable[[], Awaitable[T]]) -> T:
        """What `operation` gives once the store answers."""
        try:
            return await operation()  # most often the first attempt is the last: no schedule is made for it
        except StoreUnavailable:
            await self._stop_when_stopping()
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(StoreUnavailable),
            wait=wait_exponential_jitter(multiplier=0.05, max=1.0, jitter=0.05),
            stop=stop_after_delay(self.patience_seconds),
            before_sleep=self._stop_when_stopping,
            retry_error_callback=_give_up,
        ):
            with attempt:
                return await operation()
        raise StoreAway

    async def _stop_when_stopping(self, _state: RetryCallState | None = None) -> None:
        if self.stopping():
            raise Stopping


def _give_up(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    raise StoreAway(str(error)) from error


@dataclass(frozen=True)
class PatientSnapshots:
    """Their port once more: reading waits."""

    store: PatientStore
    snapshots: Snapshots

    async def read(
        self, stream: str, fingerprint: str, *, to: int | None = None
    ) -> AsyncIterator[Snapshot | RecordedEvent]:
        for each in await self.store.patiently(
            lambda: _collect(self.snapshots.read(stream, fingerprint, to=to))
        ):
            yield each

    def offer(self, stream: str, fingerprint: str, dump: Dump) -> None:
        self.snapshots.offer(stream, fingerprint, dump)

    async def discard(self, stream: str) -> None:
        await self.store.patiently(lambda: self.snapshots.discard(stream))

    async def discard_stale(self, fingerprints: Collection[str], age: timedelta) -> int:
        return await self.store.patiently(lambda: self.snapshots.discard_stale(fingerprints, age))


async def _collect(events: AsyncIterator[T]) -> list[T]:
    return [event async for event in events]
