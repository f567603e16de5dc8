"""All events in the order of the log, and each of them with what caused it and what it caused."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import ValidationError

from app.api.audit import event_of
from app.api.requests import RuntimeOf, in_time
from app.console.log.queries import LATER_EVENTS, Wanted, appended_with, caused_by, find_events
from app.console.rendering import page
from app.ids import ID_LENGTH_MAX, ID_PATTERN
from app.positions import POSITION_MAX
from app.runtime import Runtime
from app.why import Why
from eventstore import RecordedEvent, UnknownSchema
from eventstore.errors import UpcastFailed
from workflows.saga.journal import CATEGORY

router = APIRouter(include_in_schema=False)

EVENTS_PAGE: Final = 50

EventName = Annotated[
    str, Path(pattern=r"^([0-9]{1,13}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$", max_length=36)
]
Filter = Annotated[str, Query(max_length=ID_LENGTH_MAX, pattern=f"^$|{ID_PATTERN}")]


@router.get("/console/events")
async def events(
    request: Request,
    runtime: RuntimeOf,
    before: Annotated[str, Query(pattern=r"^[0-9]{0,13}$")] = "",
    after: Annotated[str, Query(pattern=r"^[0-9]{0,13}$")] = "",
    category: Filter = "",
    type: Filter = "",
    correlation: Filter = "",
    live: Annotated[str, Query(pattern="^(on|off)$")] = "on",
) -> Response:
    """The newest events, those before a position, or those after one. Without a place it follows the log."""
    wanted = Wanted(category or None, [type] if type else None, correlation or None)
    backwards = not after
    start = int(before or POSITION_MAX + 1) if backwards else int(after)
    async with in_time(runtime):
        found = await find_events(runtime, wanted, start, EVENTS_PAGE, backwards=backwards)
    at_the_end = not before and not after
    return page(
        request,
        "events.html",
        found=found,
        filters={"category": category, "type": type, "correlation": correlation},
        backwards=backwards,
        before=before,
        after=after,
        at_the_end=at_the_end,
        live=at_the_end and live == "on",
    )


@router.get("/console/events/{event}")
async def event(request: Request, event: EventName, runtime: RuntimeOf) -> Response:
    """One event, by its id or its position. Raises NotFound."""
    async with in_time(runtime):
        found = await event_of(runtime, event)
        links = await Why(runtime.store).chain(found)
        caused = await caused_by(runtime, found)
        beside = await appended_with(runtime, found)
    category, _, key = found.stream.partition("-")
    saga_id = key if category == CATEGORY else found.metadata.get("saga_id")
    return page(
        request,
        "event.html",
        event=found,
        category=category,
        key=key,
        is_aggregate=category in runtime.codec.catalog.deciders,
        saga_id=saga_id,
        today=today(runtime, found),
        links=links,
        caused=caused,
        beside=beside,
        looked_through=LATER_EVENTS,
    )


def today(runtime: Runtime, event: RecordedEvent) -> list[tuple[str, int, dict[str, object]]] | str:
    """The name, the schema and the data that it has for today's code, when that differs from what is stored;
    or why this code cannot read it."""
    try:
        decoded = runtime.codec.decode(event)
    except (UnknownSchema, UpcastFailed, ValidationError) as error:
        # By its kind only: the text of an error quotes data.
        return f"this code cannot read it ({type(error).__name__})"
    read = [(type(each).__name__, each.schema_version, each.model_dump(mode="json")) for each in decoded]
    stored = [(event.type, event.schema_version)]
    return [] if [each[:2] for each in read] == stored else read
