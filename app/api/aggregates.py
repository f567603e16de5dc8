"""Aggregates: their state, and commands sent to them directly."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.api.command_names import find_category, find_command
from app.api.direct_commands import Request, send_command
from app.api.requests import (
    Actor,
    CorrelationOf,
    ExpectedVersion,
    IdempotencyKey,
    JsonObject,
    Key,
    RuntimeOf,
    in_time,
    validated,
)
from app.api.wire import AggregateView, CommandAnswer, problems
from app.json_response import JsonResponse
from app.problems import FieldError, InvalidRequest, NotFound

router = APIRouter(tags=["aggregates"])


def command_request(
    correlation: CorrelationOf,
    version: ExpectedVersion,
    command_id: IdempotencyKey = None,
    actor: Actor = "anonymous",
) -> Request:
    """What the headers of a command say."""
    return Request(actor, correlation.own, command_id, version)


@router.get(
    "/aggregates/{category}/{key}",
    summary="Look at an aggregate",
    response_model=AggregateView,
    responses=problems(404),
)
async def show(category: str, key: Key, runtime: RuntimeOf) -> JsonResponse:
    """Its state as of now; `ETag` is its version. 404 when it has no events."""
    find_category(runtime.codec.catalog, category)
    async with in_time(runtime):
        folded = await runtime.handler.load(category, key)
    if folded.last is None:
        raise NotFound(f"there is no {category} {key!r}")
    document = {
        "stream": folded.last.stream,
        "version": folded.version,
        "position": folded.last.position,
        "recorded_at": folded.last.recorded_at,
        "state": folded.state.model_dump(mode="json"),
    }
    return JsonResponse(document, headers={"ETag": f'"{folded.version}"'})


@router.post(
    "/aggregates/{category}/{key}/{command}",
    summary="Send a command",
    response_model=CommandAnswer,
    responses=problems(404, 409, 412, 413, 415),
)
async def send(
    category: str,
    key: Key,
    command: str,
    body: JsonObject,
    runtime: RuntimeOf,
    request: Annotated[Request, Depends(command_request)],
) -> JsonResponse:
    """Decide a command, append its events. A refusal is 409 `rejected`; nothing to do is 200 without events.

    With an `Idempotency-Key` the same command again answers what the first one did.
    """
    named = find_command(runtime.codec.catalog, category, command)
    if body.get(named.key_field, key) != key:
        raise InvalidRequest([FieldError(field=named.key_field, message=f"the path says {key!r}")])
    asked = validated(named.type, {**body, named.key_field: key})
    async with in_time(runtime):
        answer = await send_command(runtime, asked, request)
    return JsonResponse(answer, headers={"ETag": f'"{answer["version"]}"'})
