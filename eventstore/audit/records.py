"""Rows of the log as the bytes that digests are over, read without a function of ours in the database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.sql import SQL, Composed

from eventstore.audit import hashes
from eventstore.audit.hashes import Entry, Fields, Kind

_RAW_TYPES: Final = ("int8", "int4", "int2", "uuid", "timestamptz", "text")

# The order of the fields is that of the digest. Casts: jsonb in binary has a version of its own in front.
EVENT_COLUMNS: Final = SQL(
    """position, commit_position, version, schema_version, event_id, recorded_at,
       stream, type, data::text, metadata::text"""
)
EVENT_FIXED: Final = 6
COMMAND_COLUMNS: Final = SQL(
    "position, first_version, last_version, recorded_at, command_id, stream, fingerprint"
)
COMMAND_FIXED: Final = 4
_BETWEEN: Final[LiteralString] = "where position > %(after)s and position <= %(last)s order by position"


class _Raw(Loader):
    """A value as it came."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as it is stored."""

    fields: Fields
    kind: ClassVar[Kind] = "event"

    @property
    def position(self) -> int:
        return int.from_bytes(self.fields[0])

    @property
    def commit_position(self) -> int:
        return int.from_bytes(self.fields[1])

    @property
    def place(self) -> str:
        """Its stream and version, for people."""
        return f"{self.fields[6].decode()}@{int.from_bytes(self.fields[2])}"

    @property
    def type(self) -> str:
        return self.fields[7].decode()

    @property
    def event_id(self) -> UUID:
        return UUID(bytes=bytes(self.fields[4]))

    @property
    def recorded_at(self) -> bytes:
        return self.fields[5]

    def entry(self) -> Entry:
        digest = hashes.digest(b"e", self.fields[:EVENT_FIXED], self.fields[EVENT_FIXED:])
        return Entry(b"e", self.position, digest)


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A used command id as it is stored."""

    fields: Fields
    kind: ClassVar[Kind] = "command"

    @property
    def position(self) -> int:
        return int.from_bytes(self.fields[0])

    @property
    def place(self) -> str:
        return f"command id {self.fields[4].decode()}"

    def entry(self) -> Entry:
        digest = hashes.digest(b"c", self.fields[:COMMAND_FIXED], self.fields[COMMAND_FIXED:])
        return Entry(b"c", self.position, digest)


async def events_between(
    connection: psycopg.AsyncConnection[Any], after: int, last: int
) -> AsyncIterator[EventRow]:
    """The events with `after` < position ≤ `last`, in order, one at a time."""
    query = SQL("select {} from eventstore.events ").format(EVENT_COLUMNS) + SQL(_BETWEEN)
    async for fields in _stream(connection, query, {"after": after, "last": last}):
        yield EventRow(fields)


async def events_of_stream(
    connection: psycopg.AsyncConnection[Any], stream: str, last: int
) -> AsyncIterator[EventRow]:
    """The events of a stream with position ≤ `last`, in order, one at a time."""
    query = SQL("select {} from eventstore.events").format(EVENT_COLUMNS) + SQL(
        " where stream = %(stream)s and position <= %(last)s order by version"
    )
    async for fields in _stream(connection, query, {"stream": stream, "last": last}):
        yield EventRow(fields)


async def events_at(connection: psycopg.AsyncConnection[Any], positions: list[int]) -> list[EventRow]:
    """The events at these positions, in order."""
    query = SQL("select {} from eventstore.events").format(EVENT_COLUMNS) + SQL(
        " where position = any(%(positions)s) order by position"
    )
    return [EventRow(fields) async for fields in _stream(connection, query, {"positions": positions})]


async def commands_between(
    connection: psycopg.AsyncConnection[Any], after: int, last: int
) -> AsyncIterator[CommandRow]:
    """The command ids that belong to these positions."""
    query = SQL("select {} from eventstore.commands ").format(COMMAND_COLUMNS) + SQL(_BETWEEN)
    async for fields in _stream(connection, query, {"after": after, "last": last}):
        yield CommandRow(fields)


async def _stream(
    connection: psycopg.AsyncConnection[Any], query: Composed, parameters: dict[str, Any]
) -> AsyncIterator[tuple[bytes, ...]]:
    async with connection.cursor(binary=True) as cursor:
        for name in _RAW_TYPES:
            cursor.adapters.register_loader(name, _Raw)
        async for fields in cursor.stream(query, parameters, binary=True):
            yield fields
