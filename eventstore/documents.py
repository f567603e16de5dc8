"""The document of `eventstore.append_items` (see its SQL file): made from appends, read as outcomes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from eventstore.errors import (
    AppendRefused,
    CommandIdReused,
    EventStoreError,
    InvalidAppend,
    WrongExpectedVersion,
)
from eventstore.events import Appended, Batch, CommandId, NewEvent
from eventstore.validation import DEFAULT_BOUNDS, AppendBounds, encode, validate

OWN_LISTS: Final = frozenset({"batches", "events", "commands"})
"""Lists of the document that an attachment must not add to."""


@dataclass(frozen=True, slots=True)
class Item:
    """One append, checked and encoded. Its batches name versions: nothing is left to find out."""

    batches: Sequence[Batch]
    payloads: Sequence[tuple[bytes, bytes]]
    command: CommandId | None = None
    attachment: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        return sum(len(data) + len(metadata) for data, metadata in self.payloads)

    @property
    def keys(self) -> frozenset[str]:
        """What no other item of the same document may have: its streams and its command id."""
        streams = (f"stream {batch.stream}" for batch in self.batches)
        command = () if self.command is None else (f"command {self.command.command_id}",)
        return frozenset((*streams, *command))


def item(
    batches: Sequence[Batch],
    command: CommandId | None = None,
    attachment: Mapping[str, Any] | None = None,
    bounds: AppendBounds = DEFAULT_BOUNDS,
) -> Item:
    """Check and encode an append. Raises InvalidAppend."""
    validate(batches, command, bounds)
    payloads = encode([event for batch in batches for event in batch.events], bounds)
    attached = attachment or {}
    for name, entries in attached.items():
        if name in OWN_LISTS or not isinstance(entries, list | tuple):
            raise InvalidAppend(f"an attachment holds lists of its own, not {name!r}")
    return Item(batches, payloads, command, attached)


def document(items: Sequence[Item]) -> dict[str, list[dict[str, Any]]]:
    """One document of many items; each list of an attachment is added to the document's list of that name."""
    lists: dict[str, list[dict[str, Any]]] = {"batches": [], "events": []}
    for number, each in enumerate(items):
        lists["batches"].extend(_batch_entries(number, each, len(lists["batches"])))
        lists["events"].extend(_event_entries(number, each, len(lists["events"])))
        if each.command is not None:
            entry = _command_entry(number, each, each.command, len(lists["events"]))
            lists.setdefault("commands", []).append(entry)
        for name, entries in each.attachment.items():
            lists.setdefault(name, []).extend({**attached, "n": number} for attached in entries)
    return lists


def outcome(each: Item, row: Mapping[str, Any]) -> Appended | EventStoreError:
    """What the function says about one item. An error is a value here: the other items have their own."""
    match row["status"]:
        case "appended" | "duplicate" as status:
            recorded_at = datetime.fromisoformat(row["recorded_at"]).astimezone(UTC)
            return Appended(row["position"], recorded_at, duplicate=status == "duplicate")
        case "conflict":
            return WrongExpectedVersion(row["stream"], row["expected"], row["actual"])
        case "reused" if each.command is not None:
            return CommandIdReused(each.command.command_id)
        case "refused":
            return AppendRefused("the append function refused the attachment; nothing was appended")
        case status:
            return EventStoreError(f"the append function answered {status!r}")


def _batch_entries(number: int, each: Item, before: int) -> Iterator[dict[str, Any]]:
    for ordinal, batch in enumerate(each.batches, before + 1):
        yield {
            "n": number,
            "b": ordinal,
            "s": batch.stream,
            "v": batch.expected_version,
            "c": len(batch.events),
        }


def _event_entries(number: int, each: Item, before: int) -> Iterator[dict[str, Any]]:
    last = before + len(each.payloads)
    places = _places(each.batches)
    for ordinal, ((stream, version, event), (data, metadata)) in enumerate(
        zip(places, each.payloads, strict=True), before + 1
    ):
        yield {
            "n": number,
            "k": ordinal,
            "l": last,
            "s": stream,
            "v": version,
            "i": event.event_id,
            "t": event.type,
            "sv": event.schema_version,
            "d": orjson.Fragment(data),
            "m": orjson.Fragment(metadata),
        }


def _places(batches: Sequence[Batch]) -> Iterator[tuple[str, int, NewEvent]]:
    for batch in batches:
        for version, event in enumerate(batch.events, batch.expected_version + 1):
            yield batch.stream, version, event


def _command_entry(number: int, each: Item, command: CommandId, last: int) -> dict[str, Any]:
    written = next(batch for batch in each.batches if batch.events)
    return {
        "n": number,
        "c": command.command_id,
        "h": command.fingerprint,
        "s": written.stream,
        "f": written.expected_version + 1,
        "e": written.expected_version + len(written.events),
        "k": last,
    }
