"""Sagas: start one, list them, look at one, follow one."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse

from app.api.filters import FilterOf
from app.api.positions import AfterText, after_of
from app.api.reading import ReaderOf, only_known_parameters, view_response
from app.api.requests import (
    Actor,
    CorrelationOf,
    FromVersion,
    JsonObject,
    PageSize,
    RuntimeOf,
    SagaId,
    Stopping,
    WaitSeconds,
    admitted,
    in_time,
    validated,
)
from app.api.starting import OptionsOf
from app.api.streams import stream_page
from app.api.watch import STREAM_HEADERS, server_sent_events, wait_for_end
from app.api.wire import JournalPage, SagaPage, event_documents, problems, saga_response
from app.json_response import JsonResponse
from app.problems import NotFound
from app.readmodels.sagas import NAME, SAGAS, SORT
from eventstore.validation import MAX_VERSION
from workflows.saga import SagaView
from workflows.saga.errors import SagaNotFound
from workflows.saga.journal import journal_stream
from workflows.saga.state import SagaState, read_state

router = APIRouter(tags=["sagas"])

SagaSort = Annotated[
    Literal["requested", "-requested", "updated", "-updated"],
    Query(description="By the time of the request, or of the last change; downwards with a `-` before it."),
]


@router.post(
    "/sagas/{name}",
    summary="Start a saga",
    status_code=202,
    response_model=SagaView,
    responses={
        200: {"model": SagaView, "description": "It has ended in the time of `Prefer: wait`."},
        **problems(404, 409, 413, 415),
    },
)
async def start(
    name: str,
    body: JsonObject,
    runtime: RuntimeOf,
    stopping: Stopping,
    seconds: WaitSeconds,
    correlation: CorrelationOf,
    options: OptionsOf,
    actor: Actor,
) -> Response:
    """Durable when this answers. A business refusal is not an error of the start but the saga's outcome.

    `Idempotency-Key` is the saga id: the same key and body again answer the same saga, another body 409.
    """
    asked = validated(runtime.registry.saga(name).input, body)
    async with admitted(runtime):
        started = await runtime.engine.start(
            name,
            asked,
            saga_id=options.saga_id,
            at=options.at,
            actor=actor,
            correlation_id=correlation.given,
            direct=True,
        )
    saga = started.saga
    if seconds and saga.ended_at is None:
        saga = await wait_for_end(runtime.engine, saga, seconds, stopping) or saga
    answer = saga_response(runtime, saga)
    answer.headers["Location"] = saga.links["self"]
    if not seconds:
        answer.status_code = 202  # who did not ask to wait is told how the saga does by looking at it
    else:
        answer.headers["Preference-Applied"] = f"wait={seconds:g}"
    return answer


@router.get("/sagas", summary="List sagas", response_model=SagaPage, responses=problems(410))
async def page(
    reader: ReaderOf,
    wanted: FilterOf,
    limit: PageSize,
    _: Annotated[None, Depends(only_known_parameters)],
    after: AfterText | None = None,
    sort: SagaSort = SORT,
) -> JsonResponse:
    """Newest first, unless `sort` says otherwise. A read model, a moment behind: `after` the position of an
    answer it has what that had."""
    place = after_of(after)
    async with reader.view(NAME, place) as view:
        rows, following = await SAGAS.page(view, wanted.given(), sort, limit, place.cursor)
    return view_response(view, {"sagas": [row.model_dump() for row in rows], "next": following})


@router.get("/sagas/{saga_id}", summary="Look at a saga", response_model=SagaView, responses=problems(404))
async def show(saga_id: SagaId, runtime: RuntimeOf) -> Response:
    """Status, steps, compensations and outcome as of its journal now; `ETag` is the version of that."""
    async with in_time(runtime):
        saga = await runtime.engine.view(saga_id)
    return saga_response(runtime, saga, 200)


@router.get(
    "/sagas/{saga_id}/journal",
    summary="Read a saga's journal",
    response_model=JournalPage,
    responses=problems(404),
)
async def journal(
    saga_id: SagaId, runtime: RuntimeOf, limit: PageSize, from_version: FromVersion = 1
) -> JsonResponse:
    """All that was ever recorded about its progress."""
    try:
        async with in_time(runtime):
            entries, following = await stream_page(
                runtime.store, journal_stream(saga_id), from_version, limit
            )
    except NotFound:
        raise _no_saga(saga_id) from None
    return JsonResponse({"saga_id": saga_id, "entries": event_documents(entries), "next": following})


async def _state(saga_id: SagaId, runtime: RuntimeOf) -> SagaState:
    async with in_time(runtime):
        state = await read_state(runtime.store, runtime.codec, saga_id)
    if state is None:
        raise _no_saga(saga_id)
    return state


def _no_saga(saga_id: str) -> SagaNotFound:
    return SagaNotFound(f"there is no saga {saga_id!r}")


@router.get(
    "/sagas/{saga_id}/watch",
    summary="Follow a saga",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events named `saga`, each with the whole saga as its data.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        204: {"description": "Nothing more will come after the event of `Last-Event-ID`: do not ask again."},
        **problems(404),
    },
)
async def watch(
    runtime: RuntimeOf,
    stopping: Stopping,
    state: Annotated[SagaState, Depends(_state)],
    last: Annotated[
        int | None,
        Header(alias="Last-Event-ID", ge=0, le=MAX_VERSION, description="The id of the last event seen."),
    ] = None,
) -> Response:
    """The saga whenever it changes, until it has ended or is stuck. A browser that connects again says what
    it has seen: that is not sent once more."""
    if state.at_rest and state.version == last:
        return Response(status_code=204)
    return StreamingResponse(
        server_sent_events(runtime.store, runtime.codec, state, stopping, known_version=last),
        media_type="text/event-stream",
        headers=STREAM_HEADERS,
    )
