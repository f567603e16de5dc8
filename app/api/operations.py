"""What operators and the outside do to one saga: signal, compensate, retry, skip, resume, abandon."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, ValidationError

from app.api.requests import (
    Actor,
    ExpectedVersion,
    JsonObject,
    Key,
    Reason,
    RuntimeOf,
    SagaId,
    in_time,
    validated,
)
from app.api.wire import problems, saga_response
from app.json_response import JsonResponse
from app.problems import FieldError, InvalidRequest
from app.runtime import Runtime
from domain.values import Id
from workflows.saga import SagaView
from workflows.saga.errors import SagaMoved
from workflows.saga.preview import PreviewView, preview

router = APIRouter(tags=["operations"])

StepNumber = Annotated[str, StringConstraints(pattern=r"^\d{1,9}(\.\d{1,9}){0,9}$")]


class ReasonRequest(BaseModel):
    """Why; kept in the saga's journal, with the actor."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = Field(examples=["the carrier is back"])


class SkipRequest(ReasonRequest):
    """Which compensation to leave out: that of the step, else the first that failed."""

    step: StepNumber | None = Field(default=None, examples=["3"])


class CompensateRequest(BaseModel):
    """Why the saga is to be undone, and how far; a preview needs no reason."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason | None = Field(default=None, examples=["the customer called"])
    to_step: StepNumber | None = Field(default=None, description="Only the steps after this one.")
    force: StrictBool = Field(
        default=False, description="Also when something blocks it; what stays is listed."
    )
    preview: StrictBool = Field(default=False, description="Change nothing; say what would be done.")


class SignalRequest(BaseModel):
    """A signal: its data, and an id under which it counts once however often it is sent."""

    model_config = ConfigDict(extra="forbid")

    id: Id | None = Field(default=None, examples=["approval-7"])
    data: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """The saga that somebody asks something of, and the version that it must still have (None: any)."""

    runtime: Runtime
    saga_id: str
    expected: int | None
    actor: str

    def by(self, reason: str) -> dict[str, Any]:
        """Who asks the engine, why, and of which version of the saga."""
        return {"actor": self.actor, "reason": reason, "expected_version": self.expected}

    async def answer(self, asked: Awaitable[SagaView]) -> Response:
        """The saga after what was asked of the engine. Raises what that raises."""
        async with in_time(self.runtime):
            saga = await asked
        return saga_response(self.runtime, saga)


async def target_of(saga_id: SagaId, runtime: RuntimeOf, expected: ExpectedVersion, actor: Actor) -> Target:
    return Target(runtime, saga_id, expected, actor)


TargetOf = Annotated[Target, Depends(target_of)]


@router.post(
    "/sagas/{saga_id}/signals/{signal}",
    summary="Send a signal to a saga",
    status_code=202,
    response_model=SagaView,
    responses=problems(404, 409, 413, 415, 429),
)
async def signal(
    saga_id: SagaId, signal: Key, body: JsonObject, runtime: RuntimeOf, actor: Actor
) -> Response:
    """One that comes before the saga waits for it is kept. Without an `id` each request is another signal."""
    request = validated(SignalRequest, body)
    try:
        async with in_time(runtime):
            saga = await runtime.engine.signal(
                saga_id, signal, request.data, signal_id=request.id, actor=actor
            )
    except ValidationError as error:
        raise InvalidRequest.of(error, "data") from None
    return saga_response(runtime, saga, 202)


@router.post(
    "/sagas/{saga_id}/compensate",
    summary="Undo a saga",
    status_code=202,
    response_model=SagaView,
    responses={
        200: {"model": SagaView | PreviewView, "description": "It was, or this is the preview."},
        **problems(404, 409, 412, 413, 415),
    },
)
async def compensate(body: JsonObject, target: TargetOf) -> Response:
    """Running: no further step starts. Completed: it opens again and is undone. Twice does nothing twice.

    With `preview` nothing is done: the answer lists the commands that would run, in their order, what blocks
    it, and what changed since. Send its `journal_version` as `If-Match` to act on just what you saw.
    """
    request = validated(CompensateRequest, body)
    if request.preview:
        return await _preview(target, request)
    if request.reason is None:
        raise InvalidRequest([FieldError(field="reason", message="Field required")])
    asked = target.runtime.engine.compensate(
        target.saga_id, to_step=request.to_step, force=request.force, **target.by(request.reason)
    )
    return await target.answer(asked)


async def _preview(target: Target, request: CompensateRequest) -> Response:
    runtime = target.runtime
    async with in_time(runtime):
        seen = await preview(
            runtime.store, runtime.codec, target.saga_id, to_step=request.to_step, force=request.force
        )
    if target.expected not in (None, seen.journal_version):
        raise SagaMoved(target.saga_id, seen.journal_version)
    return JsonResponse(seen.model_dump(mode="json"), headers={"ETag": f'"{seen.journal_version}"'})


@router.post(
    "/sagas/{saga_id}/retry",
    summary="Try again now",
    status_code=202,
    response_model=SagaView,
    responses=problems(404, 409, 412, 413, 415),
)
async def retry(body: JsonObject, target: TargetOf) -> Response:
    """What waits for its next attempt is tried now; what made the saga stuck is tried anew."""
    request = validated(ReasonRequest, body)
    asked = target.runtime.engine.retry(target.saga_id, **target.by(request.reason))
    return await target.answer(asked)


@router.post(
    "/sagas/{saga_id}/resume",
    summary="Let a stuck saga go on",
    status_code=202,
    response_model=SagaView,
    responses=problems(404, 409, 412, 413, 415),
)
async def resume(body: JsonObject, target: TargetOf) -> Response:
    """From where it stopped, with the code as it is now."""
    request = validated(ReasonRequest, body)
    asked = target.runtime.engine.resume(target.saga_id, **target.by(request.reason))
    return await target.answer(asked)


@router.post(
    "/sagas/{saga_id}/skip",
    summary="Leave out a compensation that failed",
    status_code=202,
    response_model=SagaView,
    responses=problems(404, 409, 412, 413, 415),
)
async def skip(body: JsonObject, target: TargetOf) -> Response:
    """The rest is undone; the saga then ends `abandoned`, with this step among what was left."""
    request = validated(SkipRequest, body)
    asked = target.runtime.engine.skip(target.saga_id, step=request.step, **target.by(request.reason))
    return await target.answer(asked)


@router.post(
    "/sagas/{saga_id}/abandon",
    summary="End a saga as it is",
    response_model=SagaView,
    responses=problems(404, 409, 412, 413, 415),
)
async def abandon(body: JsonObject, target: TargetOf) -> Response:
    """Nothing more is done or undone; `left` lists what stays."""
    request = validated(ReasonRequest, body)
    asked = target.runtime.engine.abandon(target.saga_id, **target.by(request.reason))
    return await target.answer(asked)
