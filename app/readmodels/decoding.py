"""From recorded events to the events of the domain: the one place where read models of aggregates do that."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain import Event
from eventstore import RecordedEvent
from workflows.saga.codec import EventCodec


@dataclass(frozen=True, slots=True)
class Change:
    """What was recorded of an aggregate, and the events that it is today: several, if it was split since."""

    recorded: RecordedEvent
    events: Sequence[Event]

    @property
    def position(self) -> int:
        return self.recorded.position

    @property
    def order_ids(self) -> Iterator[str]:
        """The orders that its events speak of."""
        for event in self.events:
            if (order_id := getattr(event, "order_id", None)) is not None:
                yield order_id

    def said(self, name: str) -> str | None:
        """What the metadata has under `name`, such as `saga_id`."""
        return self.recorded.metadata.get(name)


def changes_by_key(
    codec: EventCodec, events: Sequence[RecordedEvent], *categories: str
) -> dict[str, list[Change]]:
    """What changed the aggregates of these categories, by the key of the aggregate, each list in order.

    Raises what the codec does: the event cannot be read, so the projection must not go on.
    """
    changes: dict[str, list[Change]] = {}
    for recorded in events:
        category, _, key = recorded.stream.partition("-")
        if category in categories:
            decoded = codec.decode(recorded)
            if decoded:
                changes.setdefault(key, []).append(Change(recorded, decoded))
    return changes
