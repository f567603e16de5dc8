"""Snapshots: what is kept is read with the events after it, and nothing is lost without."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import orjson
import pytest

from eventstore import Batch, EventStore, RecordedEvent
from eventstore.postgres import PostgresEventStore
from eventstore.snapshots import Snapshot
from eventstore.tasks import end
from tests.integration.eventstore.stores import happened

CODE, OTHER_CODE = "code", "other code"
NOW = timedelta()


@pytest.fixture
async def keeping(store: EventStore) -> AsyncIterator[EventStore]:
    """A store whose process keeps what is offered."""
    if not isinstance(store, PostgresEventStore):
        yield store
        return
    task = asyncio.create_task(store.snapshots.run())
    await asyncio.sleep(0)
    yield store
    await end(task)


async def keep(store: EventStore, version: int, stream: str = "x-1", code: str = CODE) -> None:
    """Offer a state, and wait until it is kept."""
    store.snapshots.offer(stream, code, lambda: (version, orjson.dumps({"to": version})))
    await settled(store)


async def settled(store: EventStore) -> None:
    if isinstance(store, PostgresEventStore):  # the twin in memory keeps it at once
        await store.snapshots.settled()


async def read(
    store: EventStore, to: int | None = None, stream: str = "x-1", code: str = CODE
) -> tuple[int, list[int]]:
    """The version of the snapshot that is read (0: none), and those of the events after it."""
    items: list[Snapshot | RecordedEvent] = [each async for each in store.snapshots.read(stream, code, to=to)]
    kept = [each for each in items if isinstance(each, Snapshot)]
    assert items[: len(kept)] == kept
    for each in kept:
        assert each.state == {"to": each.version}
        assert each.last.version == each.version
    return sum(each.version for each in kept), [
        each.version for each in items if isinstance(each, RecordedEvent)
    ]


async def test_without_a_snapshot_all_events_are_read(keeping: EventStore) -> None:
    await keeping.append([Batch("x-1", 0, [happened() for _ in range(7)])])

    assert await read(keeping) == (0, [1, 2, 3, 4, 5, 6, 7])
    assert await read(keeping, to=3) == (0, [1, 2, 3])
    assert await read(keeping, to=0) == (0, [])
    assert await read(keeping, stream="x-2") == (0, [])


@pytest.mark.parametrize("version", [1, 2, 3, 4, 7])
async def test_a_snapshot_is_read_with_the_events_after_it(keeping: EventStore, version: int) -> None:
    await keeping.append([Batch("x-1", 0, [happened() for _ in range(7)])])

    await keep(keeping, version)

    assert await read(keeping) == (version, list(range(version + 1, 8)))
    assert await read(keeping, to=version) == (version, [])
    assert await read(keeping, to=version - 1) == (0, list(range(1, version)))
    assert await read(keeping, code=OTHER_CODE) == (0, [1, 2, 3, 4, 5, 6, 7])
    assert await read(keeping, stream="x-11") == (0, [])


async def test_the_latest_version_stays(keeping: EventStore) -> None:
    await keeping.append([Batch("x-1", 0, [happened() for _ in range(7)])])

    for version in (2, 5, 3):
        await keep(keeping, version)

    assert await read(keeping) == (5, [6, 7])


async def test_one_that_says_more_than_its_stream_is_passed_over(keeping: EventStore) -> None:
    await keep(keeping, 3)
    assert await read(keeping) == (0, [])

    await keeping.append([Batch("x-1", 0, [happened(), happened()])])

    assert await read(keeping) == (0, [1, 2])


async def test_each_fingerprint_has_its_own(keeping: EventStore) -> None:
    await keeping.append([Batch("x-1", 0, [happened() for _ in range(4)])])

    await keep(keeping, 2)
    await keep(keeping, 3, code=OTHER_CODE)

    assert await read(keeping) == (2, [3, 4])
    assert await read(keeping, code=OTHER_CODE) == (3, [4])


async def test_keys_keep_their_order(keeping: EventStore) -> None:
    """A state may go by the order in which the keys of a mapping came."""
    await keeping.append([Batch("x-1", 0, [happened()])])
    state = {"zebra": 1, "a": 2, "moose": {"b": 1, "a": 2}}

    keeping.snapshots.offer("x-1", CODE, lambda: (1, orjson.dumps(state)))
    await settled(keeping)

    [kept] = [each async for each in keeping.snapshots.read("x-1", CODE)]
    assert isinstance(kept, Snapshot)
    assert orjson.dumps(kept.state) == orjson.dumps(state)


async def test_what_is_discarded_is_gone(keeping: EventStore) -> None:
    await keeping.append([Batch("x-1", 0, [happened()]), Batch("x-2", 0, [happened()])])
    await keep(keeping, 1)
    await keep(keeping, 1, code=OTHER_CODE)
    await keep(keeping, 1, stream="x-2")

    await keeping.snapshots.discard("x-1")

    assert await read(keeping) == (0, [1])
    assert await read(keeping, code=OTHER_CODE) == (0, [1])
    assert await read(keeping, stream="x-2") == (1, [])


async def test_what_no_code_reads_any_more_is_discarded_after_a_while(keeping: EventStore) -> None:
    await keeping.append([Batch("x-1", 0, [happened()])])
    await keep(keeping, 1)
    await keep(keeping, 1, code=OTHER_CODE)

    assert await keeping.snapshots.discard_stale([CODE], timedelta(hours=1)) == 0
    assert await keeping.snapshots.discard_stale([CODE], NOW) == 1

    assert await read(keeping) == (1, [])
    assert await read(keeping, code=OTHER_CODE) == (0, [1])


async def test_reading_and_appending_go_on_while_snapshots_are_deleted(keeping: EventStore) -> None:
    deleting = asyncio.create_task(_delete_for_ever(keeping))
    for version in range(1, 61):
        await keeping.append([Batch("x-1", version - 1, [happened()])])
        keeping.snapshots.offer("x-1", CODE, lambda: (version, orjson.dumps({"to": version})))  # noqa: B023
        known, after = await read(keeping)
        assert [*range(1, known + 1), *after] == list(range(1, version + 1))
    deleting.cancel()
    with suppress(asyncio.CancelledError):
        await deleting


async def _delete_for_ever(store: EventStore) -> None:
    while True:
        await store.snapshots.discard("x-1")
        await asyncio.sleep(0)
