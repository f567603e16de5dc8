"""Aggregates: their state, and commands sent to them directly."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.api.command_names import find_category, find_command
from app.api.direct_commands import Request, send_command
from app.api.past import MomentOf
from app.api.reading import only_known_parameters
from app.api.requests import (
    Actor,
    CorrelationOf,
    IdempotencyKey,
    IfMatch,
    JsonObject,
    Key,
    RuntimeOf,
    admitted,
    expected_version,
    in_time,
    validated,
)
from app.api.wire import AggregateView, CommandAnswer, aggregate_document, no_aggregate, problems
from app.json_response import JsonResponse
from app.positions import POSITION_HEADER
from app.problems import FieldError, InvalidRequest
from app.runtime import Runtime
from eventstore import RecordedEvent
from workflows.past import Moment
from workflows.saga.commands import Folded

router = APIRouter(tags=["aggregates"])


async def command_request(
    actor: Actor,
    correlation: CorrelationOf,
    command_id: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Request:
    """What the headers of a command say."""
    version = await expected_version(if_match)
    return Request(actor, correlation.own, command_id, version, must_exist=if_match == "*")


async def aggregate_at(
    runtime: Runtime, category: str, key: str, moment: Moment
) -> tuple[Folded, RecordedEvent]:
    """The aggregate as it was at that moment, or is now, and its last event by then.

    Raises NotFound, NotReached, NotThereYet, UnknownName.
    """
    find_category(runtime.codec.catalog, category)
    if moment.is_now:
        folded = await runtime.handler.load(category, key)
    else:
        folded = await runtime.past.aggregate(category, key, moment)
    if folded.last is None:
        raise no_aggregate(category, key)
    return folded, folded.last


@router.get(
    "/aggregates/{category}/{key}",
    summary="Look at an aggregate",
    response_model=AggregateView,
    responses=problems(404, 409, 410),
    dependencies=[Depends(only_known_parameters)],
)
async def show(category: str, key: Key, runtime: RuntimeOf, moment: MomentOf) -> JsonResponse:
    """Its state now, or as of a version, a time or a position; `ETag` is its version.

    404 when it has no events, or had none then; 409 `not-reached` when the log has not come that far.
    """
    async with in_time(runtime):
        folded, last = await aggregate_at(runtime, category, key, moment)
    # The end of its append: as of a position inside of it the event is not seen.
    headers = {"ETag": f'"{folded.version}"', POSITION_HEADER: runtime.token(last.commit_position)}
    return JsonResponse(aggregate_document(folded, last), headers=headers)


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
    async with admitted(runtime):
        answer = await send_command(runtime, asked, request)
    headers = {"ETag": f'"{answer["version"]}"', POSITION_HEADER: runtime.token(answer["position"])}
    return JsonResponse(answer, headers=headers)
