"""What is written to the event store and what is read back from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

NO_STREAM: Final = 0
"""Expected version of a stream that must not exist yet."""

ANY_VERSION: Final = -1
"""Append after whatever is there; needs a command id, so that a retry cannot append twice."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that is not stored yet. The id is made here, so that a retry carries the same one."""

    type: str
    data: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    schema_version: int = 1
    event_id: UUID = field(default_factory=uuid7)


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event as the store keeps it.

    `version` is its place in its stream, from 1; `position` its place in the whole store;
    `commit_position` the last position of the append it came with; `recorded_at` the database's clock.
    """

    position: int
    commit_position: int
    stream: str
    version: int
    event_id: UUID
    type: str
    schema_version: int
    data: dict[str, Any]
    metadata: dict[str, Any]
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """Events for one stream that is at `expected_version`.

    Without events it is a condition: the append succeeds only if the stream is still at that version. It is
    checked, not locked: it held when the append was decided.
    """

    stream: str
    expected_version: int
    events: Sequence[NewEvent] = ()


@dataclass(frozen=True, slots=True)
class CommandId:
    """Makes an append idempotent: the second append with the same id returns what the first one did.

    `fingerprint` tells the same request again from another request under the same id.
    """

    command_id: str
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Appended:
    """A committed append. `duplicate` says that it was found committed already (a lost acknowledgement)."""

    position: int
    recorded_at: datetime
    duplicate: bool = False
