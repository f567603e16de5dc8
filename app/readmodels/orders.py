"""The read model `orders`: one row an order, with its parcel and what came back."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import psycopg

from app.readmodels.decoding import Change, changes_by_key
from app.readmodels.tables import Row, Table
from domain.order import Order, OrderPlaced, order
from domain.shipment import ShipmentDispatched
from eventstore import RecordedEvent
from workflows.saga.codec import EventCodec

OrderStatus = Literal["placed", "dispatched", "completed", "returned", "cancelled"]

ORDERS: Final = Table(
    "orders",
    key=("order_id",),
    columns=(
        "status",
        "customer_id",
        "country",
        "currency",
        "amount",
        "skus",
        "state",
        "tracking",
        "saga_ids",
        "correlation_id",
        "placed",
        "placed_at",
        "updated_at",
        "position",
    ),
)


@dataclass(slots=True)
class OrderFold:
    """An order and its parcel, and which events made them so."""

    state: Order = order.initial
    tracking: str | None = None
    saga_ids: list[str] = field(default_factory=list)
    correlation_id: str | None = None
    placed: int | None = None
    placed_at: datetime | None = None
    updated_at: datetime | None = None
    position: int = 0

    @classmethod
    def of(cls, row: Row) -> "OrderFold":
        return cls(
            state=Order.model_validate(row["state"]),
            **{name: row[name] for name in cls.__slots__ if name != "state"},
        )

    def take(self, change: Change) -> None:
        """Fold what happened to the order or its shipment, unless it has been."""
        if change.position <= self.position:
            return
        for event in change.events:
            self._evolve(event)
            if isinstance(event, OrderPlaced):
                self.placed, self.placed_at = change.position, change.recorded.recorded_at
                self.correlation_id = change.said("correlation_id")
        if (saga_id := change.said("saga_id")) is not None and saga_id not in self.saga_ids:
            self.saga_ids.append(saga_id)
        self.position, self.updated_at = change.position, change.recorded.recorded_at

    def _evolve(self, event: Any) -> None:
        if isinstance(event, ShipmentDispatched):
            self.tracking = event.tracking
        else:
            self.state = order.evolve(self.state, event)

    @property
    def status(self) -> str:
        """That of the order; between placed and completed, and after, it says what became of the goods."""
        match self.state.status:
            case "new" | "placed" if self.tracking is not None:
                return "dispatched"
            case "completed" if _came_back(self.state):
                return "returned"
            case status:
                return status

    def row(self, order_id: str) -> Row:
        state = self.state
        return {
            "order_id": order_id,
            "status": self.status,
            "customer_id": state.customer_id,
            "country": state.ship_to and state.ship_to.country,
            "currency": state.total and state.total.currency,
            "amount": state.total and state.total.amount,
            "skus": [line.sku for line in state.lines],
            "state": state.model_dump(mode="json"),
            **{name: getattr(self, name) for name in self.__slots__ if name != "state"},
        }


def _came_back(state: Order) -> bool:
    """Whether every item was returned, and the return approved."""
    missing = Counter({line.sku: line.quantity for line in state.lines})
    for each in state.returns.values():
        if each.status == "closed":
            missing.subtract({line.sku: line.quantity for line in each.lines})
    return bool(state.lines) and not +missing


class OrderProjection:
    """Folds the streams of each order."""

    name = "orders"
    version = 1
    tables = ("orders",)

    def __init__(self, codec: EventCodec) -> None:
        self._codec = codec

    async def apply(self, connection: psycopg.AsyncConnection[Any], events: Sequence[RecordedEvent]) -> None:
        changes = changes_by_key(self._codec, events, "order", "shipment")
        if not changes:
            return
        known = await ORDERS.rows(connection, [(order_id,) for order_id in changes])
        folds = {row["order_id"]: OrderFold.of(row) for row in known}
        for order_id, news in changes.items():
            fold = folds.setdefault(order_id, OrderFold())
            for change in news:
                fold.take(change)
        await ORDERS.put(connection, [fold.row(order_id) for order_id, fold in folds.items()])
