"""An append that is sent again is recognised, by its event ids or by its command id."""

import asyncio

import pytest

from eventstore import (
    ANY_VERSION,
    Batch,
    CommandId,
    CommandIdReused,
    EventStore,
    WrongExpectedVersion,
)
from tests.integration.eventstore.stores import everything, happened


async def test_the_same_events_at_the_same_place_are_a_success(store: EventStore) -> None:
    batches = [Batch("x-1", 0, [happened(), happened()]), Batch("x-2", 0, [happened()])]
    first = await store.append(batches)

    again = await store.append(batches)

    assert again.duplicate
    assert (again.position, again.recorded_at) == (first.position, first.recorded_at)
    assert len(await everything(store.read_all())) == 3


async def test_a_duplicate_is_recognised_after_the_stream_went_on(store: EventStore) -> None:
    batches = [Batch("x-1", 0, [happened()])]
    first = await store.append(batches)
    await store.append([Batch("x-1", 1, [happened()])])

    again = await store.append(batches)

    assert (again.duplicate, again.position) == (True, first.position)


async def test_a_duplicate_is_recognised_when_its_condition_no_longer_holds(store: EventStore) -> None:
    batches = [Batch("x-1", 0, [happened()]), Batch("y-1", 0)]
    await store.append(batches)
    await store.append([Batch("y-1", 0, [happened()])])

    assert (await store.append(batches)).duplicate


async def test_the_same_events_at_another_place_are_no_duplicate(store: EventStore) -> None:
    event = happened()
    await store.append([Batch("x-1", 0, [event])])

    appended = await store.append([Batch("x-1", 1, [event])])

    assert not appended.duplicate
    assert len(await everything(store.read_stream("x-1"))) == 2


async def test_a_part_of_the_events_is_no_duplicate(store: EventStore) -> None:
    event = happened()
    await store.append([Batch("x-1", 0, [event])])

    with pytest.raises(WrongExpectedVersion):
        await store.append([Batch("x-1", 0, [event]), Batch("x-2", 0, [happened()])])
    with pytest.raises(WrongExpectedVersion):
        await store.append([Batch("x-1", 0, [event, happened()])])

    assert len(await everything(store.read_all())) == 1


async def test_a_command_id_appends_once(store: EventStore) -> None:
    command = CommandId("deposit-1", "100 USD")
    first = await store.append([Batch("x-1", 0, [happened()])], command=command)

    again = await store.append([Batch("x-1", 1, [happened()])], command=command)

    assert (again.duplicate, again.position, again.recorded_at) == (True, first.position, first.recorded_at)
    assert len(await everything(store.read_all())) == 1


async def test_a_command_id_of_another_request_is_refused(store: EventStore) -> None:
    await store.append([Batch("x-1", 0, [happened()])], command=CommandId("deposit-1", "100 USD"))

    with pytest.raises(CommandIdReused) as refused:
        await store.append([Batch("x-2", 0, [happened()])], command=CommandId("deposit-1", "200 USD"))

    assert refused.value.command_id == "deposit-1"
    assert len(await everything(store.read_all())) == 1


async def test_a_lost_race_does_not_use_up_the_command_id(store: EventStore) -> None:
    await store.append([Batch("x-1", 0, [happened()])])
    command = CommandId("deposit-1", "100 USD")
    with pytest.raises(WrongExpectedVersion):
        await store.append([Batch("x-1", 0, [happened()])], command=command)

    assert not (await store.append([Batch("x-1", 1, [happened()])], command=command)).duplicate


async def test_any_version_appends_after_whatever_is_there(store: EventStore) -> None:
    await store.append([Batch("x-1", 0, [happened()])])

    await store.append(
        [Batch("x-1", ANY_VERSION, [happened()]), Batch("x-2", ANY_VERSION, [happened(), happened()])],
        command=CommandId("one"),
    )
    again = await store.append([Batch("x-1", ANY_VERSION, [happened()])], command=CommandId("one"))

    assert again.duplicate
    assert [event.version for event in await everything(store.read_stream("x-1"))] == [1, 2]
    assert [event.version for event in await everything(store.read_stream("x-2"))] == [1, 2]


async def test_any_version_still_checks_the_other_batches(store: EventStore) -> None:
    with pytest.raises(WrongExpectedVersion) as refused:
        await store.append(
            [Batch("x-1", ANY_VERSION, [happened()]), Batch("x-2", 4)], command=CommandId("one")
        )

    assert refused.value.stream == "x-2"


async def test_many_appends_after_whatever_is_there_all_find_a_place(store: EventStore) -> None:
    await asyncio.gather(
        *(
            store.append([Batch("x-1", ANY_VERSION, [happened()])], command=CommandId(f"c{n}"))
            for n in range(8)
        )
    )

    assert [event.version for event in await everything(store.read_stream("x-1"))] == list(range(1, 9))


async def test_one_command_id_at_once_appends_once(store: EventStore) -> None:
    results = await asyncio.gather(
        *(store.append([Batch(f"x-{n}", 0, [happened()])], command=CommandId("one")) for n in range(10))
    )

    assert sum(not result.duplicate for result in results) == 1
    assert len({result.position for result in results}) == 1
    assert len(await everything(store.read_all())) == 1
