"""How sagas are started besides one by one and at once: at a later time, and many together."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.requests import (
    DATE_TIME,
    Actor,
    CorrelationOf,
    IdempotencyKey,
    JsonObject,
    RuntimeOf,
    admitted,
    time_of,
    validated,
)
from app.api.wire import problems
from app.ids import ID_PATTERN
from app.positions import POSITION_HEADER
from app.problems import InvalidRequest
from workflows.saga import SagaDefinition, SagaView
from workflows.saga.starting import BATCH_SAGAS_MAX

router = APIRouter(tags=["sagas"])


@dataclass(frozen=True, slots=True)
class StartOptions:
    """Under which id a saga starts, and when: at once unless `at` is later."""

    saga_id: str | None
    at: datetime | None


async def start_options(
    saga_id: IdempotencyKey = None,
    at: Annotated[
        str | None,
        Query(
            max_length=50,
            description="Start then, not at once: RFC 3339, by the database's clock.",
            json_schema_extra=DATE_TIME,
            examples=["2026-12-24T18:00:00Z"],
        ),
    ] = None,
) -> StartOptions:
    return StartOptions(saga_id, None if at is None else time_of("at", at))


OptionsOf = Annotated[StartOptions, Depends(start_options)]


class BatchItem(BaseModel):
    """One of the sagas: its id, which is made when it is left out, and its input."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(pattern=ID_PATTERN, max_length=120)] | None = None
    input: dict[str, Any]


class BatchRequest(BaseModel):
    """Sagas of one kind to start together."""

    model_config = ConfigDict(extra="forbid")

    sagas: list[BatchItem] = Field(min_length=1, max_length=BATCH_SAGAS_MAX)


class StartedSaga(SagaView):
    """A saga of a batch. `created` tells a new one from one that was requested before."""

    created: bool


class BatchView(BaseModel):
    """The sagas of a batch, in its order."""

    sagas: list[StartedSaga]


@router.post(
    "/sagas/{name}/batch",
    summary="Start many sagas",
    status_code=202,
    response_model=BatchView,
    responses=problems(404, 409, 413, 415),
)
async def start_batch(
    name: str,
    body: JsonObject,
    runtime: RuntimeOf,
    correlation: CorrelationOf,
    actor: Actor,
) -> Response:
    """All of them in one transaction, or none. One that was requested before is answered as it is."""
    definition = runtime.registry.saga(name)
    asked = [
        (item.id, _input(definition, number, item))
        for number, item in enumerate(validated(BatchRequest, body).sagas)
    ]
    async with admitted(runtime):
        started = await runtime.engine.start_many(name, asked, actor=actor, correlation_id=correlation.given)
    sagas = [StartedSaga(**dict(each.saga), created=each.created) for each in started]
    headers = {POSITION_HEADER: runtime.token(max(saga.position for saga in sagas))}
    return Response(BatchView(sagas=sagas).model_dump_json(), 202, headers, media_type="application/json")


def _input(definition: SagaDefinition, number: int, item: BatchItem) -> BaseModel:
    """Raises InvalidRequest, with the place in the whole body."""
    try:
        return validated(definition.input, item.input)
    except InvalidRequest as invalid:
        raise InvalidRequest(
            [
                error.model_copy(update={"field": f"sagas.{number}.input.{error.field}"})
                for error in invalid.errors
            ]
        ) from None
