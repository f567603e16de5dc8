"""Personal data over HTTP: plain in and plain out, until the person is forgotten."""

import json
from collections.abc import Iterator
from hashlib import sha256

import httpx
import orjson
import psycopg
import pytest

from app.database import APP_ROLE
from app.embedded import EmbeddedPostgres
from domain.order import PlaceOrder
from eventstore import CommandId, NewEvent
from tests.acceptance.carrier import NosyCarrier, nosy_carrier
from tests.acceptance.conftest import DATABASE
from tests.acceptance.server import Json, account_with, order_of, serving, start, stock_of, unique, until
from tests.acceptance.test_old_events import store
from tests.conftest import Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

NAME = 'Hanna "the Moos" <Øre>'


@pytest.fixture(scope="module")
def carrier() -> Iterator[NosyCarrier]:
    with nosy_carrier() as carrier:
        yield carrier


@pytest.fixture
def order(http: httpx.Client, customer: str) -> Json:
    return {**order_of(customer, stock_of(http, 10)), "ship_to": {"name": NAME, "country": "Germany"}}


def forget(http: httpx.Client, subject: str) -> Json:
    answer = http.post(
        f"/subjects/{subject}/forget", json={"reason": "asked for it"}, headers={"X-Actor": "ana"}
    )
    done: Json = answer.raise_for_status().json()
    return done


def pages_of(order: Json) -> list[str]:
    """Wherever the name of an order that was fulfilled is answered."""
    saga, placed = f"/sagas/fulfil-order-{order['order_id']}", f"order-{order['order_id']}"
    return [
        saga,
        f"{saga}/journal",
        f"{saga}/watch",
        f"{saga}/at",
        f"/streams/{placed}",
        f"/streams/{placed}/why",
        f"/aggregates/order/{order['order_id']}",
        f"/aggregates/order/{order['order_id']}/history",
        f"/aggregates/order/{order['order_id']}?version=1",
        f"/aggregates/shipment/{order['order_id']}",
        f"/orders/{order['order_id']}",
        f"/orders?customer_id={order['customer_id']}",
    ]


def test_the_name_is_answered_until_the_person_is_forgotten(http: httpx.Client, order: Json) -> None:
    answer = start(http, "fulfil-order", order).raise_for_status()
    assert answer.json()["input"] == order
    until(lambda: http.get(f"/orders/{order['order_id']}").is_success)
    quoted = json.dumps(NAME, ensure_ascii=False)
    for page in pages_of(order):
        text = http.get(page).raise_for_status().text
        assert quoted in text, page
        assert "personal:1:" not in text, page

    done = forget(http, order["customer_id"])

    assert len(done["destroyed"]) == 1
    for page in pages_of(order):
        text = http.get(page).raise_for_status().text
        assert "Hanna" not in text, page
        assert '"forgotten"' in text, page
    state = http.get(f"/aggregates/order/{order['order_id']}").json()["state"]
    assert state["ship_to"] == {"name": "forgotten", "country": "Germany"}


def test_forgetting_is_told_once_and_does_nothing_again(http: httpx.Client, order: Json) -> None:
    start(http, "fulfil-order", order)
    customer = order["customer_id"]

    first, second = forget(http, customer), forget(http, customer)

    assert second == {"subject": customer, "destroyed": [], "event_id": None}
    [event] = http.get(f"/streams/subject-{customer}").json()["events"]
    assert event["event_id"] == first["event_id"]
    assert event["type"] == "SubjectForgotten"
    assert event["data"] == {
        "subject": customer,
        "keys": first["destroyed"],
        "actor": "ana",
        "reason": "asked for it",
    }
    assert event["metadata"]["actor"] == "ana"
    assert forget(http, unique("nobody"))["destroyed"] == []


def test_who_orders_after_being_forgotten_is_known_by_that_order(http: httpx.Client, order: Json) -> None:
    start(http, "fulfil-order", order)
    forget(http, order["customer_id"])
    later = {**order, "order_id": unique("order")}

    assert start(http, "fulfil-order", later).json()["input"]["ship_to"]["name"] == NAME
    before = http.get(f"/sagas/fulfil-order-{order['order_id']}").json()
    assert before["input"]["ship_to"]["name"] == "forgotten"


def test_the_same_request_again_is_the_same_saga(http: httpx.Client, order: Json) -> None:
    first = start(http, "fulfil-order", order).json()

    again = start(http, "fulfil-order", order)
    other = start(http, "fulfil-order", {**order, "ship_to": {**order["ship_to"], "name": "Eva"}})

    assert again.status_code == 200
    assert again.json() == first
    assert other.status_code == 409
    assert other.json()["code"] == "saga-conflict"


