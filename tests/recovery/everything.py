"""A saga that uses every feature of the kernel once."""

from datetime import timedelta
from typing import Final

from pydantic import BaseModel

from domain import Command
from domain.account import HoldPayment, ReleasePayment
from domain.money import Money
from domain.stock import ReleaseStock, ReserveStock, ShipStock
from domain.values import Address, Id
from workflows.carrier import BOOK_CARRIER, CANCEL_BOOKING, BookCarrier, CancelBooking
from workflows.saga import Saga, SagaDefinition


class Everything(Command):
    """An order id; with `refused` the last step before the pivot is refused."""

    order_id: Id
    refused: bool


class Go(BaseModel):
    """The signal that it waits for."""

    by: str


class Part(Command):
    """The input of its child."""

    order_id: Id


async def part(saga: Saga, asked: Part) -> str:
    """The child: reserves under an id of its own."""
    await reserve(saga, "cup", f"{asked.order_id}-part")
    return "reserved"


PART: Final = SagaDefinition("part", part, input=Part)


async def reserve(saga: Saga, sku: str, order_id: str) -> None:
    await saga.execute(
        ReserveStock(sku=sku, order_id=order_id, quantity=1),
        compensate=ReleaseStock(sku=sku, order_id=order_id),
    )


async def reserve_twice(saga: Saga, sku: str, order_id: str) -> None:
    """A branch of several steps."""
    await reserve(saga, sku, order_id)
    await saga.sleep(timedelta(milliseconds=10))
    await reserve(saga, sku, f"{order_id}-again")


async def everything(saga: Saga, asked: Everything) -> str:
    """Uses every feature of the kernel once."""
    order_id = asked.order_id
    saga.tag(order=order_id, started=str(saga.now().year))
    await reserve(saga, "tea", f"{order_id}-first")
    *_, child = await saga.gather(
        saga.branch(reserve_twice, "tea", order_id),
        saga.branch(reserve_twice, "cup", order_id),
        saga.call(
            BOOK_CARRIER,
            BookCarrier(order_id=order_id, ship_to=Address(name="Ana", country="Peru")),
            compensate=CANCEL_BOOKING.of(CancelBooking(order_id=order_id)),
        ),
        saga.start(PART, Part(order_id=order_id)),
    )
    go = await saga.receive("go", Go, timeout=timedelta(days=1))
    await saga.sleep(timedelta(seconds=1.1))
    account = "nobody" if asked.refused else "ana"
    await saga.execute(
        HoldPayment(account_id=account, order_id=order_id, money=Money(amount=1, currency="USD")),
        compensate=ReleasePayment(account_id=account, order_id=order_id),
    )
    saga.pivot()
    await saga.execute(ShipStock(sku="tea", order_id=order_id))
    return f"{child}, {go.by if go else 'nobody'}"


EVERYTHING: Final = SagaDefinition("everything", everything, input=Everything, signals={"go": Go})
