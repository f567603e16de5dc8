"""The read model `stock`: what there is of each SKU, and which orders have reserved how much of it."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import psycopg

from app.readmodels.decoding import Change, changes_by_key
from app.readmodels.tables import Row, Table
from domain.reordering import ReorderPoint
from domain.stock import StockEvent, StockItem, stock
from eventstore import RecordedEvent
from workflows.saga.codec import EventCodec

STOCK: Final = Table(
    "stock",
    key=("sku",),
    columns=(
        "received",
        "on_hand",
        "reserved",
        "shipped",
        "reorder_level",
        "reorder_quantity",
        "goods_expected",
        "updated_at",
        "position",
    ),
)
RESERVATIONS: Final = Table(
    "stock_reservations", key=("sku", "order_id"), columns=("quantity", "reserved_at")
)


class StockFold:
    """A SKU, with those reservations only that the events at hand speak of: there may be many."""

    def __init__(self, sku: str, row: Row | None, reservations: Iterable[Row]) -> None:
        self.sku = sku
        self._before = {each["order_id"]: each for each in reservations}
        here = {order_id: each["quantity"] for order_id, each in self._before.items()}
        self._reserved_elsewhere = row["reserved"] - sum(here.values()) if row else 0
        self._state = _state(row, here) if row else stock.initial
        self._reserved_at: dict[str, Any] = {}
        self._updated_at = row and row["updated_at"]
        self._position: int = row["position"] if row else 0

    def take(self, change: Change) -> None:
        """Fold what happened, unless it has been."""
        if change.position <= self._position:
            return
        before: Any = self._state.reserved
        self._state = stock.fold(cast("Sequence[StockEvent]", change.events), self._state)
        self._position, self._updated_at = change.position, change.recorded.recorded_at
        for order_id, _ in self._state.reserved.items() - before.items():
            self._reserved_at[order_id] = self._updated_at

    def row(self) -> Row:
        state, point = self._state, self._state.reorder_point
        return {
            "sku": self.sku,
            "received": state.received,
            "on_hand": state.on_hand,
            "reserved": self._reserved_elsewhere + sum(state.reserved.values()),
            "shipped": state.shipped,
            "reorder_level": point and point.level,
            "reorder_quantity": point and point.quantity,
            "goods_expected": point is not None and point.goods_expected,
            "updated_at": self._updated_at,
            "position": self._position,
        }

    def reservations(self) -> list[Row]:
        """Those that are new, or not what they were."""
        return [
            {
                "sku": self.sku,
                "order_id": order_id,
                "quantity": quantity,
                "reserved_at": self._reserved_at[order_id],
            }
            for order_id, quantity in self._state.reserved.items()
            if order_id in self._reserved_at
        ]

    def released(self) -> list[tuple[str, str]]:
        """The keys of reservations that are no more."""
        return [(self.sku, order_id) for order_id in self._before if order_id not in self._state.reserved]


def _state(row: Row, reserved: dict[str, int]) -> StockItem:
    level = row["reorder_level"]
    return StockItem(
        received=row["received"],
        on_hand=row["on_hand"],
        reserved=reserved,
        shipped=row["shipped"],
        reorder_point=None
        if level is None
        else ReorderPoint(
            level=level, quantity=row["reorder_quantity"], goods_expected=row["goods_expected"]
        ),
    )


class StockProjection:
    """Folds the stream of each SKU."""

    name = "stock"
    version = 1
    tables = ("stock", "stock_reservations")

    def __init__(self, codec: EventCodec) -> None:
        self._codec = codec

    async def apply(self, connection: psycopg.AsyncConnection[Any], events: Sequence[RecordedEvent]) -> None:
        changes = changes_by_key(self._codec, events, "stock")
        if not changes:
            return
        folds = await self._folds(connection, changes)
        for fold in folds:
            for change in changes[fold.sku]:
                fold.take(change)
        async with connection.pipeline():  # one round trip
            await STOCK.put(connection, [fold.row() for fold in folds])
            await RESERVATIONS.put(connection, [row for fold in folds for row in fold.reservations()])
            await RESERVATIONS.remove(connection, [key for fold in folds for key in fold.released()])

    @staticmethod
    async def _folds(
        connection: psycopg.AsyncConnection[Any], changes: dict[str, list[Change]]
    ) -> list[StockFold]:
        items = {row["sku"]: row for row in await STOCK.rows(connection, [(sku,) for sku in changes])}
        touched = {
            (sku, order_id)
            for sku, news in changes.items()
            for change in news
            for order_id in change.order_ids
        }
        reservations: dict[str, list[Row]] = {}
        for row in await RESERVATIONS.rows(connection, sorted(touched)):
            reservations.setdefault(row["sku"], []).append(row)
        return [StockFold(sku, items.get(sku), reservations.get(sku, ())) for sku in changes]
