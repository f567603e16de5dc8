"""The supplier as plain functions; tests/integration/supplier holds it to what the sandbox supplier does."""

from typing import Any

from domain import Rejected
from workflows.saga import CallDefinition
from workflows.supplier import (
    CANCEL_GOODS,
    ORDER_GOODS,
    CancelGoods,
    GoodsCancelled,
    GoodsOrdered,
    OrderGoods,
)


class Supplier:
    """Takes one order a key, and refuses a key that was cancelled. `fault` is raised instead of ordering."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.ordered: dict[str, int] = {}
        self.cancelled: set[str] = set()

    def calls(self) -> list[CallDefinition[Any, Any]]:
        return [CallDefinition(ORDER_GOODS, self.order), CallDefinition(CANCEL_GOODS, self.cancel)]

    async def order(self, goods: OrderGoods, key: str) -> GoodsOrdered:
        if self.fault is not None:
            raise self.fault
        if key in self.cancelled:
            raise Rejected(f"{key} was cancelled", code="order-cancelled")
        if self.ordered.setdefault(key, goods.quantity) != goods.quantity:
            raise Rejected(f"{key} was ordered with another body", code="order-differs")
        return GoodsOrdered(number=f"PO-{list(self.ordered).index(key) + 1}")

    async def cancel(self, _cancellation: CancelGoods, key: str) -> GoodsCancelled:
        self.ordered.pop(key, None)
        self.cancelled.add(key)
        return GoodsCancelled()
