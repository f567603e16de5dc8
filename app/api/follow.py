"""Following the log over HTTP: every event as a server-sent event, in order of position, without loss."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Depends, Header
from fastapi.responses import StreamingResponse

from app.api.positions import POSITION_PATTERN, AfterPosition, position_of
from app.api.reading import only_known_parameters
from app.api.requests import RuntimeOf, Stopping, in_time
from app.api.watch import HEARTBEAT, HEARTBEAT_SECONDS, RETRY, STREAM_HEADERS, stops_within
from app.api.wire import event_document, problems
from app.positions import OtherTimeline, Position, current_timeline
from app.runtime import Runtime
from eventstore.following import PASSING

BATCH_EVENTS: Final = 500
REST_SECONDS: Final = 0.05
"""Between two looks: on a busy store there is always something new."""
IDLE_SECONDS: Final = 1.0
"""How long a commit is waited for before the log is looked at anyway; the server's stop takes as long."""

router = APIRouter(tags=["events"], dependencies=[Depends(only_known_parameters)])

LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=POSITION_PATTERN,
        description="The id of the last event seen; goes before `after`. A browser sends it by itself.",
        examples=["17@1"],
    ),
]


async def _start(runtime: RuntimeOf, after: AfterPosition = "0", last: LastEventId = None) -> Position:
    """Where to begin, on the timeline of the server. Raises OtherTimeline, LostPosition, InvalidRequest."""
    asked = position_of(after) if last is None else position_of(last, "Last-Event-ID")
    async with in_time(runtime):
        timeline = await current_timeline(runtime.pool)
    return Position(runtime.history.known(asked.on(timeline)), timeline)


@router.get(
    "/events/follow",
    summary="Follow all streams",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events named `recorded`, each with one recorded event as its data "
            "and its `Saga-Position` as its id.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problems(410),
    },
)
async def follow(
    runtime: RuntimeOf, stopping: Stopping, start: Annotated[Position, Depends(_start)]
) -> StreamingResponse:
    """Every event after `after`, then each as it is recorded, in order of position and without loss.

    Goes on while the database is away. Ends when the server stops, or when another database server has taken
    over: whoever connects again is answered 410 then, as the positions may be others.
    """
    return StreamingResponse(
        recorded(runtime, start, stopping), media_type="text/event-stream", headers=STREAM_HEADERS
    )


async def recorded(
    runtime: Runtime, start: Position, stopping: asyncio.Event, heartbeat_seconds: float = HEARTBEAT_SECONDS
) -> AsyncIterator[bytes]:
    """The events after `start` as server-sent events, and a comment now and then: the server is there."""
    clock = asyncio.get_running_loop().time
    committed = runtime.commits.event()
    try:
        yield RETRY
        position, spoke_at = start, clock()
        while not await stops_within(REST_SECONDS, stopping):
            committed.clear()
            try:
                batch = await _batch(runtime, position)
            except OtherTimeline:
                return
            except PASSING:
                batch = []
            for place, event in batch:
                yield event
                position, spoke_at = place, clock()
            if clock() - spoke_at >= heartbeat_seconds:
                yield HEARTBEAT
                spoke_at = clock()
            if not batch:
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_SECONDS):
                        await committed.wait()
    finally:
        runtime.commits.forget(committed)


async def _batch(runtime: Runtime, after: Position) -> list[tuple[Position, bytes]]:
    """Raises OtherTimeline, and what passes."""
    async with in_time(runtime):
        # First: what is read must not be of a later timeline than it is said to be.
        start = after.on(await current_timeline(runtime.pool))
        events = [event async for event in runtime.store.read_all(start, limit=BATCH_EVENTS)]
    return [
        (place, _sent(place, orjson.dumps(event_document(event), option=orjson.OPT_UTC_Z)))
        for event in events
        for place in [Position(event.position, after.timeline)]
    ]


def _sent(place: Position, data: bytes) -> bytes:
    return b"event: recorded\nid: %s\ndata: %s\n\n" % (str(place).encode(), data)
