"""The stream of a saga's views, on the store in memory."""

import asyncio

import pytest

from app.api.watch import server_sent_events
from domain import Event
from domain.aggregates import CATALOG
from eventstore import Batch
from eventstore.memory import MemoryEventStore
from workflows.saga import journal
from workflows.saga.codec import EventCodec
from workflows.saga.state import SagaState, read_state

CODEC = EventCodec(CATALOG)

SAGA = "transfer-1"
HEARTBEAT_SECONDS = 0.01


async def record(store: MemoryEventStore, version: int, entry: Event) -> None:
    await store.append([Batch(journal.journal_stream(SAGA), version, [CODEC.encode(entry, {})])])


@pytest.fixture
async def store() -> MemoryEventStore:
    store = MemoryEventStore()
    await record(store, 0, journal.SagaRequested(name="transfer-funds", saga_version=1, input={}))
    return store


async def state_of(store: MemoryEventStore) -> SagaState:
    state = await read_state(store, CODEC, SAGA)
    assert state is not None
    return state


async def test_a_silent_saga_is_shown_to_be_alive_until_it_ends(store: MemoryEventStore) -> None:
    events = server_sent_events(store, CODEC, await state_of(store), asyncio.Event(), HEARTBEAT_SECONDS)

    assert [await anext(events) for _ in range(2)] == [b"retry: 1000\n\n", await first_event(store)]
    assert [await anext(events) for _ in range(3)] == [b": still here\n\n"] * 3
    await record(store, 1, journal.SagaCompleted())
    rest = [event async for event in events if not event.startswith(b":")]

    assert len(rest) == 1
    assert rest[0].startswith(b"event: saga\nid: 2\ndata: ")
    assert b'"status":"completed"' in rest[0]


async def test_a_stuck_saga_ends_the_stream(store: MemoryEventStore) -> None:
    await record(store, 1, journal.SagaStuck(reason="bug", error="division by zero"))

    events = [
        event async for event in server_sent_events(store, CODEC, await state_of(store), asyncio.Event())
    ]

    assert len(events) == 2
    assert b'"status":"stuck"' in events[1]


async def test_a_server_that_stops_ends_the_stream(store: MemoryEventStore) -> None:
    stopping = asyncio.Event()
    events = server_sent_events(store, CODEC, await state_of(store), stopping)
    await anext(events)
    await anext(events)

    stopping.set()

    assert [event async for event in events] == []


async def first_event(store: MemoryEventStore) -> bytes:
    events = server_sent_events(store, CODEC, await state_of(store), asyncio.Event())
    await anext(events)
    return await anext(events)
