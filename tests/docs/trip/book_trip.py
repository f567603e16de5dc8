"""Book a trip: flight, hotel and car, all or nothing, paid for once somebody approves of it."""

from datetime import timedelta
from typing import Final

from pydantic import BaseModel

from domain import Command, Rejected
from domain.account import CapturePayment, Deposit, HoldPayment, ReleasePayment
from domain.money import PositiveMoney
from domain.stock import ReleaseStock, ReserveStock
from domain.values import Id, Name, Quantity
from workflows.saga import Saga, SagaDefinition

AGENCY: Final = "agency"
APPROVAL_TIME: Final = timedelta(days=2)


class BookTrip(Command):
    trip_id: Id
    traveller: Id
    flight: Id
    hotel: Id
    nights: Quantity
    car: Id
    price: PositiveMoney


class Approval(BaseModel):
    approved: bool
    by: Name


class TripBooked(BaseModel):
    trip_id: Id
    approved_by: Name


async def reserve(saga: Saga, sku: str, trip_id: str, quantity: int = 1) -> None:
    await saga.execute(
        ReserveStock(sku=sku, order_id=trip_id, quantity=quantity),
        compensate=ReleaseStock(sku=sku, order_id=trip_id),
    )


async def book_hotel(saga: Saga, trip: BookTrip) -> None:
    await reserve(saga, trip.hotel, trip.trip_id, trip.nights)
    await reserve(saga, f"{trip.hotel}:breakfast", trip.trip_id, trip.nights)


async def book_car(saga: Saga, trip: BookTrip) -> None:
    await reserve(saga, trip.car, trip.trip_id)
    await reserve(saga, f"{trip.car}:child-seat", trip.trip_id)


async def book_trip(saga: Saga, trip: BookTrip) -> TripBooked:
    await reserve(saga, trip.flight, trip.trip_id)
    await saga.gather(saga.branch(book_hotel, trip), saga.branch(book_car, trip))
    await saga.execute(
        HoldPayment(account_id=trip.traveller, order_id=trip.trip_id, money=trip.price),
        compensate=ReleasePayment(account_id=trip.traveller, order_id=trip.trip_id),
    )
    approval = await saga.receive("approval", Approval, timeout=APPROVAL_TIME)
    if approval is None or not approval.approved:
        raise Rejected("nobody approved of the trip", code="not-approved")
    saga.pivot()
    await saga.execute(CapturePayment(account_id=trip.traveller, order_id=trip.trip_id))
    await saga.execute(Deposit(account_id=AGENCY, money=trip.price, reference=trip.trip_id))
    return TripBooked(trip_id=trip.trip_id, approved_by=approval.by)


BOOK_TRIP: Final = SagaDefinition(
    "book-trip",
    book_trip,
    input=BookTrip,
    id=lambda trip: f"trip-{trip.trip_id}",
    signals={"approval": Approval},
)
