"""Where the slider of a saga stops: the positions at which it, or an aggregate that it touched, changed."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from eventstore import EventStore

STOPS_MAX: Final = 100
"""To each side of where the slider stands."""
STREAMS_MAX: Final = 30
"""Of so many aggregates, the ones touched last, every change is a stop."""


@dataclass(frozen=True, slots=True)
class Stops:
    """Stops in order; `number` is where the last one stands that is not after the position asked for.

    `earlier` and `later` say that there are more than these.
    """

    positions: list[int]
    number: int
    earlier: bool
    later: bool

    @property
    def current(self) -> int:
        return self.positions[self.number]

    @property
    def previous(self) -> int | None:
        return self.positions[self.number - 1] if self.number else None

    @property
    def following(self) -> int | None:
        return self.positions[self.number + 1] if self.number + 1 < len(self.positions) else None

    def at(self, number: int) -> int:
        """The position of a stop; the nearest one when there are not as many."""
        return self.positions[min(max(number, 0), len(self.positions) - 1)]


async def stops_around(store: EventStore, streams: list[str], position: int, first: int, last: int) -> Stops:
    """The stops from `first` to `last` nearest to `position`, which is not before `first`."""
    before, after = {first}, set[int]()
    for stream in streams:
        before |= await _back(store, stream, position)
        after |= await _on(store, stream, position, last)
    backwards = sorted((stop for stop in before if stop >= first), reverse=True)
    onwards = sorted(after)
    positions = sorted(backwards[: STOPS_MAX + 1]) + onwards[:STOPS_MAX]
    return Stops(
        positions,
        bisect_right(positions, position) - 1,
        earlier=len(backwards) > STOPS_MAX + 1,
        later=len(onwards) > STOPS_MAX,
    )


async def _back(store: EventStore, stream: str, position: int) -> set[int]:
    events = store.read_stream(stream, position=position, limit=STOPS_MAX + 2, backwards=True)
    return {event.commit_position async for event in events}


async def _on(store: EventStore, stream: str, position: int, last: int) -> set[int]:
    """Appends are in a stream in the order of their positions."""
    known = [event async for event in store.read_stream(stream, position=position, limit=1, backwards=True)]
    after = known[0].version if known else 0
    events = store.read_stream(stream, after=after, position=last, limit=STOPS_MAX + 1)
    return {event.commit_position async for event in events if event.commit_position > position}
