"""Shapes of the answers that are not a saga: recorded events, pages, aggregates."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import Response
from pydantic import BaseModel, Field

from app.positions import POSITION_HEADER
from app.problems import NotFound, Problem
from app.readmodels.sagas import SagaRow
from app.runtime import Runtime
from eventstore import RecordedEvent
from workflows.saga import SagaView
from workflows.saga.commands import Folded


class EventView(BaseModel):
    """A recorded event: its place in the store (`position`), in its stream (`version`), and what it says."""

    position: int = Field(examples=[17])
    stream: str = Field(examples=["account-VINET"])
    version: int = Field(examples=[2])
    event_id: str
    type: str = Field(examples=["MoneyDeposited"])
    schema_version: int = Field(examples=[1])
    data: dict[str, Any]
    metadata: dict[str, Any]
    recorded_at: datetime


class StreamPage(BaseModel):
    """A page of one stream. `next` is the `from` of the next page, null at the end."""

    events: list[EventView]
    next: int | None


class EventPage(BaseModel):
    """A page of all streams. `next` is the `after` of the next call, also when this page is empty."""

    events: list[EventView]
    next: int


class JournalPage(BaseModel):
    """A page of a saga's journal. `next` is the `from` of the next page, null at the end."""

    saga_id: str
    entries: list[EventView]
    next: int | None


class SagaPage(BaseModel):
    """A page of sagas, newest first. `next` is the `after` of the next page, null at the end."""

    sagas: list[SagaRow]
    next: str | None


class CommandAnswer(BaseModel):
    """What a command did: its events, none when there was nothing to do, and where the stream is now."""

    stream: str = Field(examples=["account-VINET"])
    version: int = Field(examples=[2])
    position: int = Field(examples=[17])
    events: list[EventView]


class AggregateView(BaseModel):
    """The state of an aggregate at `version`, and when it became so."""

    stream: str = Field(examples=["account-VINET"])
    version: int = Field(examples=[2])
    position: int = Field(examples=[17])
    recorded_at: datetime
    state: dict[str, Any] = Field(examples=[{"currency": "USD", "balance": 5000, "holds": {"10248": 1400}}])


def event_document(event: RecordedEvent) -> dict[str, Any]:
    """An EventView, without the cost of building one."""
    return {
        "position": event.position,
        "stream": event.stream,
        "version": event.version,
        "event_id": event.event_id,
        "type": event.type,
        "schema_version": event.schema_version,
        "data": event.data,
        "metadata": event.metadata,
        "recorded_at": event.recorded_at,
    }


def aggregate_document(folded: Folded, last: RecordedEvent) -> dict[str, Any]:
    """An AggregateView. `last` is the event that made it so."""
    return {
        "stream": last.stream,
        "version": folded.version,
        "position": last.position,
        "recorded_at": last.recorded_at,
        "state": folded.state.model_dump(mode="json"),
    }


def no_aggregate(category: str, key: str) -> NotFound:
    return NotFound(f"there is no {category} {key!r}")


def event_documents(events: Sequence[RecordedEvent]) -> list[dict[str, Any]]:
    return [event_document(event) for event in events]


def saga_response(runtime: Runtime, saga: SagaView, status: int | None = None) -> Response:
    """The saga, with the version of its journal as `ETag`: 200 when it has ended, else 202, it goes on.

    A read model that has come to its `Saga-Position` knows all that the saga has done.
    """
    status = status or (202 if saga.ended_at is None else 200)
    headers = {"ETag": f'"{saga.journal_version}"', POSITION_HEADER: runtime.token(saga.position)}
    return Response(saga.model_dump_json(), status, headers, media_type="application/json")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem answers of a route, for OpenAPI; every route has 422 and 503."""
    return {status: {"model": Problem, "description": _WHEN[status]} for status in (*statuses, 422, 503)}


_WHEN = {
    404: "There is no such thing.",
    409: "It conflicts with what is there: a business refusal, a lost race, a reused key, a log that has not "
    "come that far.",
    410: "`after` is of another timeline of the server, or of a log that was lost; begin again without it.",
    412: "`If-Match` names another version.",
    413: "The body is too large.",
    415: "The body is not `application/json`.",
    429: "Too many of them; try again after `Retry-After` seconds.",
    422: "A field breaks a rule; `errors` names it.",
    503: "The database is away or overloaded; a write may have happened. Try again after `Retry-After` "
    "seconds, under the same `Idempotency-Key`.",
}
