"""Sagas over HTTP, route by route."""

import json
from itertools import pairwise

import httpx
import pytest

from tests.acceptance.server import (
    Json,
    account_with,
    balance,
    money,
    order_of,
    start,
    stock_of,
    unique,
    until,
)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SAGA_MEMBERS = {
    "saga_id", "name", "version", "status", "input", "result", "error", "correlation_id", "requested_at",
    "updated_at", "ended_at", "steps", "links",
}  # fmt: skip
STEP_MEMBERS = {
    "step", "name", "kind", "status", "stream", "versions", "started_at", "ended_at", "attempts",
    "compensation",
}  # fmt: skip


def transfer(http: httpx.Client, amount: int = 100, has: int = 1000) -> Json:
    """A transfer between two new accounts."""
    source, target = account_with(http, has), account_with(http, 0)
    return {"source": source, "target": target, "money": money(amount)}


def test_a_start_is_accepted_with_the_place_to_look(http: httpx.Client) -> None:
    answer = http.post("/sagas/transfer-funds", json=transfer(http))

    assert answer.status_code == 202
    saga = answer.json()
    assert answer.headers["Location"] == f"/sagas/{saga['saga_id']}" == saga["links"]["self"]
    assert saga.keys() >= SAGA_MEMBERS
    assert http.get(answer.headers["Location"]).json()["saga_id"] == saga["saga_id"]


def test_an_order_is_fulfilled_while_the_client_waits(http: httpx.Client, customer: str) -> None:
    order = order_of(customer, sku := stock_of(http, 10), quantity=3)

    answer = start(http, "fulfil-order", order)

    assert answer.status_code == 200, answer.text
    assert answer.headers["Preference-Applied"] == "wait=30"
    saga = answer.json()
    assert (saga["saga_id"], saga["status"]) == (f"fulfil-order-{order['order_id']}", "completed")
    assert saga["result"]["total"] == money(3000)
    assert saga["input"] == order
    assert all(step.keys() >= STEP_MEMBERS and step["status"] == "succeeded" for step in saga["steps"])
    assert saga["steps"][0]["name"] == "PlaceOrder"
    assert saga["steps"][0]["compensation"]["name"] == "CancelOrder"
    assert http.get(f"/aggregates/stock/{sku}").json()["state"] == {
        "received": 10,
        "on_hand": 7,
        "reserved": {},
        "shipped": 3,
    }


def test_who_does_not_wait_is_answered_202_even_when_the_saga_has_ended(
    http: httpx.Client, customer: str
) -> None:
    order = order_of(customer, stock_of(http, 10))
    assert start(http, "fulfil-order", order).status_code == 200

    again = http.post("/sagas/fulfil-order", json=order)

    assert again.status_code == 202
    assert again.json()["status"] == "completed"


@pytest.mark.parametrize(
    ("has", "on_hand", "rejection"),
    [(10, 10, "insufficient-funds"), (1_000_000, 0, "insufficient-stock"), (None, 10, "account-not-open")],
)
def test_a_business_refusal_is_the_outcome_of_the_saga(
    http: httpx.Client, customer: str, has: int | None, on_hand: int, rejection: str
) -> None:
    buyer = unique("nobody") if has is None else account_with(http, has)
    sku = stock_of(http, on_hand) if on_hand else unique("sku")

    answer = start(http, "fulfil-order", order_of(buyer, sku))

    assert answer.status_code == 200
    saga = answer.json()
    assert saga["status"] == "compensated"
    assert saga["error"]["code"] == rejection
    assert saga["error"]["detail"]
    assert saga["steps"][0]["status"] == "compensated"


