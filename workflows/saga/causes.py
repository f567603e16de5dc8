"""Why a saga goes on, and for whom: what every event that it causes says."""

from dataclasses import dataclass, field
from uuid import UUID

from domain import Event
from eventstore import RecordedEvent
from workflows.saga import journal


@dataclass(slots=True)
class Causes:
    """`latest` is the entry from outside because of which the saga goes on: the request for it, the signal
    that it took last, or what an operator asked for since. `undone_by` is who asked for its undoing."""

    latest: UUID
    undone_by: str | None = None
    signals: dict[str, UUID] = field(default_factory=dict)

    def note(self, event: RecordedEvent, entry: Event) -> None:
        """Take in what was read. Causes come from outside: no execution applies one that it has written."""
        match entry:
            case journal.SignalReceived(id=signal_id):
                self.signals[signal_id] = event.event_id
            case journal.CompensationRequested():
                self.latest, self.undone_by = event.event_id, event.metadata.get("actor")
            case journal.RetryRequested() | journal.Resumed() | journal.StepSkipped():
                self.latest = event.event_id

    def take(self, signal_id: str) -> None:
        """A step took this signal."""
        self.latest = self.signals.pop(signal_id, self.latest)
