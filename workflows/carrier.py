"""The carrier, reached over HTTP: books a parcel for an order and cancels the booking.

Bookings are made under the key of the step, so that a repeated request finds the first booking, and a request
that arrives after its cancellation finds a tombstone.
"""

from typing import Any, Final

import httpx
from pydantic import BaseModel, ConfigDict

from domain.values import Address, Id
from workflows.remote import ask
from workflows.saga import Call, CallDefinition


class BookCarrier(BaseModel):
    """Fetch the parcel of an order and bring it to `ship_to`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order_id: Id
    ship_to: Address


class Booking(BaseModel):
    """The carrier will come."""

    model_config = ConfigDict(frozen=True)

    tracking: Id


class CancelBooking(BaseModel):
    """Do not come, whether the booking was made or not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order_id: Id


class BookingCancelled(BaseModel):
    """The carrier will not come, and will refuse a booking under this key that is still on its way."""

    model_config = ConfigDict(frozen=True)


BOOK_CARRIER: Final = Call("book-carrier", BookCarrier, Booking)
CANCEL_BOOKING: Final = Call("cancel-booking", CancelBooking, BookingCancelled)


class Carrier:
    """The carrier's API below the base URL of `client`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    def calls(self) -> list[CallDefinition[Any, Any]]:
        """What a saga may call, by durable name."""
        return [CallDefinition(BOOK_CARRIER, self.book), CallDefinition(CANCEL_BOOKING, self.cancel)]

    async def book(self, booking: BookCarrier, key: str) -> Booking:
        """Book under `key`. Raises Rejected (also for a key that was cancelled) and Transient."""
        response = await self._request("PUT", key, json=booking.model_dump(mode="json"))
        return Booking.model_validate(response.json())

    async def cancel(self, cancellation: CancelBooking, key: str) -> BookingCancelled:
        """Cancel what was or will be booked under `key`. Raises Rejected and Transient."""
        await self._request("DELETE", key, params={"order_id": cancellation.order_id})
        return BookingCancelled()

    async def _request(self, method: str, key: str, **content: Any) -> httpx.Response:
        return await ask(self._client, "the carrier", method, "bookings", key, **content)
