"""Whether the events of each append belong together: they end at one position, and have one time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from eventstore.audit.findings import Finding
from eventstore.audit.records import EventRow


@dataclass
class Appends:
    """Appends that have begun and whose last event has not come yet: as many as were in flight together."""

    _open: dict[int, tuple[int, bytes]] = field(default_factory=dict)

    def take(self, event: EventRow) -> Iterator[Finding]:
        """Take in the next event in order of position; what is wrong with it."""
        end, position = event.commit_position, event.position
        first, recorded_at = self._open.setdefault(end, (position, event.recorded_at))
        if end < position:
            yield self._finding(event, f"says that its append ended before it, at {end}")
        elif recorded_at != event.recorded_at:
            yield self._finding(event, f"has another time than position {first}, which came with it")
        if end <= position:
            del self._open[end]

    def left_open(self, safe: int, latest: int, archived: Callable[[int], bool]) -> Iterator[Finding]:
        """Appends whose last event never came, though all is decided up to `safe`.

        One that ends between `safe` and `latest`, the last position that was drawn, has simply not been read.
        """
        for end, (first, _) in sorted(self._open.items()):
            if (end <= safe or end > latest) and not archived(end):
                where = "is missing" if end <= safe else f"was never drawn: the last one was {latest}"
                yield Finding("order", f"the append of position {first} ends at {end}, which {where}", first)

    @staticmethod
    def _finding(event: EventRow, what: str) -> Finding:
        detail = f"event {event.place} at position {event.position} {what}"
        return Finding("order", detail, event.position, event.place)
