"""Followers of the log over HTTP: where they stand, and what an operator does with one."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, Strict, StrictBool

from app.api.reading import only_known_parameters
from app.api.requests import (
    Actor,
    CorrelationOf,
    JsonObject,
    Key,
    Reason,
    RuntimeOf,
    in_time,
    validated,
)
from app.api.wire import problems
from app.json_response import JsonResponse
from app.positions import POSITION_MAX
from app.runtime import Runtime
from eventstore.decisions import Author
from eventstore.differences import Difference, diff
from eventstore.errors import FollowerConflict
from eventstore.parking import retry as retry_parked
from eventstore.parking import skip as skip_parked
from eventstore.projections import Slot
from eventstore.promotion import Promotion
from eventstore.standings import FollowerView

DIFF_SECONDS_MAX: Final = 900.0

router = APIRouter(tags=["projections"], dependencies=[Depends(only_known_parameters)])

WaitFor = Annotated[
    float, Strict(), Field(default=10, ge=0, le=60, description="Seconds to wait until it has caught up.")
]


class FollowerPage(BaseModel):
    """All projections and subscriptions, by name."""

    projections: list[FollowerView]


class DecisionRequest(BaseModel):
    """Why; kept in the stream `projection-<name>`, with the actor."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = Field(examples=["the code is mended"])


class RetryRequest(DecisionRequest):
    """Which tables: those that are served, or another slot's."""

    of: Slot = Slot.LIVE


class SkipEventRequest(RetryRequest):
    """With `position` only if it is parked before that one."""

    position: int | None = Field(default=None, ge=1, le=POSITION_MAX)


class PromoteRequest(DecisionRequest):
    """How long to wait for a rebuild that is behind, and for readers that hold the tables."""

    wait_seconds: WaitFor


class ReturnRequest(PromoteRequest):
    """`stale`: also when the previous read model cannot be brought up to date by this code."""

    stale: StrictBool = False


class DiscardRequest(DecisionRequest):
    """What to drop: a rebuild, or the previous read model."""

    of: Literal[Slot.STAGING, Slot.PREVIOUS] = Slot.STAGING


@dataclass(frozen=True, slots=True)
class Target:
    """The follower that somebody asks something of."""

    runtime: Runtime
    name: str
    actor: str
    correlation_id: str

    def by(self, request: DecisionRequest) -> Author:
        return Author(self.actor, request.reason, self.correlation_id)

    async def answer(self, asked: Awaitable[Any], status: int = 200, seconds: float = 0.0) -> Response:
        """The follower after what was asked. Raises what that raises."""
        async with asyncio.timeout(self.runtime.settings.request_seconds_max + seconds):
            await asked
            self.runtime.commits.tell(0)  # the decision is an event, too
            view = await self.runtime.standings.one(self.name)
        return JsonResponse(view, status)


async def target_of(name: Key, runtime: RuntimeOf, correlation: CorrelationOf, actor: Actor) -> Target:
    return Target(runtime, name, actor, correlation.own)


TargetOf = Annotated[Target, Depends(target_of)]


@router.get("/projections", summary="Where all followers of the log stand", responses=problems())
async def projections(runtime: RuntimeOf) -> FollowerPage:
    """Read models and subscriptions, also those of other servers: how far, how far behind, parked or not."""
    async with in_time(runtime):
        return FollowerPage(projections=await runtime.standings.all())


@router.get("/projections/{name}", summary="One projection or subscription", responses=problems(404))
async def projection(name: Key, runtime: RuntimeOf) -> FollowerView:
    """What is served, a rebuild with its progress, and the previous read model."""
    async with in_time(runtime):
        return await runtime.standings.one(name)


@router.get(
    "/projections/{name}/diff",
    summary="Compare what is served with a rebuild",
    responses=problems(404, 409),
)
async def difference(
    name: Key,
    runtime: RuntimeOf,
    other: Annotated[
        Literal[Slot.STAGING, Slot.PREVIOUS] | None,
        Query(alias="with", description="Default: a rebuild if there is one, else the previous read model."),
    ] = None,
    full: Annotated[bool, Query(description="All rows, not a sample.")] = False,
) -> Difference:
    """At one position of the log, while both go on. A full comparison may take minutes."""
    async with asyncio.timeout(DIFF_SECONDS_MAX):
        slot = other or await _side(runtime, name)
        return await diff(runtime.rebuilds, name, slot, full=full)


