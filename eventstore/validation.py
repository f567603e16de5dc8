"""The rules an append must keep before it is sent: what breaks one here would break it every time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from eventstore.errors import InvalidAppend
from eventstore.events import ANY_VERSION, Batch, CommandId, NewEvent

MAX_VERSION = 2**31 - 1
"""Versions are int4 in the database."""


@dataclass(frozen=True, slots=True)
class AppendBounds:
    """What one append may hold. `bytes` counts the JSON of data and metadata of all its events."""

    events: int = 1_000
    bytes: int = 4 * 1024 * 1024
    name_characters: int = 250


DEFAULT_BOUNDS = AppendBounds()


def validate(batches: Sequence[Batch], command: CommandId | None, bounds: AppendBounds) -> None:
    """Check the shape of an append, its payloads apart. Raises InvalidAppend."""
    count = sum(len(batch.events) for batch in batches)
    if count == 0:
        raise InvalidAppend("an append needs at least one event")
    if count > bounds.events:
        raise InvalidAppend(f"{count} events in one append, at most {bounds.events}")
    if len({batch.stream for batch in batches}) < len(batches):
        raise InvalidAppend("an append names a stream twice")
    if command is not None:
        _validate_name("command id", command.command_id, bounds.name_characters)
        _validate_text("fingerprint", command.fingerprint)
    for batch in batches:
        _validate_batch(batch, command, bounds)


def encode(events: Sequence[NewEvent], bounds: AppendBounds) -> list[tuple[bytes, bytes]]:
    """The JSON of data and metadata, event by event. Raises InvalidAppend."""
    encoded = [(_json(event.data), _json(event.metadata)) for event in events]
    size = sum(len(data) + len(metadata) for data, metadata in encoded)
    if size > bounds.bytes:
        raise InvalidAppend(f"{size} bytes in one append, at most {bounds.bytes}")
    return encoded


def _validate_batch(batch: Batch, command: CommandId | None, bounds: AppendBounds) -> None:
    _validate_name("stream", batch.stream, bounds.name_characters)
    if batch.expected_version == ANY_VERSION:
        if command is None:
            raise InvalidAppend(f"{batch.stream}: any version needs a command id")
        if not batch.events:
            raise InvalidAppend(f"{batch.stream}: a condition needs a version")
    elif not 0 <= batch.expected_version <= MAX_VERSION - len(batch.events):
        raise InvalidAppend(f"{batch.stream}: {batch.expected_version} is no version")
    for event in batch.events:
        _validate_name("event type", event.type, bounds.name_characters)
        if not 0 <= event.schema_version < 2**15:
            raise InvalidAppend(f"{event.type}: {event.schema_version} is no schema version")


def _validate_name(what: str, name: str, max_characters: int) -> None:
    if not 1 <= len(name) <= max_characters:
        raise InvalidAppend(f"a {what} has 1 to {max_characters} characters, not {len(name)}")
    _validate_text(what, name)


def _validate_text(what: str, text: str) -> None:
    if not text.isprintable():  # also false for NUL and lone surrogates, which Postgres cannot store
        raise InvalidAppend(f"a {what} has printable characters only: {text!r}")


def _json(value: Mapping[str, Any]) -> bytes:
    try:
        encoded = orjson.dumps(value)
    except TypeError as error:
        raise InvalidAppend(f"not JSON: {error}") from error
    if rb"\u0000" in encoded and _has_nul(value):
        raise InvalidAppend("Postgres cannot store the character NUL")
    return encoded


def _has_nul(value: object) -> bool:
    """Whether a string holds NUL: the bytes look the same when a backslash stands before the text u0000."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    return isinstance(value, list | tuple) and any(map(_has_nul, value))
