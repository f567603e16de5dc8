"""Names, tags, reasons and executors that are markup, and persons who were forgotten: what pages tell."""

import httpx
import psycopg
import pytest

from eventstore import NewEvent
from tests.acceptance.server import (
    Json,
    account_with,
    money,
    order_of,
    serving,
    start,
    stock_of,
    unique,
    until,
)
from tests.acceptance.test_old_events import store
from tests.conftest import Database
from tests.console.pages import csrf_in, shown

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

EVIL = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)"
REQUESTED = NewEvent(
    "SagaRequested",
    {
        "name": EVIL,
        "saga_version": 1,
        "input": {EVIL: EVIL},
        "run": 1,
        "attributes": {"note": EVIL},
        "start_at": "2099-01-01T00:00:00Z",
    },
    metadata={"correlation_id": "evil", "actor": EVIL},
)
"""No request can begin such a saga: its name is no id. It waits until long after this test."""
EXECUTOR = """
    insert into eventstore.executors (number, executor_id, host_boot_id, pid, process_started_at,
                                      server_started_at, timeline, kind, host, buried_at)
    values (9999, %(evil)s, 'elsewhere', 1, now(), now(), 1, 'worker', %(evil)s, now())"""


def text_of(http: httpx.Client, address: str) -> str:
    """A page on which it is text, and no markup."""
    text = shown(http, address)
    assert EVIL not in text, address
    assert ESCAPED in text, address
    return text


def test_names_tags_reasons_and_executors_are_text(database: Database) -> None:
    with (
        serving(database.url, database.owner_url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        store(database, "saga-evil", 0, REQUESTED)
        with psycopg.connect(database.url) as connection:
            connection.execute(EXECUTOR, {"evil": EVIL})
        until(lambda: len(http.get("/sagas").json()["sagas"]) == 1)

        for address in ("/console", "/console/sagas", "/console/executors", "/console/sagas/evil"):
            text_of(http, address)
        form = {"csrf": csrf_in(shown(http, "/console/sagas")), "do": "abandon", "which": "shown"}
        preview = http.post("/console/sagas/bulk", data={**form, "shown": "evil"})
        assert (preview.status_code, ESCAPED in preview.text, EVIL in preview.text) == (200, True, False)
        store(
            database, "saga-evil", 1, NewEvent("RunStarted", {"run": 1, "execution": "1", "executor": EVIL})
        )
        store(database, "saga-evil", 2, NewEvent("RunStarted", {"run": 1, "execution": "2", "executor": "2"}))
        abandon: Json = {"json": {"reason": EVIL}, "headers": {"X-Actor": EVIL}}
        http.post("/sagas/evil/abandon", **abandon).raise_for_status()
        until(lambda: http.get("/sagas").json()["sagas"][0]["status"] == "abandoned")

        assert text_of(http, "/console/executors").count(ESCAPED) >= 3
        for address in (
            "/console/sagas",
            "/console/sagas/evil",
            "/console/streams/saga-evil",
            "/console/events",
            "/console/events?category=saga",
            "/console/audit",
        ):
            text_of(http, address)


def test_the_pages_of_a_saga_have_nothing_of_who_was_forgotten(http: httpx.Client) -> None:
    customer = unique("customer")
    order = order_of(customer, stock_of(http, 10))
    order["ship_to"] = {"name": "Hanna", "country": "Germany"}
    saga_id = start(http, "fulfil-order", order).raise_for_status().json()["saga_id"]
    requested = http.get(f"/streams/saga-{saga_id}").raise_for_status().json()["events"][0]["event_id"]
    pages = [
        f"/console/sagas/{saga_id}",
        f"/console/streams/saga-{saga_id}",
        f"/console/streams/saga-{saga_id}?order=oldest",
        f"/console/events/{requested}",
        f"/console/events?correlation={saga_id}",
        f"/console/aggregates/order/{order['order_id']}",
    ]
    told = [address for address in pages if "Hanna" in shown(http, address)]
    assert told[:1] == pages[:1]
    assert f"/console/events/{requested}" in told

    http.post(f"/subjects/{customer}/forget", json={"reason": "asked for it"}).raise_for_status()

    for address in (*pages, f"/console/sagas/{saga_id}/undo?force=true", "/console/sagas", "/console/events"):
        text = shown(http, address)
        assert "Hanna" not in text, address
        assert "personal:1:" not in text, address
    for address in told:
        assert "forgotten" in shown(http, address), address


def test_a_page_does_without_a_saga_in_which_newer_code_has_written(database: Database) -> None:
    with (
        serving(database.url, database.owner_url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        source, target = account_with(http, 10), account_with(http, 0)
        transfer = {"source": source, "target": target, "money": money(1)}
        saga = start(http, "transfer-funds", transfer).raise_for_status().json()
        later = {"at": "2099-01-01T00:00:00Z"}
        queued = http.post("/sagas/transfer-funds", json=transfer, params=later).raise_for_status().json()
        address = f"/console/sagas/{queued['saga_id']}"
        # The list, in which the page looks for it, is a moment behind the journal.
        until(lambda: f'href="/console/sagas/{saga["saga_id"]}"' in shown(http, address))

        store(database, f"saga-{saga['saga_id']}", saga["journal_version"], NewEvent("Invented", {}))

        until(lambda: saga["saga_id"] not in shown(http, address))
