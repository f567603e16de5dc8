"""Shapes of the answers about the past."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from workflows.differences import FieldChange
from workflows.saga import SagaView


class ChangeView(BaseModel):
    """An event, what it changed, the state after it, and who caused it why."""

    version: int = Field(examples=[2])
    position: int = Field(examples=[17])
    recorded_at: datetime
    event_id: str
    type: str = Field(examples=["StockReserved"])
    data: dict[str, Any]
    actor: str | None
    correlation_id: str | None
    causation_id: str | None
    command_id: str | None = Field(examples=["fulfil-order-10248/2"])
    saga_id: str | None = Field(examples=["fulfil-order-10248"])
    step: str | None = Field(examples=["2"])
    changes: list[FieldChange]
    state: dict[str, Any]


class ChangePage(BaseModel):
    """A page of a history. `next` is the `from` of the next page, in the same direction; null at the end."""

    stream: str = Field(examples=["stock-11"])
    changes: list[ChangeView]
    next: int | None


class TouchedView(BaseModel):
    """An aggregate that a saga had touched; of version 0 when all that came of it was a refusal."""

    stream: str = Field(examples=["stock-11"])
    category: str
    key: str
    version: int
    position: int | None
    recorded_at: datetime | None
    state: dict[str, Any] | None


class ChildView(BaseModel):
    """A saga that the saga had started, and where to see it at the same position."""

    saga_id: str
    step: str
    link: str


class StopsView(BaseModel):
    """Positions at which something of the saga changed: the first and last one of all, and those around."""

    first: int
    previous: int | None
    next: int | None
    last: int


class SagaThenView(BaseModel):
    """A saga and what it had touched, all at one position. The last change of the saga was at `changed_at`.

    Of very many aggregates the last ones are shown; `all_touched` is false then.
    """

    position: int
    changed_at: int
    saga: SagaView
    aggregates: list[TouchedView]
    all_touched: bool
    children: list[ChildView]
    positions: StopsView
    links: dict[str, str | None]
