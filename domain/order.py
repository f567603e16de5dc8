"""A customer's order: placed, then either completed or cancelled. What was delivered may be returned.

An order id is used once. Placing it again is refused, cancelled or not:
two sagas must never fulfil one order.
"""

from typing import Literal

from pydantic import Field

from domain import returns
from domain.decider import Command, Decider, Event, Rejected, State
from domain.money import Money
from domain.order_lines import OrderLine, OrderLines, total_of
from domain.returns import RequestReturn, Return, ReturnCommand, ReturnEvent
from domain.values import Address, Id


class PlaceOrder(Command):
    data_subject = "customer_id"

    order_id: Id
    customer_id: Id
    ship_to: Address
    lines: OrderLines


class CancelOrder(Command):
    order_id: Id


class CompleteOrder(Command):
    order_id: Id


class OrderPlaced(Event):
    order_id: Id
    customer_id: Id
    ship_to: Address
    lines: tuple[OrderLine, ...]
    total: Money


class OrderCancelled(Event):
    order_id: Id


class OrderCompleted(Event):
    order_id: Id


OrderCommand = PlaceOrder | CancelOrder | CompleteOrder | ReturnCommand
OrderEvent = OrderPlaced | OrderCancelled | OrderCompleted | ReturnEvent


class Order(State):
    status: Literal["new", "placed", "cancelled", "completed"] = "new"
    customer_id: str | None = None
    ship_to: Address | None = None
    lines: tuple[OrderLine, ...] = ()
    total: Money | None = None
    returns: dict[str, Return] = Field(default_factory=dict)


def decide(order: Order, command: OrderCommand) -> list[OrderEvent]:  # noqa: PLR0911 - one a command
    match command:
        case PlaceOrder():
            return _place(order, command)
        case CancelOrder(order_id=order_id) if order.status == "completed":
            raise Rejected(f"order {order_id} is completed", code="order-completed")
        case CancelOrder() if order.status != "placed":
            return []  # nothing to undo
        case CancelOrder(order_id=order_id):
            return [OrderCancelled(order_id=order_id)]
        case CompleteOrder() if order.status == "completed":
            return []  # sent twice
        case CompleteOrder(order_id=order_id) if order.status != "placed":
            raise Rejected(
                f"order {order_id} is {order.status}, not placed",
                code="order-not-placed",
                data={"status": order.status},
            )
        case CompleteOrder(order_id=order_id):
            return [OrderCompleted(order_id=order_id)]
        case RequestReturn():
            _require_delivered(order, command)
            return [*returns.request(order.returns, order.lines, command)]
        case _:
            return [*returns.decide(order.returns, command)]


def _place(order: Order, command: PlaceOrder) -> list[OrderEvent]:
    if order.status != "new":
        raise Rejected(
            f"order {command.order_id} was placed before",
            code="order-already-placed",
            data={"status": order.status},
        )
    return [
        OrderPlaced(
            order_id=command.order_id,
            customer_id=command.customer_id,
            ship_to=command.ship_to,
            lines=command.lines,
            total=total_of(command.lines),
        )
    ]


def _require_delivered(order: Order, command: RequestReturn) -> None:
    if order.status != "completed":
        raise Rejected(
            f"order {command.order_id} is {order.status}, not completed",
            code="order-not-completed",
            data={"status": order.status},
        )
    if order.customer_id != command.customer_id:
        raise Rejected(f"order {command.order_id} is of another customer", code="other-customer")


def evolve(order: Order, event: OrderEvent) -> Order:
    match event:
        case OrderPlaced():
            return Order(
                status="placed",
                customer_id=event.customer_id,
                ship_to=event.ship_to,
                lines=event.lines,
                total=event.total,
            )
        case OrderCancelled():
            return order.model_copy(update={"status": "cancelled"})
        case OrderCompleted():
            return order.model_copy(update={"status": "completed"})
        case _:
            return order.model_copy(update={"returns": returns.evolve(order.returns, event)})


order: Decider[OrderCommand, OrderEvent, Order] = Decider(
    category="order",
    key=lambda command: command.order_id,
    initial=Order(),
    decide=decide,
    evolve=evolve,
    commands=OrderCommand,
    events=OrderEvent,
)
