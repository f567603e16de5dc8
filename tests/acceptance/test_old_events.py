"""Rows that older code has written, in a real database: today's code reads them and leaves them alone."""

import json
import subprocess
import sys
from typing import Any

import httpx
import orjson
import psycopg
import pytest
from psycopg.types.json import Jsonb

from eventstore import Batch, CommandId, NewEvent
from eventstore.documents import document, item
from tests.acceptance.server import ROOT, Json, command, environment, serving, until
from tests.conftest import Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

VERSION_1 = [
    NewEvent("StockReceived", {"sku": "tea", "quantity": 3}),
    NewEvent("ReorderPointSet", {"sku": "tea", "level": 5, "quantity": 20}),
    NewEvent("StockRanLow", {"sku": "tea", "on_hand": 3, "quantity": 20}),
]
NEWER = NewEvent("ReorderPointSet", {"sku": "cup", "level": 5, "from": "next year"}, schema_version=3)


def store(
    database: Database, stream: str, version: int, *events: NewEvent, command: CommandId | None = None
) -> None:
    """As the code of that version did."""
    one = document([item([Batch(stream, version, events)], command)])
    with psycopg.connect(database.url) as connection:
        connection.execute("select eventstore.append_items(%s)", [Jsonb(one, dumps=orjson.dumps)])


def get(http: httpx.Client, path: str) -> Json:
    found: Json = http.get(path).raise_for_status().json()
    return found


def test_version_1_is_read_over_http_and_starts_its_saga(database: Database) -> None:
    with (
        serving(database.url, database.owner_url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        store(database, "stock-tea", 0, *VERSION_1)

        stock = get(http, "/aggregates/stock/tea")
        assert stock["version"] >= 3  # the saga that they start writes to it, too
        assert stock["state"]["reorder_point"]["level"] == 5
        assert stock["state"]["reorder_point"]["quantity"] == 20

        ran_low = get(http, "/streams/stock-tea")["events"][2]
        path = f"/sagas/replenish-stock-{ran_low['event_id']}"
        until(lambda: http.get(path).status_code == 200 and get(http, path)["status"] == "waiting")
        assert get(http, path)["input"] == {"sku": "tea", "quantity": 20}
        orders = get(http, "/sandbox/supplier/orders?sku=tea")["orders"]
        assert [order["quantity"] for order in orders] == [20]

        stored = get(http, "/streams/stock-tea")["events"][:3]
        assert [(e["type"], e["schema_version"], e["data"]) for e in stored] == [
            (event.type, 1, event.data) for event in VERSION_1
        ]
        point = {"level": 7, "quantity": 9}
        answer = http.post("/aggregates/stock/tea/set-reorder-point", json=point).raise_for_status().json()
        [written] = answer["events"]
        assert (written["schema_version"], written["data"]["order_quantity"]) == (2, 9)


def test_a_version_newer_than_the_code_is_refused_and_found_by_the_check(database: Database) -> None:
    store(database, "stock-tea", 0, *VERSION_1)
    store(database, "stock-cup", 0, NEWER)

    with (
        serving(database.url, database.owner_url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        answer = http.get("/aggregates/stock/cup")
        assert (answer.status_code, answer.json()["code"]) == (503, "unknown-schema")
        assert answer.json()["detail"] == (
            "ReorderPointSet version 3 is newer than version 2, the last one that this code knows"
        )
        assert get(http, "/streams/stock-cup")["events"][0]["data"] == NEWER.data
        assert get(http, "/aggregates/stock/tea")["version"] == 3
        checked = saga(database, "check", "--json")

    assert checked.returncode == 1, checked.stderr
    report = json.loads(checked.stdout)
    [finding] = report["findings"]
    assert (finding["kind"], finding["count"]) == ("event", 1)
    assert "ReorderPointSet version 3 is newer" in finding["detail"]
    assert counts(report) == {
        ("ReorderPointSet", 1): (1, 0, ["ReorderPointSet 2"]),
        ("ReorderPointSet", 3): (1, 1, []),
        ("StockRanLow", 1): (1, 0, ["StockRanLow 2"]),
        ("StockReceived", 1): (1, 0, ["StockReceived 1"]),
    }


def test_the_check_tells_people_what_is_read_otherwise_than_it_is_stored(database: Database) -> None:
    store(database, "stock-tea", 0, *VERSION_1)

    checked = saga(database, "check")

    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.splitlines() == [
        "event  ReorderPointSet 1: 1, read as ReorderPointSet 2",
        "event  StockRanLow 1: 1, read as StockRanLow 2",
        "3 events, 0 sagas of which 0 open, 0 compensations: nothing found",
    ]


WITHOUT_AN_UPCASTER = """
from dataclasses import replace
from domain import aggregates
from domain.catalog import Catalog
changed = [replace(each, upcasters=each.upcasters[1:]) for each in aggregates.CATALOG.deciders.values()]
aggregates.CATALOG = Catalog(changed)
from app.cli.main import app
app()
"""


@pytest.mark.parametrize("asked", ["serve", "check"])
def test_code_with_a_hole_in_a_chain_refuses_to_start(database: Database, asked: str) -> None:
    refused = run([sys.executable, "-c", WITHOUT_AN_UPCASTER, asked], SAGA_DATABASE_URL=database.url)

    assert refused.returncode == 1
    assert refused.stderr == "saga: ReorderPointSet version 1 has no upcaster: it could not be read\n"


def saga(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(command(*arguments), SAGA_DATABASE_URL=database.url)


def run(asked: list[str], **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        asked,
        cwd=ROOT,
        env=environment(SAGA_PORT="0", **settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def counts(report: Json) -> dict[tuple[str, int], Any]:
    return {
        (each["name"], each["schema_version"]): (each["count"], each["unread"], each["reads_as"])
        for each in report["stored"]
    }
