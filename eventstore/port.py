"""The port that the Postgres store and its in-memory twin both fulfil (tests/contract holds them to it)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from eventstore.events import Appended, Batch, CommandId, RecordedEvent
from eventstore.snapshots import Snapshots


class EventStore(Protocol):
    """Append-only streams with optimistic concurrency and one global order without loss."""

    @property
    def snapshots(self) -> Snapshots:
        """Folded states of streams."""
        ...

    async def append(
        self,
        batches: Sequence[Batch],
        *,
        command: CommandId | None = None,
        attachment: Mapping[str, Any] | None = None,
    ) -> Appended:
        """Append all batches in one transaction, or none.

        `attachment` is handed to the append function of the store, in the same transaction; the store itself
        gives it no meaning. Each of its values is a list of objects. Positions follow the order of batches.
        An append that is found committed already is a success (`duplicate`). A lost race is reported before a
        refused attachment.

        Raises WrongExpectedVersion, CommandIdReused, AppendRefused, InvalidAppend.
        """
        ...

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
        """The events of one stream with `after` < version ≤ `to`, in order of version (or backwards).

        `as_of`: those recorded at this time or before. `position`: those of appends that end there or before,
        so that no append is cut in two. Both only mean what they say up to the safe position: above it
        something may still become visible.
        """
        ...

    def read_all(
        self,
        after: int = 0,
        *,
        to: int | None = None,
        limit: int | None = None,
        category: str | None = None,
    ) -> AsyncIterator[RecordedEvent]:
        """The events with `after` < position ≤ min(`to`, safe position), in order of position."""
        ...

    async def safe_position(self) -> int:
        """The position up to which everything is decided: no event can become visible at or below it."""
        ...

    async def now(self) -> datetime:
        """The clock of the store (the database's), the only clock that deadlines are compared with."""
        ...
