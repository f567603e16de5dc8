"""Replenish stock that ran low: order from the supplier, wait for the goods, take them in."""

from datetime import timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict

from domain import Command, Rejected
from domain.reordering import ExpectGoods, GiveUpGoods, StockRanLow
from domain.stock import ReceiveStock
from domain.values import Id, Quantity
from workflows.saga import OnEvent, Saga, SagaDefinition
from workflows.supplier import CANCEL_GOODS, ORDER_GOODS, CancelGoods, OrderGoods

DELIVERY_TIME: Final = timedelta(days=14)


class ReplenishStock(Command):
    """Order so many of a SKU."""

    sku: Id
    quantity: Quantity


class GoodsReceived(BaseModel):
    """The signal `goods-received`: so many have come, which may not be as many as were ordered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quantity: Quantity


class StockReplenished(BaseModel):
    """The goods are on hand."""

    model_config = ConfigDict(frozen=True)

    sku: Id
    order_number: Id
    ordered: Quantity
    received: Quantity


async def replenish_stock(saga: Saga, asked: ReplenishStock) -> StockReplenished:
    """Goods that do not come in time are cancelled at the supplier, and the stock may run low again."""
    sku = asked.sku
    await saga.execute(ExpectGoods(sku=sku), compensate=GiveUpGoods(sku=sku))
    ordered = await saga.call(
        ORDER_GOODS,
        OrderGoods(sku=sku, quantity=asked.quantity),
        compensate=CANCEL_GOODS.of(CancelGoods(sku=sku)),
    )
    goods = await saga.receive("goods-received", GoodsReceived, timeout=DELIVERY_TIME)
    if goods is None:
        late = f"order {ordered.number} has not come within {DELIVERY_TIME.days} days"
        raise Rejected(late, code="goods-late", data={"order_number": ordered.number})
    saga.pivot()
    await saga.execute(ReceiveStock(sku=sku, quantity=goods.quantity))
    return StockReplenished(
        sku=sku, order_number=ordered.number, ordered=asked.quantity, received=goods.quantity
    )


REPLENISH_STOCK: Final = SagaDefinition(
    "replenish-stock",
    replenish_stock,
    input=ReplenishStock,
    signals={"goods-received": GoodsReceived},
    on=OnEvent(StockRanLow, input=lambda low: ReplenishStock(sku=low.sku, quantity=low.order_quantity)),
)
