"""Book a trip: for now, its flight."""

from typing import Final

from domain import Command
from domain.stock import ReleaseStock, ReserveStock
from domain.values import Id
from workflows.saga import Saga, SagaDefinition


class BookTrip(Command):
    trip_id: Id
    flight: Id


async def book_trip(saga: Saga, trip: BookTrip) -> str:
    await saga.execute(
        ReserveStock(sku=trip.flight, order_id=trip.trip_id, quantity=1),
        compensate=ReleaseStock(sku=trip.flight, order_id=trip.trip_id),
    )
    return f"a seat in {trip.flight}"


BOOK_TRIP: Final = SagaDefinition("book-trip", book_trip, input=BookTrip)
