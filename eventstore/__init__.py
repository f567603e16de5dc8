"""Streams of JSON events in Postgres: append, read, safe positions, upcasting.

Knows no aggregate, no DBOS, no HTTP.
"""

from eventstore.errors import (
    AppendRefused,
    BrokenChain,
    CommandIdReused,
    EventStoreError,
    InvalidAppend,
    PoisonEvent,
    StoreUnavailable,
    UnknownSchema,
    UnsafeReader,
    UpcastFailed,
    WrongExpectedVersion,
)
from eventstore.events import ANY_VERSION, NO_STREAM, Appended, Batch, CommandId, NewEvent, RecordedEvent
from eventstore.port import EventStore
from eventstore.upcasting import Upcaster, Upcasters

__all__ = [
    "ANY_VERSION",
    "NO_STREAM",
    "AppendRefused",
    "Appended",
    "Batch",
    "BrokenChain",
    "CommandId",
    "CommandIdReused",
    "EventStore",
    "EventStoreError",
    "InvalidAppend",
    "NewEvent",
    "PoisonEvent",
    "RecordedEvent",
    "StoreUnavailable",
    "UnknownSchema",
    "UnsafeReader",
    "UpcastFailed",
    "Upcaster",
    "Upcasters",
    "WrongExpectedVersion",
]
