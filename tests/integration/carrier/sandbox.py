"""What the tests tell the sandbox carrier and ask of it."""

import asyncio
from typing import Any

import httpx

from domain.values import Address
from workflows.carrier import BookCarrier, CancelBooking

KEY = "fulfil-order-o1/4"
BOOK = BookCarrier(order_id="o1", ship_to=Address(name="Ana", country="Peru"))
CANCEL = CancelBooking(order_id="o1")
POLLS_MAX = 250


async def behave(client: httpx.AsyncClient, **behaviour: Any) -> None:
    response = await client.put("behaviour", json=behaviour)
    assert response.status_code == 200, response.text


async def booking_of(client: httpx.AsyncClient, key: str) -> dict[str, Any] | None:
    response = await client.get(f"bookings/{key}")
    if response.status_code == 404:
        return None
    assert response.status_code == 200, response.text
    booking: dict[str, Any] = response.json()
    return booking


async def booked_in_the_end(client: httpx.AsyncClient, key: str) -> dict[str, Any]:
    """The booking, once it is there; five seconds at most."""
    for _ in range(POLLS_MAX):
        booking = await booking_of(client, key)
        if booking is not None:
            return booking
        await asyncio.sleep(0.02)
    raise AssertionError(f"{key} was not booked")
