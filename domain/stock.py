"""The stock of one SKU: on hand, reserved per order, shipped.

Invariant: on_hand + sum(reserved) + shipped = received. What a customer sends back is no longer shipped.
"""

from typing import Any, Final

from pydantic import Field

from domain import reordering
from domain.decider import Command, Decider, Event, Rejected, State
from domain.reordering import ReorderCommand, ReorderEvent, ReorderPoint, SetReorderPoint, StockRanLow
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


class RestockReturned(Command):
    """Put on hand what was shipped for an order and has come back."""

    sku: Id
    order_id: Id
    quantity: Quantity


class RevokeRestock(Command):
    """What was put on hand has not come back after all."""

    sku: Id
    order_id: Id
    quantity: Quantity


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


class StockRestocked(Event):
    sku: Id
    order_id: Id
    quantity: Quantity


class RestockRevoked(Event):
    sku: Id
    order_id: Id
    quantity: Quantity


StockCommand = (
    ReceiveStock | ReserveStock | ReleaseStock | ShipStock | RestockReturned | RevokeRestock | ReorderCommand
)
StockEvent = (
    StockReceived
    | StockReserved
    | StockReleased
    | StockShipped
    | StockRestocked
    | RestockRevoked
    | ReorderEvent
)

MAY_RUN_LOW: Final = (ReserveStock, ShipStock, RevokeRestock, SetReorderPoint)
"""Commands that leave less on hand than there was, or than there should be."""


class StockItem(State):
    """Without a reorder point that field is not on the wire: its readers were promised the other four."""

    received: int = 0
    on_hand: int = 0
    reserved: dict[str, int] = Field(default_factory=dict)
    shipped: int = 0
    reorder_point: ReorderPoint | None = Field(default=None, exclude_if=lambda point: point is None)


def decide(stock: StockItem, command: StockCommand) -> list[StockEvent]:
    events = _decide(stock, command)
    if events and isinstance(command, MAY_RUN_LOW):
        for event in events:
            stock = evolve(stock, event)
        point = stock.reorder_point
        if point is not None and point.falls_below(stock.on_hand):
            events.append(StockRanLow(sku=command.sku, on_hand=stock.on_hand, order_quantity=point.quantity))
    return events


def _decide(stock: StockItem, command: StockCommand) -> list[StockEvent]:  # noqa: PLR0911 - one a command
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
        case RestockReturned(sku=sku, order_id=order_id, quantity=quantity):
            _require(sku, "not-shipped", requested=quantity, shipped=stock.shipped)
            return [StockRestocked(sku=sku, order_id=order_id, quantity=quantity)]
        case RevokeRestock(sku=sku, order_id=order_id, quantity=quantity):
            _require(sku, "insufficient-stock", requested=quantity, on_hand=stock.on_hand)
            return [RestockRevoked(sku=sku, order_id=order_id, quantity=quantity)]
        case _:
            return [*reordering.decide(stock.reorder_point, command)]


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
    _require(command.sku, "insufficient-stock", requested=command.quantity, on_hand=stock.on_hand)
    return [StockReserved(sku=command.sku, order_id=command.order_id, quantity=command.quantity)]


def _require(sku: str, code: str, *, requested: int, **there: int) -> None:
    """Raise Rejected when more is requested than `there` is, told by its name."""
    [(name, quantity)] = there.items()
    if requested > quantity:
        raise Rejected(
            f"{sku}: {requested} wanted, {quantity} {name.replace('_', ' ')}",
            code=code,
            data={"sku": sku, "requested": requested, name: quantity},
        )


def evolve(stock: StockItem, event: StockEvent) -> StockItem:
    match event:
        case StockReceived(quantity=quantity):
            changed: dict[str, Any] = {
                "received": stock.received + quantity,
                "on_hand": stock.on_hand + quantity,
                "reorder_point": stock.reorder_point and stock.reorder_point.expecting(False),
            }
        case StockReserved(order_id=order_id, quantity=quantity):
            changed = {
                "on_hand": stock.on_hand - quantity,
                "reserved": stock.reserved | {order_id: quantity},
            }
        case StockReleased(order_id=order_id, quantity=quantity):
            changed = {"on_hand": stock.on_hand + quantity, "reserved": _without(order_id, stock)}
        case StockShipped(order_id=order_id, quantity=quantity):
            changed = {"shipped": stock.shipped + quantity, "reserved": _without(order_id, stock)}
        case StockRestocked(quantity=quantity):
            changed = {"on_hand": stock.on_hand + quantity, "shipped": stock.shipped - quantity}
        case RestockRevoked(quantity=quantity):
            changed = {"on_hand": stock.on_hand - quantity, "shipped": stock.shipped + quantity}
        case _:
            changed = {"reorder_point": reordering.evolve(stock.reorder_point, event)}
    return stock.model_copy(update=changed)


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
    upcasters=reordering.UPCASTERS,
)
