"""The stock of one SKU: on hand, reserved per order, shipped.

Invariant: on_hand + sum(reserved) + shipped = received.
"""

from typing import assert_never

from pydantic import Field

from domain.decider import Command, Decider, Event, Rejected, State
from domain.values import Id, Quantity


class ReceiveStock(Command):
    sku: Id
    quantity: Quantity


class ReserveStock(Command):
    sku: Id
    order_id: Id
    quantity: Quantity


class ReleaseStock(Command):
    sku: Id
    order_id: Id


class ShipStock(Command):
    sku: Id
    order_id: Id


class StockReceived(Event):
    sku: Id
    quantity: Quantity


class StockReserved(Event):
    sku: Id
    order_id: Id
    quantity: Quantity


class StockReleased(Event):
    sku: Id
    order_id: Id
    quantity: Quantity


class StockShipped(Event):
    sku: Id
    order_id: Id
    quantity: Quantity


StockCommand = ReceiveStock | ReserveStock | ReleaseStock | ShipStock
StockEvent = StockReceived | StockReserved | StockReleased | StockShipped


class StockItem(State):
    received: int = 0
    on_hand: int = 0
    reserved: dict[str, int] = Field(default_factory=dict)
    shipped: int = 0


def decide(stock: StockItem, command: StockCommand) -> list[StockEvent]:
    match command:
        case ReceiveStock(sku=sku, quantity=quantity):
            return [StockReceived(sku=sku, quantity=quantity)]
        case ReserveStock():
            return _reserve(stock, command)
        case ReleaseStock(order_id=order_id) if order_id not in stock.reserved:
            return []  # nothing to undo
        case ReleaseStock(sku=sku, order_id=order_id):
            return [StockReleased(sku=sku, order_id=order_id, quantity=stock.reserved[order_id])]
        case ShipStock(sku=sku, order_id=order_id) if order_id not in stock.reserved:
            raise Rejected(f"{sku} is not reserved for order {order_id}", code="not-reserved")
        case ShipStock(sku=sku, order_id=order_id):
            return [StockShipped(sku=sku, order_id=order_id, quantity=stock.reserved[order_id])]
        case _:
            assert_never(command)


def _reserve(stock: StockItem, command: ReserveStock) -> list[StockEvent]:
    reserved = stock.reserved.get(command.order_id)
    if reserved == command.quantity:
        return []  # sent twice
    if reserved is not None:
        raise Rejected(
            f"order {command.order_id} has reserved another quantity of {command.sku}",
            code="reserved-otherwise",
            data={"reserved": reserved, "requested": command.quantity},
        )
    if command.quantity > stock.on_hand:
        raise Rejected(
            f"{command.sku}: {command.quantity} wanted, {stock.on_hand} on hand",
            code="insufficient-stock",
            data={"sku": command.sku, "requested": command.quantity, "on_hand": stock.on_hand},
        )
    return [StockReserved(sku=command.sku, order_id=command.order_id, quantity=command.quantity)]


def evolve(stock: StockItem, event: StockEvent) -> StockItem:
    match event:
        case StockReceived(quantity=quantity):
            return stock.model_copy(
                update={"received": stock.received + quantity, "on_hand": stock.on_hand + quantity}
            )
        case StockReserved(order_id=order_id, quantity=quantity):
            return stock.model_copy(
                update={
                    "on_hand": stock.on_hand - quantity,
                    "reserved": stock.reserved | {order_id: quantity},
                }
            )
        case StockReleased(order_id=order_id, quantity=quantity):
            return stock.model_copy(
                update={"on_hand": stock.on_hand + quantity, "reserved": _without(order_id, stock)}
            )
        case StockShipped(order_id=order_id, quantity=quantity):
            return stock.model_copy(
                update={"shipped": stock.shipped + quantity, "reserved": _without(order_id, stock)}
            )
        case _:
            assert_never(event)


def _without(order_id: str, stock: StockItem) -> dict[str, int]:
    return {order: quantity for order, quantity in stock.reserved.items() if order != order_id}


stock: Decider[StockCommand, StockEvent, StockItem] = Decider(
    category="stock",
    key=lambda command: command.sku,
    initial=StockItem(),
    decide=decide,
    evolve=evolve,
    commands=StockCommand,
    events=StockEvent,
)
