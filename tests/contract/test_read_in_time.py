"""A stream as it was: at a time, at a position, never with half an append."""

from datetime import UTC, datetime, timedelta

import pytest

from eventstore import Batch, EventStore, RecordedEvent
from tests.integration.eventstore.stores import everything, happened


async def _histories(store: EventStore) -> list[RecordedEvent]:
    """Seven appends of one to three events of one stream, with others of another one among them."""
    version = 0
    for number, count in enumerate([1, 3, 1, 2, 1, 1, 3]):
        others = Batch("y-1", number, [happened()])
        own = Batch("x-1", version, [happened() for _ in range(count)])
        await store.append([own, others] if number % 2 else [others, own])
        version += count
    return await everything(store.read_stream("x-1"))


async def test_a_stream_is_read_as_of_every_position(store: EventStore, subtests: pytest.Subtests) -> None:
    events = await _histories(store)
    last = await store.safe_position()

    for position in range(last + 2):
        with subtests.test(position=position):
            there = await everything(store.read_stream("x-1", position=position))
            assert there == [event for event in events if event.commit_position <= position]


async def test_a_position_inside_an_append_leaves_it_out_in_all_its_streams(store: EventStore) -> None:
    await store.append([Batch("x-1", 0, [happened()])])
    await store.append([Batch("x-1", 1, [happened(), happened()]), Batch("y-1", 0, [happened()])])
    (_, second, third) = await everything(store.read_stream("x-1"))
    (other,) = await everything(store.read_stream("y-1"))

    for inside in (second.position, third.position):
        assert len(await everything(store.read_stream("x-1", position=inside))) == 1
        assert await everything(store.read_stream("y-1", position=inside)) == []
    assert len(await everything(store.read_stream("x-1", position=other.position))) == 3
    assert await everything(store.read_stream("y-1", position=other.position)) == [other]


async def test_a_stream_is_read_as_of_every_time(store: EventStore, subtests: pytest.Subtests) -> None:
    events = await _histories(store)
    moments = {event.recorded_at + timedelta(microseconds=near) for event in events for near in (-1, 0, 1)}

    for moment in sorted({*moments, datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)}):
        with subtests.test(moment=moment):
            there = await everything(store.read_stream("x-1", as_of=moment))
            assert there == [event for event in events if event.recorded_at <= moment]


async def test_the_bounds_hold_together(store: EventStore, subtests: pytest.Subtests) -> None:
    events = await _histories(store)
    position, moment = events[8].commit_position, events[6].recorded_at
    known = [event for event in events if event.commit_position <= position and event.recorded_at <= moment]

    for after, to, limit, backwards in [
        (0, None, None, False),
        (2, 6, None, False),
        (2, 6, 3, True),
        (0, None, 4, True),
        (6, None, None, True),
        (9, None, None, False),
        (0, 0, None, True),
        (0, 99, 0, False),
    ]:
        with subtests.test(after=after, to=to, limit=limit, backwards=backwards):
            wanted = [event for event in known if after < event.version <= (99 if to is None else to)]
            there = await everything(
                store.read_stream(
                    "x-1",
                    after=after,
                    to=to,
                    position=position,
                    as_of=moment,
                    limit=limit,
                    backwards=backwards,
                )
            )
            assert there == (wanted[::-1] if backwards else wanted)[:limit]


async def test_a_stream_that_does_not_exist_was_never_anything(store: EventStore) -> None:
    assert await everything(store.read_stream("x-1", position=5)) == []
    assert await everything(store.read_stream("x-1", as_of=datetime.now(UTC), backwards=True)) == []
