"""What an append promises, whatever the store."""

import asyncio
from datetime import UTC, timedelta

import pytest

from eventstore import NO_STREAM, Batch, EventStore, NewEvent, WrongExpectedVersion
from tests.integration.eventstore.stores import everything, happened


async def test_what_was_appended_is_read_back_whole(store: EventStore) -> None:
    before = await store.now()
    first, second = (
        NewEvent("Opened", {"text": "é 😀", "number": 1.5, "list": [1, None]}, {"actor": "x"}, 3),
        NewEvent("Closed", {}),
    )

    appended = await store.append([Batch("account-1", NO_STREAM, [first, second])])

    opened, closed = await everything(store.read_stream("account-1"))
    assert (opened.type, opened.data, opened.metadata) == ("Opened", dict(first.data), {"actor": "x"})
    assert (opened.schema_version, opened.event_id, opened.version) == (3, first.event_id, 1)
    assert (closed.type, closed.schema_version, closed.event_id, closed.version) == (
        "Closed",
        1,
        second.event_id,
        2,
    )
    assert opened.position < closed.position == appended.position
    assert opened.commit_position == closed.commit_position == appended.position
    assert opened.recorded_at == closed.recorded_at == appended.recorded_at
    assert before <= appended.recorded_at <= await store.now()
    assert appended.recorded_at.utcoffset() == timedelta(0)
    assert before.astimezone(UTC) == before
    assert not appended.duplicate


async def test_a_reader_that_changes_what_it_got_changes_nothing_stored(store: EventStore) -> None:
    data = {"list": [1]}
    await store.append([Batch("account-1", NO_STREAM, [NewEvent("Opened", data)])])
    data["list"].append(2)
    (event,) = await everything(store.read_stream("account-1"))
    event.data["list"].append(3)

    (again,) = await everything(store.read_stream("account-1"))

    assert again.data == {"list": [1]}


@pytest.mark.parametrize(
    ("expected", "actual"),
    [(0, 2), (1, 2), (3, 2), (7, 2)],
    ids=["exists", "stale", "one ahead", "far ahead"],
)
async def test_another_version_than_the_expected_one_refuses(
    store: EventStore, expected: int, actual: int
) -> None:
    await store.append([Batch("account-1", 0, [happened(), happened()])])

    with pytest.raises(WrongExpectedVersion) as refused:
        await store.append([Batch("account-1", expected, [happened()])])

    assert (refused.value.stream, refused.value.expected, refused.value.actual) == (
        "account-1",
        expected,
        actual,
    )
    assert len(await everything(store.read_all())) == 2


async def test_a_version_of_a_stream_that_does_not_exist_refuses(store: EventStore) -> None:
    with pytest.raises(WrongExpectedVersion) as refused:
        await store.append([Batch("account-1", 1, [happened()])])

    assert refused.value.actual == 0


async def test_batches_commit_together_in_the_callers_order(store: EventStore) -> None:
    b, a, c = happened(), happened(), happened()

    appended = await store.append([Batch("x-2", 0, [b]), Batch("x-1", 0, [a]), Batch("x-3", 0, [c])])

    events = await everything(store.read_all())
    assert [event.event_id for event in events] == [b.event_id, a.event_id, c.event_id]
    assert {event.commit_position for event in events} == {events[-1].position} == {appended.position}


async def test_one_batch_that_lost_costs_the_whole_append(store: EventStore) -> None:
    await store.append([Batch("x-2", 0, [happened()])])

    with pytest.raises(WrongExpectedVersion):
        await store.append([Batch("x-1", 0, [happened()]), Batch("x-2", 0, [happened()])])

    assert await everything(store.read_stream("x-1")) == []


async def test_the_first_batch_that_differs_is_reported(store: EventStore) -> None:
    await store.append([Batch("x-1", 0, [happened()]), Batch("x-2", 0, [happened()])])

    with pytest.raises(WrongExpectedVersion) as refused:
        await store.append(
            [
                Batch("x-3", 0, [happened()]),
                Batch("x-2", 5, [happened()]),
                Batch("x-1", 0, [happened()]),
            ]
        )

    assert (refused.value.stream, refused.value.expected, refused.value.actual) == ("x-2", 5, 1)


@pytest.mark.parametrize("version", [0, 1])
async def test_a_condition_that_holds_lets_the_append_through(store: EventStore, version: int) -> None:
    await store.append(
        [Batch(f"x-{n}", 0, [happened()]) for n in range(version)] + [Batch("y-1", 0, [happened()])]
    )

    await store.append([Batch("x-0", version), Batch("y-2", 0, [happened()])])

    assert len(await everything(store.read_stream("y-2"))) == 1
    assert len(await everything(store.read_stream("x-0"))) == version


@pytest.mark.parametrize("version", [0, 1, 3])
async def test_a_condition_that_does_not_hold_refuses(store: EventStore, version: int) -> None:
    await store.append([Batch("x-1", 0, [happened(), happened()])])

    with pytest.raises(WrongExpectedVersion) as refused:
        await store.append([Batch("y-1", 0, [happened()]), Batch("x-1", version)])

    assert (refused.value.stream, refused.value.expected, refused.value.actual) == ("x-1", version, 2)
    assert await everything(store.read_stream("y-1")) == []


async def test_of_many_appends_at_once_one_wins(store: EventStore) -> None:
    results = await asyncio.gather(
        *(store.append([Batch("x-1", 0, [happened()])]) for _ in range(20)), return_exceptions=True
    )

    lost = [result for result in results if isinstance(result, WrongExpectedVersion)]
    assert len(lost) == 19
    assert all((error.expected, error.actual) == (0, 1) for error in lost)
    assert len(await everything(store.read_all())) == 1
