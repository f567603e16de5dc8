"""Streams of JSON events in Postgres: append, read, safe positions. Knows no aggregate, no DBOS, no HTTP."""

from eventstore.errors import (
    AppendRefused,
    CommandIdReused,
    EventStoreError,
    InvalidAppend,
    PoisonEvent,
    StoreUnavailable,
    UnsafeReader,
    WrongExpectedVersion,
)
from eventstore.events import ANY_VERSION, NO_STREAM, Appended, Batch, CommandId, NewEvent, RecordedEvent
from eventstore.port import EventStore

__all__ = [
    "ANY_VERSION",
    "NO_STREAM",
    "AppendRefused",
    "Appended",
    "Batch",
    "CommandId",
    "CommandIdReused",
    "EventStore",
    "EventStoreError",
    "InvalidAppend",
    "NewEvent",
    "PoisonEvent",
    "RecordedEvent",
    "StoreUnavailable",
    "UnsafeReader",
    "WrongExpectedVersion",
]
