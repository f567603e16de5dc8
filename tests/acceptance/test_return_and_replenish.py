"""Goods that come back and goods that run out, over HTTP: an order is returned, stock is ordered anew."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from app.database import APP_ROLE
from app.embedded import EmbeddedPostgres
from domain.aggregates import CATALOG
from tests.acceptance.conftest import DATABASE
from tests.acceptance.server import Json, balance, order_of, start, stock_of, until
from tests.integration.eventstore.stores import open_store
from workflows.saga import Registry, SagaEngine
from workflows.saga.codec import EventCodec
from workflows.sagas import SAGAS

CODEC = EventCodec(CATALOG)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

Signal = Callable[[str, str, Json], None]


@pytest.fixture
def signal(postgres_server: EmbeddedPostgres) -> Signal:
    """Hands a signal to a saga, as any process on the database of the server may."""

    async def send(saga_id: str, name: str, data: Json) -> None:
        url = postgres_server.url(role=APP_ROLE, database=DATABASE)
        async with open_store(url, function=("saga", "append_items")) as store:
            engine = SagaEngine(store, Registry(SAGAS), CODEC)
            await engine.signal(saga_id, name, data, signal_id=f"{name}-1", actor="Bo")

    return lambda saga_id, name, data: asyncio.run(send(saga_id, name, data))


def saga(http: httpx.Client, saga_id: str) -> Json:
    found: Json = http.get(f"/sagas/{saga_id}").raise_for_status().json()
    return found


def state(http: httpx.Client, category: str, key: str) -> Json:
    found: Json = http.get(f"/aggregates/{category}/{key}").raise_for_status().json()["state"]
    return found


def await_status(http: httpx.Client, saga_id: str, status: str) -> Json:
    until(lambda: saga(http, saga_id)["status"] == status)
    return saga(http, saga_id)


def delivered(http: httpx.Client, customer: str) -> Json:
    """An order of three pieces for 1000 each that the customer has."""
    order = order_of(customer, stock_of(http, 10), quantity=3)
    assert start(http, "fulfil-order", order).json()["status"] == "completed"
    return order


def ask_to_return(http: httpx.Client, order: Json, quantity: int) -> str:
    """The saga, which waits for an approval."""
    asked = {
        "order_id": order["order_id"],
        "customer_id": order["customer_id"],
        "lines": [{"sku": order["lines"][0]["sku"], "quantity": quantity}],
        "reason": "too small",
    }
    saga_id: str = http.post("/sagas/return-order", json=asked).raise_for_status().json()["saga_id"]
    await_status(http, saga_id, "waiting")
    return saga_id


def test_an_approved_return_pays_and_restocks(http: httpx.Client, customer: str, signal: Signal) -> None:
    order = delivered(http, customer)
    had, sku = balance(http, customer), order["lines"][0]["sku"]
    returning = ask_to_return(http, order, quantity=2)

    signal(returning, "approval", {"approved": True, "by": "Bo"})

    returned = await_status(http, returning, "completed")
    assert returned["result"] == {
        "order_id": order["order_id"],
        "outcome": "returned",
        "refund": {"amount": 2000, "currency": "USD"},
    }
    assert balance(http, customer) == had + 2000
    assert state(http, "stock", sku) == {"received": 10, "on_hand": 9, "reserved": {}, "shipped": 1}
    assert state(http, "order", order["order_id"])["returns"][returning]["status"] == "closed"


def test_a_refused_return_changes_nothing(http: httpx.Client, customer: str, signal: Signal) -> None:
    order = delivered(http, customer)
    had, before = balance(http, customer), state(http, "stock", order["lines"][0]["sku"])
    returning = ask_to_return(http, order, quantity=2)

    signal(returning, "approval", {"approved": False, "by": "Bo", "note": "worn"})

    assert await_status(http, returning, "completed")["result"]["outcome"] == "refused"
    until(lambda: returning in http.get("/sagas", params={"attribute": "decision:refused"}).text)
    assert balance(http, customer) == had
    assert state(http, "stock", order["lines"][0]["sku"]) == before


def test_stock_that_runs_low_is_ordered_from_the_supplier(
    http: httpx.Client, customer: str, signal: Signal
) -> None:
    sku = stock_of(http, 10)
    point = {"level": 9, "quantity": 20}
    http.post(f"/aggregates/stock/{sku}/set-reorder-point", json=point).raise_for_status()
    order = order_of(customer, sku, quantity=2)
    start(http, "fulfil-order", order).raise_for_status()
    events = http.get(f"/streams/stock-{sku}").json()["events"]
    (ran_low,) = [event for event in events if event["type"] == "StockRanLow"]
    replenishing = f"replenish-stock-{ran_low['event_id']}"

    until(lambda: http.get(f"/sagas/{replenishing}").status_code == 200)
    waiting = await_status(http, replenishing, "waiting")
    signal(replenishing, "goods-received", {"quantity": 20})

    assert waiting["input"] == {"sku": sku, "quantity": 20}
    assert waiting["correlation_id"] == f"fulfil-order-{order['order_id']}"
    (ordered,) = http.get("/sandbox/supplier/orders", params={"sku": sku}).json()["orders"]
    assert (ordered["key"], ordered["quantity"]) == (f"{replenishing}/2", 20)
    replenished = await_status(http, replenishing, "completed")
    assert replenished["result"]["order_number"] == ordered["number"]
    assert state(http, "stock", sku) == {
        "received": 30,
        "on_hand": 28,
        "reserved": {},
        "shipped": 2,
        "reorder_point": {"level": 9, "quantity": 20, "goods_expected": False},
    }


def test_goods_that_the_supplier_does_not_have_are_given_up(http: httpx.Client) -> None:
    sku = stock_of(http, 10)
    refusing = {"mode": "refuse", "sku": sku}
    http.put("/sandbox/supplier/behaviour", json=refusing).raise_for_status()

    point = {"level": 11, "quantity": 20}
    answer = http.post(f"/aggregates/stock/{sku}/set-reorder-point", json=point).raise_for_status().json()
    replenishing = f"replenish-stock-{answer['events'][-1]['event_id']}"
    until(lambda: http.get(f"/sagas/{replenishing}").status_code == 200)

    assert await_status(http, replenishing, "compensated")["error"]["code"] == "supplier-refused"
    assert not state(http, "stock", sku)["reorder_point"]["goods_expected"]
