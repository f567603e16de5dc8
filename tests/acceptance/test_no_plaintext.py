"""What is personal is nowhere in the database and nowhere in the log of the server, whatever became of it."""

import base64
import json
import subprocess
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.acceptance.carrier import NosyCarrier, nosy_carrier
from tests.acceptance.server import (
    ROOT,
    Json,
    ServerProcess,
    account_with,
    command,
    environment,
    order_of,
    serving,
    start,
    stock_of,
    unique,
    until,
)
from tests.conftest import Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

NAME = "Zoë Quibblewick-Ångström"
COUNTRY = "Liechtenstein"
LINES = 60
"""So many that the journal of an order is long enough for a snapshot."""


@pytest.fixture
def carrier() -> Iterator[NosyCarrier]:
    with nosy_carrier() as carrier:
        yield carrier


def test_it_is_nowhere_but_in_answers(database: Database, carrier: NosyCarrier) -> None:
    with (
        serving(database.url, database.owner_url, SAGA_CARRIER_URL=carrier.url) as server,
        httpx.Client(base_url=server.url, timeout=40) as http,
    ):
        http.post("/aggregates/account/shop/open-account", json={"currency": "USD"}).raise_for_status()
        customer = account_with(http, 10_000_000)
        orders = [_order(http, customer) for _ in range(8)]

        assert start(http, "fulfil-order", orders[0]).json()["status"] == "completed"
        long = _in_many_lines(http, customer)
        _in_a_batch(http, orders[1:3])
        _refused_before_and_by_the_carrier(http, carrier, customer, orders[3])
        _stuck(http, carrier, orders[4])
        _undone_on_request(http, carrier, orders[5])
        _sent_by_hand(http, orders[6:8])
        assert all(name == NAME for names in carrier.names.values() for name in names)
        until(lambda: http.get(f"/sagas/{long}").is_success and _snapshots(database) > 0)
        events = http.get("/events", params={"limit": 1000}).json()["events"]
        assert json.dumps(events, ensure_ascii=False).count(NAME) > 20
        _verified(database)
        http.post(f"/subjects/{customer}/forget", json={"reason": "asked for it"}).raise_for_status()
        _verified(database)
        _nothing_is_found(database, server)

        told = json.dumps(http.get("/events", params={"limit": 1000}).json(), ensure_ascii=False)
        assert NAME in told  # a parcel that was sent by hand belongs to the order
        for order in orders[6:8]:
            http.post(f"/subjects/{order['order_id']}/forget", json={"reason": "too"}).raise_for_status()
        told = json.dumps(http.get("/events", params={"limit": 1000}).json(), ensure_ascii=False)
        assert NAME not in told
        assert "personal:1:" not in told


def _order(http: httpx.Client, customer: str, lines: int = 1) -> Json:
    order = order_of(customer, stock_of(http, 10))
    more = [{**order["lines"][0], "sku": stock_of(http, 10)} for _ in range(lines - 1)]
    return {**order, "ship_to": {"name": NAME, "country": COUNTRY}, "lines": [*order["lines"], *more]}


def _in_many_lines(http: httpx.Client, customer: str) -> str:
    answer = start(http, "fulfil-order", _order(http, customer, LINES)).json()
    assert answer["status"] == "completed"
    assert answer["input"]["ship_to"] == {"name": NAME, "country": COUNTRY}
    return str(answer["saga_id"])


def _in_a_batch(http: httpx.Client, orders: list[Json]) -> None:
    batch = {"sagas": [{"input": order} for order in orders]}
    answer = http.post("/sagas/fulfil-order/batch", json=batch).raise_for_status().json()
    assert [saga["input"]["ship_to"]["name"] for saga in answer["sagas"]] == [NAME, NAME]
    for saga in answer["sagas"]:
        _await(http, saga["saga_id"], "completed")


def _refused_before_and_by_the_carrier(
    http: httpx.Client, carrier: NosyCarrier, customer: str, order: Json
) -> None:
    too_much = _order(http, customer)
    too_much["lines"][0]["quantity"] = 11
    assert start(http, "fulfil-order", too_much).json()["status"] == "compensated"

    carrier.mood = "refuses"
    answer = start(http, "fulfil-order", order).json()
    carrier.mood = "books"
    assert answer["status"] == "compensated"
    assert answer["error"]["code"] == "unknown-person"
    assert answer["error"]["detail"] == f"we do not deliver to {NAME}, sorry"


