"""What a log keeps, by name and schema version, and what this code reads it as."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import ValidationError

from domain import Event
from eventstore import RecordedEvent, UpcastFailed
from workflows.saga import journal
from workflows.saga.codec import EventCodec
from workflows.saga.definition import Registry

UNREADABLE = (LookupError, UpcastFailed, ValidationError)
"""What decoding raises for what this code cannot read."""

Kind = Literal["event", "journal", "compensation"]


@dataclass(slots=True)
class Stored:
    """So much of one name and schema version. `reads_as` are today's; `unread` is what could not be read."""

    kind: Kind
    name: str
    schema_version: int
    count: int = 0
    unread: int = 0
    reads_as: list[str] = field(default_factory=list)


@dataclass
class Census:
    """Reads one stored thing after the other, and counts."""

    codec: EventCodec
    registry: Registry
    _counts: dict[tuple[Kind, str, int], Stored] = field(default_factory=dict)

    def counts(self) -> list[Stored]:
        return [self._counts[place] for place in sorted(self._counts)]

    def read(self, recorded: RecordedEvent) -> None:
        """Count an event or an entry, and the compensation that is stored in it. Raises UNREADABLE."""
        of_saga = recorded.stream.startswith(f"{journal.CATEGORY}-")
        stored = self._stored("journal" if of_saga else "event", recorded.type, recorded.schema_version)
        try:
            events = self.codec.decode(recorded)
        except UNREADABLE:
            stored.unread += 1
            raise
        _note(stored, [_told(type(event).__name__, event.schema_version) for event in events])
        for event in events:
            self._read_compensation(event)

    def _read_compensation(self, entry: Event) -> None:
        """That nobody can read it any more matters only if it may still be asked for: see Check."""
        kept = entry.compensation if isinstance(entry, journal.StepStarted | journal.StepSucceeded) else None
        if kept is None:
            return
        stored = self._stored("compensation", kept.name, kept.data_version)
        try:
            _note(stored, [self.compensation(kept)])
        except UNREADABLE:
            stored.unread += 1

    def compensation(self, kept: journal.StoredCompensation) -> str:
        """The name and version that it has today. Raises UNREADABLE."""
        if kept.kind == "command":
            command = self.codec.command(kept.name, kept.data, kept.data_version)
            return _told(type(command).__name__, command.schema_version)
        definition, _ = self.registry.stored_call(kept.name, kept.data, kept.data_version)
        return _told(definition.call.name, definition.call.version)

    def _stored(self, kind: Kind, name: str, version: int) -> Stored:
        stored = self._counts.setdefault((kind, name, version), Stored(kind, name, version))
        stored.count += 1
        return stored


def _note(stored: Stored, names: list[str]) -> None:
    stored.reads_as = sorted({*stored.reads_as, *names})


def _told(name: str, version: int) -> str:
    return f"{name} {version}"
