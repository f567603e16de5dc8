"""A customer's order: placed, then either completed or cancelled.

An order id is used once. Placing it again is refused, cancelled or not:
two sagas must never fulfil one order.
"""

from typing import Annotated, Literal, assert_never

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from domain.decider import Command, Decider, Event, Rejected, State
from domain.money import AMOUNT_MAX, Money
from domain.values import Address, Id, Quantity


class OrderLine(BaseModel):
    """So many of one SKU at a price each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: Id
    quantity: Quantity
    unit_price: Money


def total_of(lines: tuple[OrderLine, ...]) -> Money:
    """What the lines cost together."""
    return Money(amount=_cost(lines), currency=lines[0].unit_price.currency)


def _cost(lines: tuple[OrderLine, ...]) -> int:
    return sum(line.quantity * line.unit_price.amount for line in lines)


def _check_lines(lines: tuple[OrderLine, ...]) -> tuple[OrderLine, ...]:
    if not lines:  # here, because pydantic's min_length counts valid lines only and would complain twice
        raise ValueError("an order has at least one line")
    currencies = sorted({line.unit_price.currency for line in lines})
    if len(currencies) > 1:
        raise ValueError(f"unit_price: an order has one currency, not {' and '.join(currencies)}")
    skus = [line.sku for line in lines]
    if len(set(skus)) < len(skus):
        raise ValueError("sku: an order has one line for each sku")
    if not 0 < _cost(lines) <= AMOUNT_MAX:
        raise ValueError(f"unit_price: an order costs between 1 and {AMOUNT_MAX} minor units")
    return lines


OrderLines = Annotated[
    tuple[OrderLine, ...],
    Field(max_length=500, json_schema_extra={"minItems": 1}),
    AfterValidator(_check_lines),
]


class PlaceOrder(Command):
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


OrderCommand = PlaceOrder | CancelOrder | CompleteOrder
OrderEvent = OrderPlaced | OrderCancelled | OrderCompleted


class Order(State):
    status: Literal["new", "placed", "cancelled", "completed"] = "new"
    customer_id: str | None = None
    ship_to: Address | None = None
    lines: tuple[OrderLine, ...] = ()
    total: Money | None = None


def decide(order: Order, command: OrderCommand) -> list[OrderEvent]:
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
        case _:
            assert_never(command)


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
            assert_never(event)


order: Decider[OrderCommand, OrderEvent, Order] = Decider(
    category="order",
    key=lambda command: command.order_id,
    initial=Order(),
    decide=decide,
    evolve=evolve,
    commands=OrderCommand,
    events=OrderEvent,
)