def test_the_same_start_again_gives_the_same_saga(http: httpx.Client) -> None:
    body, saga_id = transfer(http, amount=100, has=1000), unique("transfer")

    first, second = (start(http, "transfer-funds", body, **{"Idempotency-Key": saga_id}) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert first.json()["saga_id"] == saga_id
    assert balance(http, body["source"]) == 900


def test_the_same_id_with_another_input_is_a_conflict(http: httpx.Client) -> None:
    body, saga_id = transfer(http), unique("transfer")
    http.post("/sagas/transfer-funds", json=body, headers={"Idempotency-Key": saga_id})

    other = {**body, "money": money(7)}
    answer = http.post("/sagas/transfer-funds", json=other, headers={"Idempotency-Key": saga_id})

    assert (answer.status_code, answer.json()["code"]) == (409, "saga-conflict")


def test_the_wait_ends_before_the_saga_when_the_time_is_up(http: httpx.Client, customer: str) -> None:
    order = order_of(customer, stock_of(http, 1))
    behaviour = {"mode": "slow", "delay_ms": 6000, "order_id": order["order_id"]}
    http.put("/sandbox/carrier/behaviour", json=behaviour).raise_for_status()

    answer = http.post("/sagas/fulfil-order", json=order, headers={"Prefer": "respond-async, wait=1"})

    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "wait=1"
    assert answer.json()["ended_at"] is None
    until(lambda: http.get(answer.headers["Location"]).json()["status"] == "completed")


def test_a_running_saga_is_stopped_and_undone(http: httpx.Client, customer: str) -> None:
    order = order_of(customer, sku := stock_of(http, 1))
    behaviour = {"mode": "slow", "delay_ms": 6000, "order_id": order["order_id"]}
    http.put("/sandbox/carrier/behaviour", json=behaviour).raise_for_status()
    saga = http.post("/sagas/fulfil-order", json=order).json()
    until(lambda: _has_step(http, saga["saga_id"], "book-carrier"))

    asked = http.post(
        saga["links"]["compensate"], json={"reason": "the customer called"}, headers={"X-Actor": "ada"}
    )

    assert asked.status_code == 202
    assert asked.json()["status"] == "compensating"
    until(lambda: http.get(saga["links"]["self"]).json()["status"] == "compensated")
    undone = http.get(saga["links"]["self"]).json()
    assert undone["error"] == {
        "code": "requested",
        "detail": "the customer called",
        "step": None,
        "data": {},
    }
    assert http.get(f"/aggregates/stock/{sku}").json()["state"]["on_hand"] == 1
    requested = next(
        entry
        for entry in http.get(f"/sagas/{saga['saga_id']}/journal").json()["entries"]
        if entry["type"] == "CompensationRequested"
    )
    assert requested["data"]["actor"] == "ada"


def _has_step(http: httpx.Client, saga_id: str, name: str) -> bool:
    return any(step["name"] == name for step in http.get(f"/sagas/{saga_id}").json()["steps"])


def test_a_completed_saga_is_undone_once(http: httpx.Client) -> None:
    body = transfer(http, amount=100, has=1000)
    saga = start(http, "transfer-funds", body).json()

    for _ in range(2):
        http.post(saga["links"]["compensate"], json={"reason": "wrong account"}).raise_for_status()
        until(lambda: http.get(saga["links"]["self"]).json()["status"] == "compensated")

    assert (balance(http, body["source"]), balance(http, body["target"])) == (1000, 0)


def test_a_saga_past_its_pivot_cannot_be_undone(http: httpx.Client, customer: str) -> None:
    saga = start(http, "fulfil-order", order_of(customer, stock_of(http, 1))).json()

    answer = http.post(saga["links"]["compensate"], json={"reason": "too late"})

    assert (answer.status_code, answer.json()["code"]) == (409, "cannot-compensate")


def test_watching_shows_every_change_until_the_end(http: httpx.Client, customer: str) -> None:
    saga = http.post("/sagas/fulfil-order", json=order_of(customer, stock_of(http, 1))).json()

    with http.stream("GET", f"/sagas/{saga['saga_id']}/watch") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = list(answer.iter_lines())

    views = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    ids = [int(line.removeprefix("id: ")) for line in lines if line.startswith("id: ")]
    assert views[-1]["status"] == "completed"
    assert all(view["ended_at"] is None for view in views[:-1])
    assert all(before < after for before, after in pairwise(ids))
    assert views[-1] == http.get(f"/sagas/{saga['saga_id']}").json()


def test_watching_an_ended_saga_shows_it_once(http: httpx.Client) -> None:
    saga = start(http, "transfer-funds", transfer(http)).json()

    text = http.get(f"/sagas/{saga['saga_id']}/watch").text

    assert text.count("event: saga") == 1
    assert json.loads(text.partition("data: ")[2]) == saga


def test_the_journal_is_the_stream_of_the_saga(http: httpx.Client) -> None:
    saga = start(http, "transfer-funds", transfer(http)).json()

    journal = http.get(f"/sagas/{saga['saga_id']}/journal").json()

    entries = [entry["type"] for entry in journal["entries"]]
    assert (entries[0], entries[-1]) == ("SagaRequested", "SagaCompleted")
    assert journal["entries"] == http.get(saga["links"]["journal"]).json()["events"]
    assert journal["next"] is None


def test_the_list_filters_and_pages(http: httpx.Client) -> None:
    started = [start(http, "transfer-funds", transfer(http)).json()["saga_id"] for _ in range(3)]
    refused = start(http, "transfer-funds", transfer(http, amount=5000)).json()["saga_id"]

    def listed(**query: str | int) -> Json:
        page: Json = http.get("/sagas", params=query).raise_for_status().json()
        return page

    def names_all() -> bool:
        page = listed(name="transfer-funds", limit=4)
        return [saga["saga_id"] for saga in page["sagas"]] == [refused, *reversed(started)] and all(
            saga["ended_at"] for saga in page["sagas"]
        )

    until(names_all)
    first = listed(status="completed", name="transfer-funds", limit=2)
    second = listed(status="completed", name="transfer-funds", limit=2, after=first["next"])
    assert [saga["saga_id"] for saga in first["sagas"]] == started[:0:-1]
    assert second["sagas"][0]["saga_id"] == started[0]
    assert first["sagas"][0].keys() >= {
        "saga_id", "name", "version", "status", "correlation_id", "requested_at", "updated_at", "ended_at",
    }  # fmt: skip
    of_it = {"correlation_id": http.get(f"/sagas/{refused}").json()["correlation_id"]}
    assert [saga["saga_id"] for saga in listed(status="compensated", **of_it)["sagas"]] == [refused]
    assert listed(status="stuck", **of_it) == {"sagas": [], "next": None}


def test_the_correlation_id_goes_from_the_request_to_the_events(http: httpx.Client) -> None:
    body = transfer(http)

    answer = start(http, "transfer-funds", body, **{"X-Correlation-Id": "trace-7"})

    assert answer.headers["X-Correlation-Id"] == "trace-7"
    assert answer.json()["correlation_id"] == "trace-7"
    withdrawal = http.get(f"/streams/account-{body['source']}", params={"from": 3}).json()["events"][0]
    assert withdrawal["metadata"]["correlation_id"] == "trace-7"
