"""Following a saga: hold an answer until it ends, or stream its view whenever it changes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from eventstore import EventStore, StoreUnavailable
from workflows.saga.codec import EventCodec
from workflows.saga.engine import SagaEngine
from workflows.saga.state import SagaState, catch_up
from workflows.saga.view import SagaView, view

POLL_SECONDS_FIRST: Final = 0.05
POLL_SECONDS_MAX: Final = 0.5
HEARTBEAT_SECONDS: Final = 10.0
RETRY: Final = b"retry: 1000\n\n"
"""Asks the client to connect again a second after the connection was lost."""
HEARTBEAT: Final = b": still here\n\n"
STREAM_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Of every stream. Without the second one nginx would keep the events until its buffer is full."""


async def wait_for_end(
    engine: SagaEngine, saga: SagaView, seconds: float, stopping: asyncio.Event
) -> SagaView | None:
    """The saga, just read, once it has ended, is stuck or the time is up. None when the server stops
    or its database is away before that: the saga is durable, so there is nothing to complain about."""
    waiting = asyncio.create_task(engine.wait(saga.saga_id, seconds, known=saga))
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait((waiting, stopped), return_when=asyncio.FIRST_COMPLETED)
        return await waiting if waiting.done() else None
    except StoreUnavailable:
        return None
    finally:
        waiting.cancel()
        stopped.cancel()


async def server_sent_events(
    store: EventStore,
    codec: EventCodec,
    state: SagaState,
    stopping: asyncio.Event,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
    known_version: int | None = None,
) -> AsyncIterator[bytes]:
    """The saga as server-sent events: now, after each change, the last time when it has ended or is stuck.

    The id of an event is the version of the journal; that of `known_version` is not sent again. A comment now
    and then shows that the server is there.
    Goes on while the database is away. Ends early when the server stops; the client connects again.
    """
    clock = asyncio.get_running_loop().time
    yield RETRY
    if state.version != known_version:
        yield _event(state)
    pause, spoke_at = POLL_SECONDS_FIRST, clock()
    while not (state.at_rest or await stops_within(pause, stopping)):
        if await _moved(store, codec, state):
            yield _event(state)
            pause, spoke_at = POLL_SECONDS_FIRST, clock()
        else:
            pause = min(pause * 1.5, POLL_SECONDS_MAX)
        if clock() - spoke_at >= heartbeat_seconds:
            yield HEARTBEAT
            spoke_at = clock()


async def _moved(store: EventStore, codec: EventCodec, state: SagaState) -> bool:
    """Fold what was appended to the journal since; whether there was anything."""
    try:
        return bool(await catch_up(store, codec, state))
    except StoreUnavailable:
        return False


def _event(state: SagaState) -> bytes:
    return b"event: saga\nid: %d\ndata: %s\n\n" % (state.version, view(state).model_dump_json().encode())


async def stops_within(seconds: float, stopping: asyncio.Event) -> bool:
    """Whether the server stops in this time."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return False
    return True