async def _side(runtime: Runtime, name: str) -> Slot:
    view = await runtime.standings.one(name)
    if view.staging is None and view.previous is None:
        raise FollowerConflict(name, "there is neither a rebuild nor a previous read model")
    return Slot.PREVIOUS if view.staging is None else Slot.STAGING


@router.post(
    "/projections/{name}/retry",
    summary="Let a parked one try again",
    response_model=FollowerView,
    responses=problems(404, 409, 413, 415),
)
async def retry(body: JsonObject, target: TargetOf) -> Response:
    """A projection or a subscription; it goes on with the event that it was parked before."""
    request = validated(RetryRequest, body)
    name = request.of.checkpoint(target.name)
    return await target.answer(retry_parked(target.runtime.pool, name, target.by(request)))


@router.post(
    "/projections/{name}/skip",
    summary="Leave out the event that it is parked before",
    response_model=FollowerView,
    responses=problems(404, 409, 413, 415),
)
async def skip(body: JsonObject, target: TargetOf) -> Response:
    """What the event says is lost to this one follower; the log keeps it, and a rebuild meets it again."""
    request = validated(SkipEventRequest, body)
    name = request.of.checkpoint(target.name)
    asked = skip_parked(target.runtime.pool, name, target.by(request), request.position)
    return await target.answer(asked)


@router.post(
    "/projections/{name}/rebuild",
    summary="Fill new tables from the log",
    status_code=202,
    response_model=FollowerView,
    responses=problems(404, 409, 413, 415),
)
async def rebuild(body: JsonObject, target: TargetOf) -> Response:
    """Beside those that are served, which stay as they are until it is promoted."""
    request = validated(DecisionRequest, body)
    return await target.answer(target.runtime.rebuilds.start(target.name, target.by(request)), 202)


@router.post(
    "/projections/{name}/pause",
    summary="Let a rebuild stand still",
    response_model=FollowerView,
    responses=problems(404, 409, 413, 415),
)
async def pause(body: JsonObject, target: TargetOf) -> Response:
    """Until it is resumed; what it has taken in stays."""
    request = validated(DecisionRequest, body)
    return await target.answer(target.runtime.rebuilds.pause(target.name, target.by(request)))


@router.post(
    "/projections/{name}/resume",
    summary="Let a rebuild go on",
    response_model=FollowerView,
    responses=problems(404, 409, 413, 415),
)
async def resume(body: JsonObject, target: TargetOf) -> Response:
    """From where it was paused."""
    request = validated(DecisionRequest, body)
    return await target.answer(target.runtime.rebuilds.resume(target.name, target.by(request)))


@router.post(
    "/projections/{name}/promote",
    summary="Serve a rebuild",
    response_model=FollowerView,
    responses=problems(404, 409, 413, 415),
)
async def promote(body: JsonObject, target: TargetOf) -> Response:
    """At once for all readers. What was served stays as the previous read model; an older one is dropped."""
    request = validated(PromoteRequest, body)
    asked = Promotion(target.runtime.rebuilds).promote(target.name, target.by(request), request.wait_seconds)
    return await target.answer(asked, seconds=request.wait_seconds)


@router.post(
    "/projections/{name}/return",
    summary="Serve the previous read model again",
    response_model=FollowerView,
    responses=problems(404, 409, 413, 415),
)
async def return_(body: JsonObject, target: TargetOf) -> Response:
    """With all events since. What was served becomes the previous one: a second `return` takes it back."""
    request = validated(ReturnRequest, body)
    asked = Promotion(target.runtime.rebuilds).return_(
        target.name, target.by(request), request.wait_seconds, stale=request.stale
    )
    return await target.answer(asked, seconds=request.wait_seconds)


@router.post(
    "/projections/{name}/discard",
    summary="Drop a rebuild, or the previous read model",
    response_model=FollowerView,
    responses=problems(404, 409, 413, 415),
)
async def discard(body: JsonObject, target: TargetOf) -> Response:
    """What is served is not touched."""
    request = validated(DiscardRequest, body)
    asked = target.runtime.rebuilds.discard(target.name, target.by(request), request.of)
    return await target.answer(asked)
