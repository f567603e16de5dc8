"""When the stock of a SKU says that more should be ordered: the part of `stock` that has a reorder point.

It says so once, until goods were received, or whoever was to order them has given up.
"""

from typing import Annotated, Final, assert_never

from pydantic import Field

from domain.decider import Command, Event, State
from domain.upcaster import Json, changed
from domain.values import QUANTITY_MAX, Id, Quantity


class SetReorderPoint(Command):
    """When less than `level` is on hand, `quantity` more should be ordered. Level 0: never."""

    sku: Id
    level: Annotated[int, Field(strict=True, ge=0, le=QUANTITY_MAX)]
    quantity: Quantity


class ExpectGoods(Command):
    """Somebody orders goods: until they are here nobody else has to."""

    sku: Id


class GiveUpGoods(Command):
    """The goods will not come: the stock may say again that it runs low."""

    sku: Id


class ReorderPointSet(Event):
    schema_version = 2

    sku: Id
    level: int
    order_quantity: Quantity


class StockRanLow(Event):
    """Less is on hand than the reorder point wants, and nothing is on its way: order that many."""

    schema_version = 2

    sku: Id
    on_hand: int
    order_quantity: Quantity


class GoodsExpected(Event):
    sku: Id


class GoodsGivenUp(Event):
    sku: Id


ReorderCommand = SetReorderPoint | ExpectGoods | GiveUpGoods
ReorderEvent = ReorderPointSet | StockRanLow | GoodsExpected | GoodsGivenUp


def _name_order_quantity(data: Json) -> Json:
    """In all other events of the stock `quantity` is what has moved: nobody shall add this one to them."""
    data["order_quantity"] = data.pop("quantity")
    return data


UPCASTERS: Final = (
    changed("ReorderPointSet", 1, _name_order_quantity),
    changed("StockRanLow", 1, _name_order_quantity),
)


class ReorderPoint(State):
    """When and how much to order; `goods_expected` while that is on its way, or asked for."""

    level: int
    quantity: int
    goods_expected: bool = False

    def expecting(self, expected: bool) -> "ReorderPoint":
        return self.model_copy(update={"goods_expected": expected})

    def falls_below(self, on_hand: int) -> bool:
        """Whether somebody should order now."""
        return on_hand < self.level and not self.goods_expected


def decide(point: ReorderPoint | None, command: ReorderCommand) -> list[ReorderEvent]:
    expected = point is not None and point.goods_expected
    match command:
        case SetReorderPoint(sku=sku, level=level, quantity=quantity):
            if point is not None and (point.level, point.quantity) == (level, quantity):
                return []  # sent twice
            return [ReorderPointSet(sku=sku, level=level, order_quantity=quantity)]
        case ExpectGoods(sku=sku):
            return [] if point is None or expected else [GoodsExpected(sku=sku)]
        case GiveUpGoods(sku=sku):
            return [GoodsGivenUp(sku=sku)] if expected else []
        case _:
            assert_never(command)


def evolve(point: ReorderPoint | None, event: ReorderEvent) -> ReorderPoint | None:
    match event:
        case ReorderPointSet(level=level, order_quantity=quantity):
            expected = point is not None and point.goods_expected
            return ReorderPoint(level=level, quantity=quantity, goods_expected=expected)
        case StockRanLow() | GoodsExpected():
            return point and point.expecting(True)
        case GoodsGivenUp():
            return point and point.expecting(False)
        case _:
            assert_never(event)
