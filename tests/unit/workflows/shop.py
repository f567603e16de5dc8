"""The sagas of the shop on memory, with the remote carrier as plain functions."""

from collections.abc import Callable
from typing import Any

from domain import Command
from domain.account import Deposit, OpenAccount
from domain.aggregates import CATALOG
from domain.money import Money
from domain.order_lines import OrderLine
from domain.stock import ReceiveStock
from domain.values import Address
from workflows.carrier import (
    BOOK_CARRIER,
    CANCEL_BOOKING,
    BookCarrier,
    Booking,
    BookingCancelled,
    CancelBooking,
)
from workflows.fulfil_order import SHOP, FulfilOrder
from workflows.saga import CallDefinition
from workflows.saga.testing import MemoryService
from workflows.sagas import SAGAS


class Carrier:
    """Books once a key, and refuses what was cancelled. `fault` is raised instead of booking."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.booked: set[str] = set()
        self.requests: list[str] = []

    def calls(self) -> list[CallDefinition[Any, Any]]:
        return [CallDefinition(BOOK_CARRIER, self.book), CallDefinition(CANCEL_BOOKING, self.cancel)]

    async def book(self, booking: BookCarrier, key: str) -> Booking:
        self.requests.append(f"book {key}")
        if self.fault is not None:
            raise self.fault
        self.booked.add(key)
        return Booking(tracking=f"T-{booking.order_id}")

    async def cancel(self, _cancellation: CancelBooking, key: str) -> BookingCancelled:
        self.requests.append(f"cancel {key}")
        self.booked.discard(key)
        return BookingCancelled()


def dollars(cents: int) -> Money:
    return Money(amount=cents, currency="USD")


ORDER = FulfilOrder(
    order_id="o1",
    customer_id="ana",
    ship_to=Address(name="Ana", country="Spain"),
    lines=(
        OrderLine(sku="11", quantity=2, unit_price=dollars(500)),
        OrderLine(sku="12", quantity=1, unit_price=dollars(300)),
    ),
)
STOCK_UP = (
    ReceiveStock(sku="11", quantity=10),
    ReceiveStock(sku="12", quantity=10),
    OpenAccount(account_id="ana", currency="USD"),
    Deposit(account_id="ana", money=dollars(10_000)),
    OpenAccount(account_id=SHOP, currency="USD"),
)


async def stocked_shop(
    carrier: Carrier | None = None, refuse: Callable[[Command], bool] = lambda _: False
) -> MemoryService:
    """A shop that can fulfil ORDER. Its appends are counted from here."""
    service = MemoryService(CATALOG, SAGAS, (carrier or Carrier()).calls(), refuse=refuse)
    await service.apply(*STOCK_UP)
    service.store.appends = 0
    return service