def _stuck(http: httpx.Client, carrier: NosyCarrier, order: Json) -> None:
    carrier.mood = "blunders"
    answer = start(http, "fulfil-order", order).json()
    carrier.mood = "books"
    assert answer["status"] == "stuck"
    assert "broke our parser" in answer["stuck"]["error"]
    assert "Quibblewick" in answer["stuck"]["error"]


def _undone_on_request(http: httpx.Client, carrier: NosyCarrier, order: Json) -> None:
    carrier.mood = "away"
    saga_id = http.post("/sagas/fulfil-order", json=order).raise_for_status().json()["saga_id"]
    until(lambda: order["order_id"] in carrier.names)
    http.post(f"/sagas/{saga_id}/compensate", json={"reason": "too slow"}).raise_for_status()
    _await(http, saga_id, "compensated")
    carrier.mood = "books"


def _sent_by_hand(http: httpx.Client, orders: list[Json]) -> None:
    for order in orders:
        path, key = f"/aggregates/order/{order['order_id']}/place-order", unique("placed")
        for _ in range(2):
            placed = http.post(path, json=order, headers={"Idempotency-Key": key}).raise_for_status().json()
            assert placed["version"] == 1
            assert placed["events"][0]["data"]["ship_to"]["name"] == NAME
        refused = http.post(path, json=order)
        assert refused.json()["rejection"] == "order-already-placed"
        path = f"/aggregates/shipment/{order['order_id']}/dispatch-shipment"
        sent = {"tracking": "T1", "ship_to": order["ship_to"]}
        assert len(http.post(path, json=sent).raise_for_status().json()["events"]) == 1
        assert http.post(path, json=sent).raise_for_status().json()["events"] == []  # it is the same parcel


def _await(http: httpx.Client, saga_id: str, status: str) -> None:
    until(lambda: http.get(f"/sagas/{saga_id}").json()["status"] == status)


def _snapshots(database: Database) -> int:
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute(
            "select count(*) from eventstore.snapshots where state::text like '%%personal:1:%%'"
        ).fetchone()
    return row[0] if row else 0


def _verified(database: Database) -> None:
    """By the commands of an operator; `check` also reads what was decided about persons."""
    settings = {"SAGA_DATABASE_URL": database.url, "SAGA_OWNER_DATABASE_URL": database.owner_url}
    for name in ("verify", "check"):
        done = subprocess.run(
            command(name, "--json"), cwd=ROOT, env=environment(**settings), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def _nothing_is_found(database: Database, server: ServerProcess) -> None:
    found = {
        table
        for table, text in _all_text(database)
        if any(form in text for form in _forms(NAME)) or "Quibblewick" in text
    }
    assert found == set()
    assert any(COUNTRY in text for _, text in _all_text(database))  # or nothing would ever be found
    log = server.log.read_text()
    assert "Quibblewick" not in log
    assert log


def _all_text(database: Database) -> Iterator[tuple[str, str]]:
    """Every row of every table as text; but the sandboxes', which play other companies' systems."""
    tables = """
        select table_schema, table_name from information_schema.tables
         where table_type = 'BASE TABLE'
           and table_schema not in ('pg_catalog', 'information_schema', 'sandbox')"""
    with psycopg.connect(database.admin_url) as connection:
        names = connection.execute(tables).fetchall()
        assert {"eventstore", "readmodels", "privacy", "dbos"} <= {schema for schema, _ in names}
        for schema, table in names:
            rows = sql.SQL("select t::text from {} as t").format(sql.Identifier(schema, table))
            for (text,) in connection.execute(rows):
                yield f"{schema}.{table}", text


def _forms(text: str) -> list[str]:
    """What a text looks like in JSON, in hexadecimal, and in base64 wherever it begins there."""
    plain = text.encode()
    return [
        json.dumps(text)[1:-1],
        plain.hex(),
        *(base64.b64encode(b"." * shift + plain).decode()[4 : -4 - shift] for shift in range(3)),
    ]
