"""Bookings are idempotent by key, and a cancelled key stays cancelled."""

import asyncio

import httpx
import pytest

from domain import Rejected
from domain.values import Address
from tests.integration.carrier.sandbox import BOOK, CANCEL, KEY, booking_of
from workflows.carrier import BookCarrier, Booking, Carrier

pytestmark = pytest.mark.postgres


async def test_a_booking_is_kept_under_its_key(carrier: Carrier, client: httpx.AsyncClient) -> None:
    booking = await carrier.book(BOOK, KEY)

    kept = await booking_of(client, KEY)
    assert kept is not None
    assert (kept["key"], kept["order_id"], kept["status"]) == (KEY, "o1", "booked")
    assert kept["tracking"] == booking.tracking


async def test_the_same_booking_again_is_the_same(carrier: Carrier, client: httpx.AsyncClient) -> None:
    first = await carrier.book(BOOK, KEY)
    before = await booking_of(client, KEY)

    assert await carrier.book(BOOK, KEY) == first
    assert await booking_of(client, KEY) == before


async def test_another_booking_under_the_same_key_is_refused(carrier: Carrier) -> None:
    await carrier.book(BOOK, KEY)
    other = BookCarrier(order_id="o1", ship_to=Address(name="Bo", country="Peru"))

    with pytest.raises(Rejected) as rejection:
        await carrier.book(other, KEY)

    assert rejection.value.code == "booking-differs"


async def test_a_cancelled_booking_is_not_made_again(carrier: Carrier, client: httpx.AsyncClient) -> None:
    booking = await carrier.book(BOOK, KEY)
    await carrier.cancel(CANCEL, KEY)

    with pytest.raises(Rejected) as rejection:
        await carrier.book(BOOK, KEY)

    assert rejection.value.code == "booking-cancelled"
    kept = await booking_of(client, KEY)
    assert kept is not None
    assert (kept["status"], kept["tracking"]) == ("cancelled", booking.tracking)


async def test_a_booking_that_arrives_after_its_cancellation_meets_the_tombstone(
    carrier: Carrier, client: httpx.AsyncClient
) -> None:
    await carrier.cancel(CANCEL, KEY)

    with pytest.raises(Rejected) as rejection:
        await carrier.book(BOOK, KEY)

    assert rejection.value.code == "booking-cancelled"
    tombstone = await booking_of(client, KEY)
    assert tombstone is not None
    assert (tombstone["status"], tombstone["tracking"], tombstone["booked_at"]) == ("cancelled", None, None)


async def test_cancelling_again_changes_nothing(carrier: Carrier, client: httpx.AsyncClient) -> None:
    await carrier.cancel(CANCEL, KEY)
    before = await booking_of(client, KEY)

    await carrier.cancel(CANCEL, KEY)

    assert await booking_of(client, KEY) == before


async def test_many_at_once_under_one_key_make_one_booking(
    carrier: Carrier, client: httpx.AsyncClient
) -> None:
    bookings = await asyncio.gather(*(carrier.book(BOOK, KEY) for _ in range(20)))

    assert len(set(map(Booking.model_dump_json, bookings))) == 1
    assert len((await client.get("bookings")).json()["bookings"]) == 1


async def test_a_cancellation_wins_against_a_booking_at_the_same_time(
    carrier: Carrier, client: httpx.AsyncClient
) -> None:
    for n in range(10):
        key = f"s{n}/4"
        await asyncio.gather(carrier.book(BOOK, key), carrier.cancel(CANCEL, key), return_exceptions=True)

        kept = await booking_of(client, key)
        assert kept is not None
        assert kept["status"] == "cancelled"


async def test_keys_are_taken_as_they_are(carrier: Carrier, client: httpx.AsyncClient) -> None:
    keys = ["../4", "./4", "a:b/4.1", "x" * 120 + "/4"]
    for key in keys:
        await carrier.book(BOOK, key)

    bookings = (await client.get("bookings")).json()["bookings"]
    assert {booking["key"] for booking in bookings} == set(keys)


async def test_bookings_are_listed_page_by_page(carrier: Carrier, client: httpx.AsyncClient) -> None:
    for n in range(5):
        await carrier.book(BOOK.model_copy(update={"order_id": f"o{n % 2}"}), f"s{n}/4")

    first = (await client.get("bookings", params={"limit": 3})).json()
    rest = (await client.get("bookings", params={"limit": 3, "after": first["next"]})).json()
    of_one_order = (await client.get("bookings", params={"order_id": "o1"})).json()

    assert [b["key"] for b in first["bookings"] + rest["bookings"]] == [f"s{n}/4" for n in range(5)]
    assert rest["next"] is None
    assert [b["key"] for b in of_one_order["bookings"]] == ["s1/4", "s3/4"]


@pytest.mark.parametrize("key", ["a%20b", "a%00", "x" * 301])
async def test_impossible_keys_are_refused(client: httpx.AsyncClient, key: str) -> None:
    assert (await client.put(f"bookings/{key}", json=BOOK.model_dump())).status_code == 422


@pytest.mark.parametrize("page", [{"limit": 0}, {"limit": 1001}, {"after": "a\0"}, {"order_id": "a b"}])
async def test_impossible_pages_are_refused(client: httpx.AsyncClient, page: dict[str, str]) -> None:
    assert (await client.get("bookings", params=page)).status_code == 422
