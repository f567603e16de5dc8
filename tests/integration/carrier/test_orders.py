"""The saga fulfil-order with a carrier over real HTTP: all of it happens, or nothing is left of it."""

from typing import Any

import httpx
import pytest

from domain.account import Deposit, OpenAccount
from domain.money import Money
from tests.integration.carrier.sandbox import behave, booking_of
from tests.integration.carrier.shop import Shop
from workflows.carrier import Carrier

pytestmark = pytest.mark.postgres

KEY = "fulfil-order-10248/5"


def order(**changed: Any) -> dict[str, Any]:
    return {
        "order_id": "10248",
        "customer_id": "ana",
        "ship_to": {"name": "Ana", "country": "Peru"},
        "lines": [
            {"sku": "11", "quantity": 2, "unit_price": {"amount": 1400, "currency": "USD"}},
            {"sku": "12", "quantity": 3, "unit_price": {"amount": 100, "currency": "USD"}},
        ],
    } | changed


@pytest.fixture
async def shop(carrier: Carrier) -> Shop:
    shop = Shop(carrier)
    await shop.stock_up()
    return shop


async def test_a_fulfilled_order_is_paid_shipped_and_booked_once(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    saga = await shop.finish("fulfil-order", order())

    assert (saga.saga_id, saga.status) == ("fulfil-order-10248", "completed")
    booking = await booking_of(client, KEY)
    assert booking is not None
    assert saga.result == {
        "order_id": "10248",
        "total": {"amount": 3100, "currency": "USD"},
        "tracking": booking["tracking"],
    }
    assert await shop.state_of_everything() == {
        "stock-11": {"received": 10, "on_hand": 8, "reserved": {}, "shipped": 2},
        "stock-12": {"received": 10, "on_hand": 7, "reserved": {}, "shipped": 3},
        "account-ana": {"currency": "USD", "balance": 6900, "holds": {}},
        "account-shop": {"currency": "USD", "balance": 3100, "holds": {}},
    }
    assert (await shop.state("order-10248"))["status"] == "completed"
    assert (await shop.state("shipment-10248"))["tracking"] == booking["tracking"]


async def test_a_lost_answer_of_the_carrier_is_asked_for_again(shop: Shop, client: httpx.AsyncClient) -> None:
    await behave(client, mode="drop", times=1)

    saga = await shop.finish("fulfil-order", order())

    assert saga.status == "completed"
    assert [b["key"] for b in (await client.get("bookings")).json()["bookings"]] == [KEY]


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ({"lines": [{"sku": "11", "quantity": 11, "unit_price": {"amount": 1, "currency": "USD"}}]},
         "insufficient-stock"),
        ({"lines": [{"sku": "12", "quantity": 9, "unit_price": {"amount": 5000, "currency": "USD"}}]},
         "insufficient-funds"),
        ({"lines": [{"sku": "12", "quantity": 9, "unit_price": {"amount": 5, "currency": "EUR"}}]},
         "currency-mismatch"),
        ({"customer_id": "nobody"}, "account-not-open"),
    ],
)  # fmt: skip
async def test_an_order_that_the_shop_refuses_never_reaches_the_carrier(
    shop: Shop, client: httpx.AsyncClient, trouble: dict[str, Any], code: str
) -> None:
    before = await shop.state_of_everything()

    saga = await shop.finish("fulfil-order", order(**trouble))

    assert saga.status == "compensated"
    assert saga.error is not None
    assert saga.error.code == code
    assert await shop.state_of_everything() == before
    assert (await shop.state("order-10248"))["status"] == "cancelled"
    assert (await client.get("bookings")).json()["bookings"] == []


async def test_an_order_that_the_carrier_refuses_is_undone(shop: Shop, client: httpx.AsyncClient) -> None:
    await behave(client, mode="refuse", order_id="10248")
    before = await shop.state_of_everything()

    saga = await shop.finish("fulfil-order", order())

    assert saga.status == "compensated"
    assert saga.error is not None
    assert (saga.error.code, saga.error.step) == ("carrier-refused", "5")
    assert await shop.state_of_everything() == before
    assert await booking_of(client, KEY) is None


async def test_an_order_refused_after_its_booking_takes_the_booking_back(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    await shop.send(
        OpenAccount(account_id="ben", currency="EUR"),
        Deposit(account_id="ben", money=Money(amount=100, currency="EUR")),
    )
    before = await shop.state_of_everything()
    price = {"amount": 10, "currency": "EUR"}

    saga = await shop.finish(
        "fulfil-order", order(customer_id="ben", lines=[{"sku": "11", "quantity": 2, "unit_price": price}])
    )

    assert saga.status == "compensated"
    assert saga.error is not None
    assert (saga.error.code, saga.error.step) == ("currency-mismatch", "6")
    booking = await booking_of(client, "fulfil-order-10248/4")
    assert booking is not None
    assert booking["status"] == "cancelled"
    assert await shop.state("account-ben") == {"currency": "EUR", "balance": 100, "holds": {}}
    assert await shop.state_of_everything() == before
