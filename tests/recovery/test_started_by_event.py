"""Sagas that an event starts: once for each event, whoever dies; a poison event stops nothing else."""

import httpx
import orjson
import psycopg
import pytest
from psycopg.types.json import Jsonb

from eventstore import NO_STREAM, Batch, NewEvent
from eventstore.documents import document, item
from tests.acceptance.server import Json, until
from tests.conftest import Database
from tests.recovery.faults import DieWhenAnEventHasStarted
from tests.recovery.launcher import serving
from tests.recovery.shop import Look, await_end, open_shop, order, place, state

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

LEVEL, QUANTITY = 1_000, 50
BEHIND = """
    select (select max(position) from eventstore.events where type = 'StockRanLow')
         > (select position from eventstore.checkpoints where subscription = 'start-replenish-stock')
"""


def run_low(http: httpx.Client, sku: str) -> None:
    """All that is on hand is as much as there should be: the next order takes from it."""
    point = {"level": LEVEL, "quantity": QUANTITY}
    http.post(f"/aggregates/stock/{sku}/set-reorder-point", json=point).raise_for_status()


def supplier_orders(http: httpx.Client, sku: str) -> list[Json]:
    found = http.get("/sandbox/supplier/orders", params={"sku": sku}).raise_for_status().json()
    orders: list[Json] = found["orders"]
    return orders


def journals_of(database: Database, name: str) -> list[str]:
    """The ids of all sagas of this name, from their journals."""
    rows = Look(database).rows(
        "select stream from eventstore.events where type = 'SagaRequested' and data->>'name' = %(name)s",
        name=name,
    )
    return [str(row["stream"]).removeprefix("saga-") for row in rows]


def status(http: httpx.Client, saga_id: str) -> str:
    return str(http.get(f"/sagas/{saga_id}").raise_for_status().json()["status"])


def test_a_process_killed_before_the_checkpoint_moved_starts_no_second_saga(database: Database) -> None:
    with serving(database, DieWhenAnEventHasStarted("replenish-stock")) as server:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            open_shop(http)
            run_low(http, "tea")
            ordered = place(http, order("o1"))
        assert server.exit_code() == -9
    assert len(journals_of(database, "replenish-stock")) == 1
    assert Look(database).value(BEHIND) is True

    with serving(database) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        until(lambda: Look(database).value(BEHIND) is False)
        (saga_id,) = journals_of(database, "replenish-stock")
        until(lambda: status(http, saga_id) == "waiting")
        await_end(http, ordered)

        assert [made["quantity"] for made in supplier_orders(http, "tea")] == [QUANTITY]
        assert state(http, "stock", "tea")["reorder_point"]["goods_expected"]
        assert journals_of(database, "replenish-stock") == [saga_id]


def test_two_servers_start_one_saga_for_each_event(database: Database) -> None:
    with serving(database) as first, serving(database), httpx.Client(base_url=first.url, timeout=60) as http:
        open_shop(http)
        for sku in ("tea", "cup"):
            run_low(http, sku)
        await_end(http, place(http, order("o1")))
        until(lambda: len(journals_of(database, "replenish-stock")) == 2)
        until(lambda: Look(database).value(BEHIND) is False)

        sagas = journals_of(database, "replenish-stock")
        until(lambda: [status(http, saga_id) for saga_id in sagas] == ["waiting"] * 2)
        assert len(supplier_orders(http, "tea")) == len(supplier_orders(http, "cup")) == 1


def test_a_poison_event_is_seen_and_nothing_else_stands_still(database: Database) -> None:
    with serving(database) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        open_shop(http)
        append(database, "stock-broken", NewEvent("StockRanLow", {"sku": "broken"}))

        def lagging() -> Json:
            return http.get("/health/ready").json()["lagging"]  # type: ignore[no-any-return]

        until(lambda: lagging().keys() == {"start-replenish-stock", "stock"})
        assert "StockRanLow at position" in lagging()["start-replenish-stock"]
        await_end(http, placed := place(http, order("o1")))
        until(lambda: [saga["saga_id"] for saga in http.get("/sagas").json()["sagas"]] == [placed])


def append(database: Database, stream: str, event: NewEvent) -> None:
    """As a version of this program does that knows the event otherwise."""
    one = document([item([Batch(stream, NO_STREAM, [event])])])
    with psycopg.connect(database.url) as connection:
        connection.execute("select eventstore.append_items(%s)", [Jsonb(one, dumps=orjson.dumps)])
