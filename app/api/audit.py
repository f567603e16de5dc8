"""Why something is so, and that it was not changed: causes, anchors, proofs."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from app.api.reading import only_known_parameters
from app.api.requests import RuntimeOf, StreamName, in_time
from app.api.wire import EventView, event_document, problems
from app.api.wire_proofs import ProofView
from app.json_response import JsonResponse
from app.positions import POSITION_MAX
from app.problems import NotFound
from app.runtime import Runtime
from app.why import Link, LinkKind, Why
from eventstore import RecordedEvent
from eventstore.audit.anchors import anchor_document
from eventstore.audit.proofs import NoProof, prove
from eventstore.audit.seals import newest_seals
from eventstore.validation import MAX_VERSION

router = APIRouter(tags=["audit"], dependencies=[Depends(only_known_parameters)])

EventName = Annotated[
    str,
    Path(
        pattern=r"^(\d{1,13}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$",
        description="The id of an event, or its position.",
        examples=["17"],
    ),
]


class LinkView(BaseModel):
    """A link of the chain. `request` is who asked from outside; `missing` and `cut` say why it ends early."""

    kind: LinkKind
    says: str = Field(examples=["step 3 of saga fulfil-order-10248: HoldPayment"])
    actor: str | None
    command_id: str | None
    saga_id: str | None
    step: str | None
    correlation_id: str | None
    event: EventView | None


class WhyView(BaseModel):
    """From an event to the request that all began with, newest first."""

    complete: bool = Field(description="Whether it leads to that request.")
    links: list[LinkView]


class AnchorView(BaseModel):
    """What to keep elsewhere: it fixes all that is recorded up to `position`."""

    format: str = Field(examples=["saga-anchor-1"])
    block: int
    position: int
    hash: str
    sealed_at: str


class AnchorPage(BaseModel):
    """Anchors, newest first. `next` is the `before` of the next page, null at the end."""

    anchors: list[AnchorView]
    next: int | None


@router.get("/events/{event}/why", summary="Why an event is", response_model=WhyView, responses=problems(404))
async def event_why(event: EventName, runtime: RuntimeOf) -> JsonResponse:
    """Its command, its saga and step, parent sagas, the event that started them, and who asked in the end."""
    async with in_time(runtime):
        return await _answer(runtime, await event_of(runtime, event))


@router.get(
    "/streams/{stream}/why", summary="Why a stream is so", response_model=WhyView, responses=problems(404)
)
async def stream_why(
    stream: StreamName,
    runtime: RuntimeOf,
    version: Annotated[int | None, Query(ge=1, le=MAX_VERSION, description="Default: the last one.")] = None,
) -> JsonResponse:
    """The same for the event that made an aggregate, or a saga (`saga-ID`), what it is."""
    async with in_time(runtime):
        if version is None:
            read = runtime.store.read_stream(stream, backwards=True, limit=1)
        else:
            read = runtime.store.read_stream(stream, after=version - 1, to=version)
        events = [event async for event in read]
        if not events:
            at = "" if version is None else f" at version {version}"
            raise NotFound(f"there is nothing in {stream}{at}")
        return await _answer(runtime, events[0])


@router.get("/audit/anchors", summary="Anchors", response_model=AnchorPage, responses=problems())
async def anchors(
    runtime: RuntimeOf,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 1,
    before: Annotated[
        int, Query(ge=0, le=POSITION_MAX, description="Blocks before this one.")
    ] = POSITION_MAX,
) -> JsonResponse:
    """The newest seals, in few bytes. Kept outside of this database they show whether it was rewritten."""
    async with in_time(runtime):
        seals = await newest_seals(runtime.pool, limit, before)
    following = seals[-1].header.block if len(seals) == limit and seals[-1].header.block > 1 else None
    return JsonResponse({"anchors": [anchor_document(seal) for seal in seals], "next": following})


@router.get(
    "/audit/proofs/{event}", summary="Prove an event", response_model=ProofView, responses=problems(404)
)
async def proof(
    event: EventName,
    request: Request,
    runtime: RuntimeOf,
    block: Annotated[int | None, Query(ge=1, le=POSITION_MAX, description="Up to the anchor of it.")] = None,
) -> JsonResponse:
    """A proof that the event is in the log which an anchor fixes: of its own block, or of `block`.

    404 also for an event that is not sealed yet. Personal values stay encrypted: that is what was sealed.
    """
    request.state.as_stored = True
    async with in_time(runtime):
        found = await event_of(runtime, event)
        async with runtime.pool.connection() as connection:
            try:
                return JsonResponse(await prove(connection, found.position, block))
            except NoProof as none:
                raise NotFound(str(none)) from none


async def event_of(runtime: Runtime, name: str) -> RecordedEvent:
    """The event of this id or position. Raises NotFound."""
    found: RecordedEvent | None = None
    if name.isdecimal():
        async for event in runtime.store.read_all(int(name) - 1, to=int(name)):
            found = event if event.position == int(name) else None
    else:
        found = await runtime.store.find(UUID(name))
    if found is None:
        raise NotFound(f"there is no event {name}")
    return found


async def _answer(runtime: Runtime, event: RecordedEvent) -> JsonResponse:
    links = await Why(runtime.store).chain(event)
    complete = links[-1].kind == "request"
    return JsonResponse({"complete": complete, "links": [_document(link) for link in links]})


def _document(link: Link) -> dict[str, Any]:
    """A LinkView."""
    fields = ("kind", "says", "actor", "command_id", "saga_id", "step", "correlation_id")
    event = None if link.event is None else event_document(link.event)
    return {name: getattr(link, name) for name in fields} | {"event": event}
