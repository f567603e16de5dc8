"""What a read gives: the right events in the right order, page by page."""

from itertools import product

import pytest

from eventstore import Batch, EventStore
from tests.integration.eventstore.stores import everything, happened


async def _append_one_by_one(store: EventStore, stream: str, count: int) -> None:
    for number in range(count):
        await store.append([Batch(stream, number, [happened(number=number)])])


BOUNDS = [(0, None), (2, None), (0, 5), (3, 4), (4, 4), (5, 3), (99, None), (0, 0)]


async def test_a_stream_is_read_between_two_versions(store: EventStore, subtests: pytest.Subtests) -> None:
    await store.append([Batch("x-1", 0, [happened() for _ in range(7)]), Batch("x-11", 0, [happened()])])

    for (after, to), limit, backwards in product(BOUNDS, [None, 0, 1, 3, 4, 100], [False, True]):
        with subtests.test(after=after, to=to, limit=limit, backwards=backwards):
            versions = [version for version in range(1, 8) if after < version <= (7 if to is None else to)]
            events = await everything(
                store.read_stream("x-1", after=after, to=to, limit=limit, backwards=backwards)
            )
            assert [event.version for event in events] == (versions[::-1] if backwards else versions)[:limit]
            assert {event.stream for event in events} <= {"x-1"}


async def test_a_stream_that_does_not_exist_is_empty(store: EventStore) -> None:
    assert await everything(store.read_stream("x-1")) == []
    assert await everything(store.read_stream("x-1", backwards=True)) == []
    assert await everything(store.read_all()) == []


async def test_all_streams_are_read_in_order_of_position(store: EventStore) -> None:
    for number in range(5):
        await store.append([Batch("x-1", number, [happened()]), Batch("y-1", number, [happened()])])

    events = await everything(store.read_all())

    assert [event.stream for event in events] == ["x-1", "y-1"] * 5
    positions = [event.position for event in events]
    assert positions == sorted(set(positions))
    assert positions[-1] <= await store.safe_position()


async def test_all_streams_are_read_between_two_positions(
    store: EventStore, subtests: pytest.Subtests
) -> None:
    await _append_one_by_one(store, "x-1", 9)
    positions = [event.position for event in await everything(store.read_all())]

    for limit in [None, 0, 2, 3, 5]:
        with subtests.test(limit=limit):
            between = await everything(store.read_all(positions[1], to=positions[7], limit=limit))
            assert [event.position for event in between] == positions[2:8][:limit]


async def test_a_category_is_what_stands_before_the_first_hyphen(
    store: EventStore, subtests: pytest.Subtests
) -> None:
    for number in range(6):
        for stream in ["x-1", "xy-1", "x-1-2", "x", "y-x-1", "x%-1"]:
            await store.append([Batch(stream, number, [happened()])])
    all_events = await everything(store.read_all())
    of_category = [event for event in all_events if event.stream in ("x-1", "x-1-2", "x")]

    for limit in [None, 0, 4, 100]:
        with subtests.test(limit=limit):
            assert await everything(store.read_all(category="x", limit=limit)) == of_category[:limit]
    assert await everything(store.read_all(category="x", to=0)) == []
    assert await everything(store.read_all(all_events[-1].position, category="x")) == []


async def test_a_read_ends_where_the_store_was_safe_when_it_began(store: EventStore) -> None:
    await _append_one_by_one(store, "x-1", 4)
    reading = store.read_all()
    first = await anext(reading)
    await _append_one_by_one(store, "x-2", 4)

    rest = await everything(reading)

    assert [event.stream for event in [first, *rest]] == ["x-1"] * 4


async def test_an_event_is_found_by_its_id(store: EventStore) -> None:
    events = [happened(number=number) for number in range(4)]
    await store.append([Batch("x-1", 0, events)])

    found = await store.find(events[2].event_id)

    assert found is not None
    assert (found.stream, found.version, found.data) == ("x-1", 3, {"number": 2})
    assert await store.find(happened().event_id) is None
