"""Recorded events: one stream, or all of them in their global order."""

from fastapi import APIRouter, Depends

from app.api.positions import AfterPosition, position_of
from app.api.reading import only_known_parameters
from app.api.requests import FromVersion, PageSize, RuntimeOf, StreamName, in_time
from app.api.wire import EventPage, StreamPage, event_documents, problems
from app.json_response import JsonResponse
from app.positions import POSITION_HEADER, Position, current_timeline
from app.problems import NotFound
from eventstore import EventStore, RecordedEvent

router = APIRouter(tags=["events"], dependencies=[Depends(only_known_parameters)])


@router.get(
    "/streams/{stream}",
    summary="Read one stream",
    response_model=StreamPage,
    responses=problems(404),
)
async def read_stream(
    runtime: RuntimeOf, stream: StreamName, limit: PageSize, from_version: FromVersion = 1
) -> JsonResponse:
    """The events of one stream in order of version. 404 when nothing was ever appended to it."""
    async with in_time(runtime):
        events, following = await stream_page(runtime.store, stream, from_version, limit)
    return JsonResponse({"events": event_documents(events), "next": following})


@router.get("/events", summary="Read all streams", response_model=EventPage, responses=problems(410))
async def read_all(runtime: RuntimeOf, limit: PageSize, after: AfterPosition = "0") -> JsonResponse:
    """The events of all streams in order of position, without loss: never past the safe position.

    Call again with `after` = `next` for what comes later; gaps between positions are normal. The answer's
    `Saga-Position` in its place is refused once another server has taken over, whose positions may differ.
    """
    asked = position_of(after)
    async with in_time(runtime):
        # First: the answer's token must not name a later timeline than the one that was read.
        timeline = await current_timeline(runtime.pool)
        start = runtime.history.known(asked.on(timeline))
        events = [event async for event in runtime.store.read_all(start, limit=limit)]
    following = events[-1].position if events else start
    headers = {POSITION_HEADER: str(Position(following, timeline))}
    return JsonResponse({"events": event_documents(events), "next": following}, headers=headers)


async def stream_page(
    store: EventStore, stream: str, from_version: int, limit: int
) -> tuple[list[RecordedEvent], int | None]:
    """A page of a stream and the version that the next one starts at. Raises NotFound."""
    read = store.read_stream(stream, after=from_version - 1, limit=limit + 1)
    events = [event async for event in read]
    if not events and not [event async for event in store.read_stream(stream, limit=1)]:
        raise NotFound(f"nothing was ever appended to {stream}")
    return events[:limit], events[limit].version if len(events) > limit else None
