"""The carrier, reached over HTTP: books a parcel for an order and cancels the booking.

Bookings are made under the key of the step, so that a repeated request finds the first booking, and a request
that arrives after its cancellation finds a tombstone.
"""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from domain import Rejected
from domain.values import Address, Id
from workflows.saga import Call, CallDefinition, Transient

RETRYABLE: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


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


class Problem(BaseModel):
    """Why the carrier refuses: the part of its problem document (RFC 9457) that we read."""

    detail: str
    code: str


BOOK_CARRIER: Final = Call("book-carrier", BookCarrier, Booking)
CANCEL_BOOKING: Final = Call("cancel-booking", CancelBooking, BookingCancelled)


class Carrier:
    """The carrier's API below the base URL of `client`.

    Requests have no timeout of their own: the saga kernel cancels them at the deadline of the attempt.
    """

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
        path = f"bookings/{quote(key, safe='')}"
        try:
            response = await self._client.request(method, path, timeout=None, **content)
        except httpx.RequestError as error:
            raise Transient(f"no answer from the carrier: {type(error).__name__} {error}".rstrip()) from error
        if response.is_server_error or response.status_code in RETRYABLE:
            raise Transient(f"the carrier answered {response.status_code}")
        if response.is_client_error:
            raise _refusal(response)
        return response.raise_for_status()


def _refusal(response: httpx.Response) -> Exception:
    """The carrier's business no. A 4xx without a code is a fault of the address, the credentials or ours."""
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        return httpx.HTTPStatusError(
            f"the carrier answered {response.status_code}: {response.text[:200]}",
            request=response.request,
            response=response,
        )
    return Rejected(problem.detail, code=problem.code, data={"status": response.status_code})
