"""Fulfil an order: place it, reserve, hold the payment, book the carrier, take the payment, ship."""

from hashlib import sha256
from typing import Final

from pydantic import BaseModel, ConfigDict

from domain import Command
from domain.account import CapturePayment, Deposit, HoldPayment, RefundPayment, ReleasePayment, Withdraw
from domain.money import Money
from domain.order import CancelOrder, CompleteOrder, PlaceOrder
from domain.order_lines import OrderLines, total_of
from domain.shipment import DispatchShipment
from domain.stock import ReleaseStock, ReserveStock, ShipStock
from domain.values import Address, Id
from workflows.carrier import BOOK_CARRIER, CANCEL_BOOKING, BookCarrier, CancelBooking
from workflows.saga import Saga, SagaDefinition
from workflows.saga.definition import SAGA_ID

SHOP: Final = "shop"
"""The account that the payments of all customers go to."""


class FulfilOrder(Command):
    """What the customer ordered. The customer's account is `customer_id`."""

    data_subject = "customer_id"

    order_id: Id
    customer_id: Id
    ship_to: Address
    lines: OrderLines


class OrderFulfilled(BaseModel):
    """The parcel is on its way and paid for."""

    model_config = ConfigDict(frozen=True)

    order_id: Id
    total: Money
    tracking: Id


async def fulfil_order(saga: Saga, order: FulfilOrder) -> OrderFulfilled:
    """Compensates every step before the pivot; from there on the order is shipped, whatever it takes."""
    order_id, customer, total = order.order_id, order.customer_id, total_of(order.lines)
    await saga.execute(
        PlaceOrder(order_id=order_id, customer_id=customer, ship_to=order.ship_to, lines=order.lines),
        compensate=CancelOrder(order_id=order_id),
    )
    await saga.gather(
        *(
            saga.execute(
                ReserveStock(sku=line.sku, order_id=order_id, quantity=line.quantity),
                compensate=ReleaseStock(sku=line.sku, order_id=order_id),
            )
            for line in order.lines
        )
    )
    await saga.execute(
        HoldPayment(account_id=customer, order_id=order_id, money=total),
        compensate=ReleasePayment(account_id=customer, order_id=order_id),
    )
    booking = await saga.call(
        BOOK_CARRIER,
        BookCarrier(order_id=order_id, ship_to=order.ship_to),
        compensate=CANCEL_BOOKING.of(CancelBooking(order_id=order_id)),
    )
    await saga.execute(
        CapturePayment(account_id=customer, order_id=order_id),
        compensate=RefundPayment(account_id=customer, order_id=order_id, money=total),
    )
    await saga.execute(
        Deposit(account_id=SHOP, money=total, reference=order_id),
        compensate=Withdraw(account_id=SHOP, money=total, reference=order_id),
    )
    saga.pivot()
    await saga.gather(*(saga.execute(ShipStock(sku=line.sku, order_id=order_id)) for line in order.lines))
    await saga.execute(DispatchShipment(order_id=order_id, tracking=booking.tracking, ship_to=order.ship_to))
    await saga.execute(CompleteOrder(order_id=order_id))
    return OrderFulfilled(order_id=order_id, total=total, tracking=booking.tracking)


def default_id(order: FulfilOrder) -> str:
    """Tells which order it is; a long order id is replaced by its digest: a saga id has bounds too."""
    saga_id = f"fulfil-order-{order.order_id}"
    if SAGA_ID.fullmatch(saga_id):
        return saga_id
    return f"fulfil-order-{sha256(order.order_id.encode()).hexdigest()}"


FULFIL_ORDER: Final = SagaDefinition("fulfil-order", fulfil_order, input=FulfilOrder, id=default_id)
