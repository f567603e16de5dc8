"""Aggregates and sagas as they were."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query

from app.api.command_names import find_category
from app.api.positions import PastPosition, on_this_timeline
from app.api.reading import only_known_parameters
from app.api.requests import DATE_TIME, Key, PageSize, RuntimeOf, SagaId, in_time, time_of
from app.api.wire import aggregate_document, no_aggregate, problems
from app.api.wire_past import ChangePage, SagaThenView
from app.json_response import JsonResponse
from app.positions import POSITION_HEADER
from app.problems import FieldError, InvalidRequest
from eventstore.validation import MAX_VERSION
from workflows.past import Change, Moment, SagaThen, Touched
from workflows.saga.view import view

router = APIRouter(dependencies=[Depends(only_known_parameters)])

_WHO_AND_WHY = ("actor", "correlation_id", "causation_id", "command_id", "saga_id", "step")


async def moment(
    runtime: RuntimeOf,
    position: PastPosition,
    version: Annotated[int | None, Query(ge=1, le=MAX_VERSION, description="As of this version.")] = None,
    as_of: Annotated[
        str | None,
        Query(
            max_length=50,
            description="As of this time: RFC 3339, by the database's clock.",
            json_schema_extra=DATE_TIME,
            examples=["2026-11-25T18:00:00Z"],
        ),
    ] = None,
) -> Moment:
    """At most one of the three. Raises InvalidRequest, OtherTimeline."""
    asked = {"version": version, "as_of": as_of, "position": position}
    given = [name for name, value in asked.items() if value is not None]
    if len(given) > 1:
        raise InvalidRequest(
            [FieldError(field=name, message="one of version, as_of, position") for name in given]
        )
    async with in_time(runtime):
        place = await on_this_timeline(runtime.pool, position)
    return Moment(version, None if as_of is None else time_of("as_of", as_of), place)


MomentOf = Annotated[Moment, Depends(moment)]


@router.get(
    "/aggregates/{category}/{key}/history",
    tags=["aggregates"],
    summary="Read an aggregate's history",
    response_model=ChangePage,
    responses=problems(404),
)
async def history(
    category: str,
    key: Key,
    runtime: RuntimeOf,
    limit: PageSize,
    start: Annotated[
        int | None, Query(alias="from", ge=1, le=MAX_VERSION, description="The first version of the page.")
    ] = None,
    backwards: Annotated[bool, Query(description="The latest first.")] = False,
) -> JsonResponse:
    """Each event with the state after it, what it changed, and who caused it why."""
    find_category(runtime.codec.catalog, category)
    async with in_time(runtime):
        changes, following = await runtime.past.history(category, key, start, limit, backwards=backwards)
        if not changes and (await runtime.handler.load(category, key)).last is None:
            raise no_aggregate(category, key)
    stream = runtime.codec.catalog.decider(category).stream(key)
    return JsonResponse({"stream": stream, "changes": list(map(_change, changes)), "next": following})


@router.get(
    "/sagas/{saga_id}/at",
    tags=["sagas"],
    summary="Look at a saga and what it touched, at a position",
    response_model=SagaThenView,
    responses=problems(404, 409, 410),
)
async def saga(
    saga_id: SagaId,
    runtime: RuntimeOf,
    position: PastPosition,
) -> JsonResponse:
    """The saga, and every aggregate that it had touched, all as of one position: never half an append.

    Without `position` it is as far as the log has come.
    `links` lead to where something of this saga changed. 409 `not-reached`: the log has not come that far.
    """
    async with in_time(runtime):
        then = await runtime.past.saga(saga_id, await on_this_timeline(runtime.pool, position))
    return JsonResponse(_saga_then(then), headers={POSITION_HEADER: runtime.token(then.position)})


def _change(change: Change) -> dict[str, Any]:
    event = change.event
    return {
        "version": event.version,
        "position": event.position,
        "recorded_at": event.recorded_at,
        "event_id": event.event_id,
        "type": event.type,
        "data": event.data,
        **_who_and_why(event.metadata),
        "changes": [each.model_dump(exclude_unset=True) for each in change.differences],
        "state": change.state,
    }


def _who_and_why(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metadata.get(name) for name in _WHO_AND_WHY}


def _touched(touched: Touched) -> dict[str, Any]:
    category, _, key = touched.stream.partition("-")
    named = {"stream": touched.stream, "category": category, "key": key}
    folded = touched.folded
    if folded is None or folded.last is None:
        return {**named, "version": 0, "position": None, "recorded_at": None, "state": None}
    return {**named, **aggregate_document(folded, folded.last)}


def _saga_then(then: SagaThen) -> dict[str, Any]:
    stops, saga_id = then.stops, then.state.saga_id
    positions = {
        "first": stops.first,
        "previous": stops.previous,
        "next": stops.next,
        "last": stops.last,
    }
    return {
        "position": then.position,
        "changed_at": stops.current,
        "saga": view(then.state).model_dump(mode="json"),
        "aggregates": [_touched(each) for each in then.aggregates],
        "all_touched": then.all_touched,
        "children": [
            {"saga_id": step.child, "step": step.step, "link": _at(step.child, then.position)}
            for step in then.state.in_order()
            if step.child is not None
        ],
        "positions": positions,
        "links": {
            name: None if at is None else _at(saga_id, at)
            for name, at in {"self": then.position, **positions}.items()
        },
    }


def _at(saga_id: str, position: int) -> str:
    return f"/sagas/{quote(saga_id)}/at?position={position}"
