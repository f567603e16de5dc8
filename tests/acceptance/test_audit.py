"""Who, when, why, and that nothing was changed: of a log that a server wrote, over HTTP and by commands."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from app.embedded import EmbeddedPostgres
from tests.acceptance.server import (
    Json,
    ServerProcess,
    account_with,
    money,
    order_of,
    serving,
    start,
    stock_of,
    unique,
    until,
)
from tests.acceptance.test_cli import document, error_line, run, saga
from tests.conftest import Database, fresh_database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def database(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[Database]:
    with fresh_database(postgres_server, template_database) as database:
        yield database


@pytest.fixture(scope="module")
def server(database: Database) -> Iterator[ServerProcess]:
    with serving(database.url, database.owner_url, SAGA_SEAL_SECONDS="0.1") as process:
        yield process


@pytest.fixture(scope="module")
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30, headers={"X-Actor": "eva"}) as client:
        yield client


@pytest.fixture(scope="module")
def order(http: httpx.Client) -> Json:
    """The id of an order that was delivered, of a shop in which all kinds of things have happened."""
    http.post("/aggregates/account/shop/open-account", json={"currency": "USD"}).raise_for_status()
    customer, sku = account_with(http, 1_000_000), stock_of(http, 10)
    body, key = {"level": 9, "quantity": 20}, {"Idempotency-Key": unique("key")}
    http.post(f"/aggregates/stock/{sku}/set-reorder-point", json=body, headers=key).raise_for_status()
    order = order_of(customer, sku, quantity=2)
    assert start(http, "fulfil-order", order).json()["status"] == "completed"
    refused = start(http, "fulfil-order", order_of(customer, sku, quantity=99)).json()
    assert refused["status"] == "compensated"
    _transfer_and_undo(http, customer)
    _return(http, order)
    batch = {"sagas": [{"input": order_of(customer, sku)}, {"input": order_of(customer, sku)}]}
    for each in http.post("/sagas/fulfil-order/batch", json=batch).raise_for_status().json()["sagas"]:
        _await(http, each["saga_id"], "completed")
    _await(http, _replenishing(http, sku), "waiting")
    return order


def _transfer_and_undo(http: httpx.Client, source: str) -> None:
    body = {"source": source, "target": account_with(http, 0), "money": money(5)}
    done = start(http, "transfer-funds", body).json()["saga_id"]
    as_operator, why = {"X-Actor": "olga"}, {"reason": "wrong account"}
    http.post(f"/sagas/{done}/compensate", json=why, headers=as_operator).raise_for_status()
    _await(http, done, "compensated")
    later = {"at": "2099-01-01T00:00:00Z"}
    sleeping = (
        http.post("/sagas/transfer-funds", json=body, params=later).raise_for_status().json()["saga_id"]
    )
    bulk = {"action": "abandon", "filter": {"ids": [sleeping]}, "reason": "not needed", "dry_run": False}
    queued = {"status": "queued"}
    until(lambda: sleeping in [each["saga_id"] for each in http.get("/sagas", params=queued).json()["sagas"]])
    http.post("/sagas/bulk", json=bulk, headers=as_operator).raise_for_status()
    _await(http, sleeping, "abandoned")


def _return(http: httpx.Client, order: Json) -> None:
    lines = [{"sku": order["lines"][0]["sku"], "quantity": 1}]
    asked = {
        "order_id": order["order_id"],
        "customer_id": order["customer_id"],
        "lines": lines,
        "reason": "x",
    }
    returning = http.post("/sagas/return-order", json=asked).raise_for_status().json()["saga_id"]
    _await(http, returning, "waiting")
    approval = {"id": "approval-1", "data": {"approved": True, "by": "Bo"}}
    path = f"/sagas/{returning}/signals/approval"
    http.post(path, json=approval, headers={"X-Actor": "bo"}).raise_for_status()
    _await(http, returning, "completed")


def _replenishing(http: httpx.Client, sku: str) -> str:
    events = http.get(f"/streams/stock-{sku}").json()["events"]
    return "replenish-stock-" + next(each["event_id"] for each in events if each["type"] == "StockRanLow")


def _await(http: httpx.Client, saga_id: str, status: str) -> None:
    until(lambda: http.get(f"/sagas/{saga_id}").json().get("status") == status)


def log_of(http: httpx.Client) -> list[Json]:
    events: list[Json] = []
    while page := http.get("/events", params={"after": events[-1]["position"] if events else 0}).json()[
        "events"
    ]:
        events += page
    return events


def test_every_event_of_a_whole_log_leads_back_to_who_asked_for_it(http: httpx.Client, order: Json) -> None:
    events = log_of(http)

    assert len(events) > 100
    for event in events:
        metadata = event["metadata"]
        assert metadata["actor"] in {"eva", "bo", "olga"}, event
        assert metadata["correlation_id"], event
        why = http.get(f"/events/{event['event_id']}/why").raise_for_status().json()
        assert why["complete"], why
        assert why["links"][-1]["actor"] == "eva", why
        if not event["stream"].startswith("saga-"):
            assert metadata["command_id"], event
            assert ("saga_id" in metadata) == ("step" in metadata), event


def test_a_row_leads_through_its_saga_to_who_asked_for_it(
    server: ServerProcess, http: httpx.Client, order: Json
) -> None:
    order_id = order["order_id"]
    why = document(saga(server, "why", "order", order_id, "--json"))

    last = http.get(f"/streams/order-{order_id}").json()["events"][-1]
    says = [link["says"] for link in why["links"]]
    assert why["links"][0]["event"] == last
    assert says[1].endswith(": CloseReturn")
    assert says[2].startswith("signal approval (approval-1) came for saga")
    assert says[3].endswith("(return-order) was requested")
    assert (says[4].split()[0], len(says)) == ("eva", 5)
    assert [link["actor"] for link in why["links"]] == ["eva", "eva", "bo", "eva", "eva"]


def test_an_event_is_named_in_each_way(server: ServerProcess, http: httpx.Client, order: Json) -> None:
    stream = f"order-{order['order_id']}"
    event = http.get(f"/streams/{stream}").json()["events"][0]

    ways = [event["event_id"], str(event["position"]), f"{stream}@1"]
    answers = [document(saga(server, "why", way, "--json")) for way in ways]
    printed = saga(server, "why", "saga", f"fulfil-order-{order['order_id']}").stdout

    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["links"][0]["event"]["event_id"] == event["event_id"]
    assert "because eva asked for it" in " ".join(printed.split())


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/events/999999/why", 404),
        ("/events/0/why", 404),
        ("/events/00000000-0000-0000-0000-000000000000/why", 404),
        ("/events/nothing/why", 422),
        ("/streams/order-nobody/why", 404),
        ("/audit/proofs/999999", 404),
        ("/audit/proofs/nothing", 422),
        ("/audit/anchors?limit=0", 422),
    ],
)
def test_what_is_not_there_is_no_error_of_the_server(http: httpx.Client, path: str, status: int) -> None:
    assert http.get(path).status_code == status


def test_what_is_not_there_is_one_line(server: ServerProcess) -> None:
    assert "there is nothing in order-nobody" in error_line(saga(server, "why", "order", "nobody"))
    assert "give its key as well" in error_line(saga(server, "why", "order"))


def sealed(http: httpx.Client) -> None:
    """Wait until all that is recorded is sealed."""
    position = log_of(http)[-1]["position"]

    def done() -> bool:
        anchors = http.get("/audit/anchors").json()["anchors"]
        return bool(anchors) and anchors[0]["position"] >= position

    until(done)


def test_a_proof_is_checked_with_an_anchor_alone(
    server: ServerProcess, http: httpx.Client, order: Json, tmp_path: Path
) -> None:
    sealed(http)
    anchor, proof = tmp_path / "anchor.json", tmp_path / "proof.json"
    anchor.write_text(saga(server, "audit", "anchor").stdout)
    block = json.loads(anchor.read_text())["block"]
    event = http.get(f"/streams/order-{order['order_id']}").json()["events"][0]
    proof.write_text(saga(server, "audit", "prove", event["event_id"], "--block", str(block)).stdout)
    by_anchor = saga(server, "audit", "prove", event["event_id"], "--anchor", str(anchor)).stdout
    assert by_anchor == proof.read_text()

    checked = document(run("audit", "check", str(proof), "--anchor", str(anchor), "--json"))
    fields = json.loads(proof.read_text())["fields"]
    never = [*fields[:7], "TmV2ZXI=", *fields[8:]]  # another type
    proof.write_text(json.dumps(json.loads(proof.read_text()) | {"fields": never}))
    broken = run("audit", "check", str(proof), "--anchor", str(anchor))

    assert (checked["event_id"], checked["type"]) == (event["event_id"], "OrderPlaced")
    proven = json.loads(checked["data"])
    assert proven.pop("ship_to")["name"].startswith("personal:1:")  # as it is stored, and was sealed
    assert event["data"].pop("ship_to")["name"] == "Vins et alcools Chevalier"
    assert proven == event["data"]
    assert "is not in its block" in error_line(broken)


def test_a_sound_log_verifies_and_one_that_was_changed_does_not(
    server: ServerProcess, http: httpx.Client, order: Json, database: Database, tmp_path: Path
) -> None:
    sealed(http)
    anchor, where = tmp_path / "anchor.json", {"SAGA_DATABASE_URL": database.url}
    anchor.write_text(saga(server, "audit", "anchor").stdout)
    sound = run("verify", "--anchor", str(anchor), **where)
    position = http.get(f"/streams/order-{order['order_id']}").json()["events"][0]["position"]
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        admin.execute("alter table eventstore.events disable trigger all")
        admin.execute("update eventstore.events set metadata = '{}' where position = %s", [position])

    changed = run("verify", "--json", **where)

    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert sound.stdout.splitlines()[-1].endswith("0 events not sealed yet: sound")
    report = json.loads(changed.stdout)
    assert (changed.returncode, report["ok"]) == (1, False)
    assert {finding["kind"] for finding in report["findings"]} == {"changed", "unprotected"}
    (found,) = [finding for finding in report["findings"] if finding["kind"] == "changed"]
    assert (found["position"], found["place"]) == (position, f"order-{order['order_id']}@1")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--from", "99999"), "there is no block 99998 to go on from"),
        (("--archived", "7"), "archived positions are two numbers"),
        (("--anchor", "no-such-file"), "cannot read 'no-such-file'"),
        (("--anchor", "pyproject.toml"), "is no JSON"),
    ],
)
def test_a_verification_that_cannot_be_made_is_one_line(
    database: Database, arguments: tuple[str, ...], error: str
) -> None:
    assert error in error_line(run("verify", *arguments, SAGA_DATABASE_URL=database.url))