def test_what_looks_encrypted_does_not_come_in(http: httpx.Client, order: Json) -> None:
    """Or whoever has seen a stored value, as in a backup, could have it read aloud."""
    token = f"personal:1:{'k' * 22}:{'c' * 40};"
    smuggled = {**order, "ship_to": {"name": token, "country": "Germany"}}
    escaped = json.dumps(smuggled).replace("personal", "\\u0070ersonal")
    signal = {"data": {"deep": [{"er": f"a {token}"}]}}
    named = {"Content-Type": "application/json"}

    in_name = http.post("/sagas/fulfil-order", json=smuggled)
    refused = [
        in_name,
        http.post("/sagas/fulfil-order", content=escaped, headers=named),
        http.post("/sagas/fulfil-order/batch", json={"sagas": [{"input": smuggled}]}),
        http.post("/sagas/any/signals/approval", json=signal),
        http.post("/sagas/any/signals/approval", json={token: 1}),
        http.post("/sagas/any/retry", json={"reason": token}),
        http.post("/sagas/fulfil-order", json=order, headers={"X-Actor": token}),
        http.get(f"/aggregates/{token}/x"),
        http.get("/sagas", params={"after": token}),
    ]

    assert [answer.status_code for answer in refused] == [422] * len(refused)
    assert in_name.json()["errors"][0]["field"] == "ship_to.name"
    assert http.get(f"/sagas/fulfil-order-{order['order_id']}").status_code == 404


def test_a_name_keeps_its_rule(http: httpx.Client, order: Json) -> None:
    too_long = {**order, "ship_to": {"name": "x" * 201, "country": "Germany"}}

    refused = http.post("/sagas/fulfil-order", json=too_long)

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "ship_to.name"


def test_a_proof_is_of_what_is_stored(http: httpx.Client, order: Json) -> None:
    start(http, "fulfil-order", order)
    [placed] = http.get(f"/streams/order-{order['order_id']}", params={"limit": 1}).json()["events"]
    path = f"/audit/proofs/{placed['event_id']}"
    until(lambda: http.get(path).status_code == 200)

    assert "personal:1:" in http.get(path).text
    assert "Hanna" not in http.get(path).text


def test_an_open_order_of_a_forgotten_person_goes_on(database: Database, carrier: NosyCarrier) -> None:
    with (
        serving(database.url, database.owner_url, SAGA_CARRIER_URL=carrier.url) as server,
        httpx.Client(base_url=server.url, timeout=40) as http,
    ):
        http.post("/aggregates/account/shop/open-account", json={"currency": "USD"}).raise_for_status()
        order = order_of(account_with(http, 10_000), stock_of(http, 10))
        carrier.mood = "away"
        saga_id = http.post("/sagas/fulfil-order", json=order).raise_for_status().json()["saga_id"]
        until(lambda: order["order_id"] in carrier.names)

        forget(http, order["customer_id"])
        carrier.mood = "books"

        until(lambda: http.get(f"/sagas/{saga_id}").json()["status"] == "completed")
        assert carrier.names[order["order_id"]][0] == order["ship_to"]["name"]
        assert carrier.names[order["order_id"]][-1] == "forgotten"
        _tampered(http, database, order)


def _tampered(http: httpx.Client, database: Database, order: Json) -> None:
    """What a superuser has changed in the table is answered as what it is."""
    later = {**order, "order_id": unique("order")}
    start(http, "fulfil-order", later)
    change = r"""update eventstore.events set data = regexp_replace(data::text, '....;"', 'AAAA;"')::jsonb
                  where stream = %s and type = 'OrderPlaced'"""
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        admin.execute("alter table eventstore.events disable trigger all")
        assert admin.execute(change, [f"order-{later['order_id']}"]).rowcount == 1

    [placed, *_] = http.get(f"/streams/order-{later['order_id']}").raise_for_status().json()["events"]

    assert placed["data"]["ship_to"] == {"name": "unreadable", "country": "France"}


def test_what_was_stored_before_values_were_encrypted_is_read(
    postgres_server: EmbeddedPostgres, http: httpx.Client, order: Json
) -> None:
    """It has no key, so it cannot be forgotten; what asks for it again finds it all the same."""
    database = Database(DATABASE, postgres_server.url(role=APP_ROLE, database=DATABASE), "", "")
    requested = {"name": "fulfil-order", "saga_version": 1, "input": order, "attributes": {}}
    saga_id = f"fulfil-order-{order['order_id']}"
    placed = {**order, "total": {"amount": 1000, "currency": "USD"}}
    metadata = {"correlation_id": saga_id, "actor": "anonymous"}
    store(database, f"saga-{saga_id}", 0, NewEvent("SagaRequested", requested, metadata))
    key, stream = unique("key"), f"order-{order['order_id']}"
    body = orjson.dumps(PlaceOrder.model_validate(order).model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    asked = CommandId(key, sha256(b"\n".join((stream.encode(), b"PlaceOrder", body))).hexdigest())
    store(database, stream, 0, NewEvent("OrderPlaced", placed, metadata), command=asked)

    command = {"json": order, "headers": {"Idempotency-Key": key}}
    sent = http.post(f"/aggregates/order/{order['order_id']}/place-order", **command).raise_for_status()
    assert sent.json()["events"][0]["data"]["ship_to"]["name"] == NAME
    again = http.post("/sagas/fulfil-order", json=order)
    forget(http, order["customer_id"])

    assert again.status_code == 202
    assert again.json()["input"] == order
    state = http.get(f"/aggregates/order/{order['order_id']}").raise_for_status().json()["state"]
    assert state["ship_to"]["name"] == NAME
