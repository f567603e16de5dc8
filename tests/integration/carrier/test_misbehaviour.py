"""The sandbox carrier does what it is told to, and the client says which family of error it was."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from domain import Rejected
from tests.conftest import Database
from tests.integration.carrier.conftest import serving_carrier
from tests.integration.carrier.sandbox import BOOK, CANCEL, KEY, behave, booked_in_the_end, booking_of
from tests.integration.eventstore.stores import until
from workflows.carrier import Carrier
from workflows.saga import Transient

pytestmark = pytest.mark.postgres


async def test_fail_is_transient_and_books_nothing(carrier: Carrier, client: httpx.AsyncClient) -> None:
    await behave(client, mode="fail")

    with pytest.raises(Transient, match="503"):
        await carrier.book(BOOK, KEY)

    assert await booking_of(client, KEY) is None


async def test_a_behaviour_may_be_over_after_some_requests(
    carrier: Carrier, client: httpx.AsyncClient
) -> None:
    await behave(client, mode="fail", times=2)

    for _ in range(2):
        with pytest.raises(Transient):
            await carrier.book(BOOK, KEY)

    assert (await carrier.book(BOOK, KEY)).tracking
    assert (await client.get("behaviour")).json()["times"] == 0


async def test_a_behaviour_may_be_meant_for_one_order(carrier: Carrier, client: httpx.AsyncClient) -> None:
    await behave(client, mode="fail", order_id="o2")
    other = BOOK.model_copy(update={"order_id": "o2"})

    assert (await carrier.book(BOOK, "s1/4")).tracking
    with pytest.raises(Transient):
        await carrier.book(other, "s2/4")


async def test_a_behaviour_outlives_the_server(database: Database) -> None:
    async with serving_carrier(database) as client:
        await behave(client, mode="fail")

    async with serving_carrier(database) as client:
        with pytest.raises(Transient):
            await Carrier(client).book(BOOK, KEY)


async def test_cancelling_can_fail_too(carrier: Carrier, client: httpx.AsyncClient) -> None:
    await behave(client, mode="fail", operation="cancel", times=1)
    await carrier.book(BOOK, KEY)

    with pytest.raises(Transient):
        await carrier.cancel(CANCEL, KEY)
    await carrier.cancel(CANCEL, KEY)

    kept = await booking_of(client, KEY)
    assert kept is not None
    assert kept["status"] == "cancelled"


async def test_refuse_is_a_business_no_with_its_reason(carrier: Carrier, client: httpx.AsyncClient) -> None:
    await behave(client, mode="refuse")

    with pytest.raises(Rejected, match="does not ship there") as rejection:
        await carrier.book(BOOK, KEY)

    assert rejection.value.code == "carrier-refused"
    assert await booking_of(client, KEY) is None


async def test_drop_books_and_breaks_the_connection(carrier: Carrier, client: httpx.AsyncClient) -> None:
    await behave(client, mode="drop", times=1)

    with pytest.raises(Transient, match="no answer"):
        await carrier.book(BOOK, KEY)

    kept = await booking_of(client, KEY)
    assert kept is not None
    assert kept["status"] == "booked"
    assert (await carrier.book(BOOK, KEY)).tracking == kept["tracking"]


async def test_slow_books_at_once_and_answers_later(carrier: Carrier, client: httpx.AsyncClient) -> None:
    await behave(client, mode="slow", delay_ms=300)

    booking = await carrier.book(BOOK, KEY)

    answered, kept = datetime.now(UTC), await booking_of(client, KEY)
    assert kept is not None
    assert booking.tracking == kept["tracking"]
    assert answered - datetime.fromisoformat(kept["booked_at"]) >= timedelta(milliseconds=299)


async def test_late_books_although_the_client_has_gone(carrier: Carrier, client: httpx.AsyncClient) -> None:
    await behave(client, mode="late", delay_ms=2_000, times=1)
    asked = asyncio.create_task(carrier.book(BOOK, KEY))

    async def has_come() -> bool:
        return (await client.get("behaviour")).json()["times"] == 0

    await until(has_come)
    asked.cancel()
    await asyncio.wait([asked])

    assert asked.cancelled()
    assert await booking_of(client, KEY) is None
    assert (await booked_in_the_end(client, KEY))["status"] == "booked"


async def test_a_late_booking_meets_the_tombstone_of_its_cancellation(
    carrier: Carrier, client: httpx.AsyncClient
) -> None:
    await behave(client, mode="late", delay_ms=2_000)
    late = asyncio.create_task(carrier.book(BOOK, KEY))
    await carrier.cancel(CANCEL, KEY)

    with pytest.raises(Rejected) as rejection:
        await late

    assert rejection.value.code == "booking-cancelled"
    tombstone = await booking_of(client, KEY)
    assert tombstone is not None
    assert (tombstone["status"], tombstone["tracking"]) == ("cancelled", None)


@pytest.mark.parametrize(
    ("behaviour", "field"),
    [
        ({"mode": "explode"}, "mode"),
        ({"mode": "slow", "delay_ms": 600_001}, "delay_ms"),
        ({"mode": "fail", "times": -1}, "times"),
        ({"mode": "fail", "order_id": "a/b"}, "order_id"),
        ({"mode": "fail", "often": True}, "often"),
    ],
)
async def test_an_impossible_behaviour_is_refused_by_name(
    client: httpx.AsyncClient, behaviour: dict[str, object], field: str
) -> None:
    response = await client.put("behaviour", json=behaviour)

    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["detail"]] == [["body", field]]
