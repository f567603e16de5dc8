"""Streams: found by their names, and read from either end."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api.requests import RuntimeOf, StreamName, in_time
from app.console.log.queries import find_streams, newest_streams
from app.console.rendering import page
from app.problems import NotFound
from eventstore.validation import MAX_VERSION
from workflows.saga.journal import CATEGORY

router = APIRouter(include_in_schema=False)

EVENTS_PAGE = 50

Prefix = Annotated[str, Query(max_length=250, pattern=r"^[A-Za-z0-9._:-]*$")]


@router.get("/console/streams")
async def streams(request: Request, runtime: RuntimeOf, prefix: Prefix = "", after: Prefix = "") -> Response:
    """Streams whose names begin with `prefix`, in the order of their names; before all of them the newest."""
    async with in_time(runtime):
        found, following = await find_streams(runtime, prefix, after)
        newest = [] if prefix or after else await newest_streams(runtime)
    categories = [CATEGORY, *runtime.codec.catalog.deciders, "projection", "subscription"]
    return page(
        request,
        "streams.html",
        streams=found,
        newest=newest,
        prefix=prefix,
        after=after,
        following=following,
        categories=categories,
    )


@router.get("/console/streams/{stream}")
async def stream(
    request: Request,
    stream: StreamName,
    runtime: RuntimeOf,
    start: Annotated[int | None, Query(alias="from", ge=1, le=MAX_VERSION)] = None,
    order: Annotated[str, Query(pattern="^(newest|oldest)$")] = "newest",
) -> Response:
    """Its events, the newest or the oldest first. Raises NotFound."""
    backwards = order == "newest"
    after, to = (0, start) if backwards else ((start or 1) - 1, None)
    async with in_time(runtime):
        read = runtime.store.read_stream(
            stream, after=after, to=to, limit=EVENTS_PAGE + 1, backwards=backwards
        )
        events = [event async for event in read]
        if not events and not [event async for event in runtime.store.read_stream(stream, limit=1)]:
            raise NotFound(f"nothing was ever appended to {stream}")
    following = events[EVENTS_PAGE].version if len(events) > EVENTS_PAGE else None
    category, _, key = stream.partition("-")
    return page(
        request,
        "stream.html",
        stream=stream,
        category=category,
        key=key,
        is_aggregate=category in runtime.codec.catalog.deciders,
        is_saga=category == CATEGORY,
        events=events[:EVENTS_PAGE],
        following=following,
        start=start,
        order=order,
    )
