"""Aggregates and sagas as they were, over HTTP and from the command line."""

from datetime import datetime, timedelta

import httpx
import pytest

from tests.acceptance.server import (
    Json,
    ServerProcess,
    account_with,
    money,
    order_of,
    start,
    stock_of,
    unique,
)
from tests.acceptance.test_cli import document, error_line, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def account(http: httpx.Client) -> str:
    """Opened, then given 100, then 20, then 3."""
    account = account_with(http, 100)
    for amount in (20, 3):
        http.post(f"/aggregates/account/{account}/deposit", json={"money": money(amount)}).raise_for_status()
    return account


def events_of(http: httpx.Client, stream: str) -> list[Json]:
    events: list[Json] = http.get(f"/streams/{stream}").raise_for_status().json()["events"]
    return events


def problem(answer: httpx.Response, status: int, code: str) -> Json:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    found: Json = answer.json()
    return found


def test_an_aggregate_is_seen_at_each_version_position_and_time(http: httpx.Client, account: str) -> None:
    path = f"/aggregates/account/{account}"

    for event, balance in zip(events_of(http, f"account-{account}"), [0, 100, 120, 123], strict=True):
        for asked in (
            {"version": event["version"]},
            {"position": event["position"]},
            {"as_of": event["recorded_at"]},
        ):
            answer = http.get(path, params=asked)
            assert answer.headers["ETag"] == f'"{event["version"]}"'
            assert answer.json() == {
                "stream": f"account-{account}",
                "version": event["version"],
                "position": event["position"],
                "recorded_at": event["recorded_at"],
                "state": {"currency": "USD", "balance": balance, "holds": {}},
            }


def test_the_position_of_an_answer_shows_what_it_showed(http: httpx.Client, customer: str) -> None:
    sku = stock_of(http, 10)
    saga_id = start(http, "fulfil-order", order_of(customer, sku, quantity=4)).json()["saga_id"]

    for path, past in (
        (
            f"/aggregates/stock/{sku}",
            f"/aggregates/stock/{sku}",
        ),  # its last event is not the end of an append
        (f"/sagas/{saga_id}", f"/sagas/{saga_id}/at"),
    ):
        now = http.get(path)
        token = now.headers["Saga-Position"]
        then = http.get(past, params={"position": token})
        assert then.headers["Saga-Position"] == token
        assert then.json().get("saga", then.json()) == now.json()
        elsewhere = f"{token.partition('@')[0]}@999"
        problem(http.get(past, params={"position": elsewhere}), 410, "other-timeline")


def test_before_its_first_event_it_was_not_there_yet(http: httpx.Client, account: str) -> None:
    path, first = f"/aggregates/account/{account}", events_of(http, f"account-{account}")[0]
    before = datetime.fromisoformat(first["recorded_at"]) - timedelta(microseconds=1)

    for asked in ({"position": first["position"] - 1}, {"as_of": before.isoformat()}, {"position": 0}):
        said = problem(http.get(path, params=asked), 404, "not-there-yet")
        assert (said["first_position"], said["first_recorded_at"]) == (
            first["position"],
            first["recorded_at"],
        )
    problem(http.get("/aggregates/account/nobody", params={"position": 0}), 404, "not-found")
    problem(http.get("/aggregates/account/nobody", params={"version": 3}), 404, "not-found")


def test_the_future_is_not_told(http: httpx.Client, account: str) -> None:
    path = f"/aggregates/account/{account}"

    version = problem(http.get(path, params={"version": 5}), 409, "not-reached")
    position = problem(http.get(path, params={"position": 2**40}), 409, "not-reached")
    time = problem(http.get(path, params={"as_of": "9999-12-31T23:59:59Z"}), 409, "not-reached")

    assert version["current_version"] == 4
    assert position["safe_position"] >= events_of(http, f"account-{account}")[-1]["position"]
    assert time["now"] < "9999"


@pytest.mark.parametrize(
    "asked",
    [
        "version=1&position=1",
        "version=1&as_of=2026-01-01T00:00:00Z",
        "version=0",
        "version=x",
        "position=-1",
        f"position={2**41}",
        "position=1@x",
        "as_of=yesterday",
        "as_of=2026-01-01T00:00:00",
        "as_of=2026-13-01T00:00:00Z",
        "as_of=0001-01-01T00:00:00%2B14:00",
    ],
)
def test_a_moment_that_is_none_is_refused(http: httpx.Client, account: str, asked: str) -> None:
    problem(http.get(f"/aggregates/account/{account}?{asked}"), 422, "invalid")


@pytest.mark.parametrize(
    "path",
    [
        "/aggregates/account/a?postion=1",
        "/aggregates/account/a/history?version=1",
        "/sagas/s1/at?as_of=2026-01-01T00:00:00Z",
        "/streams/account-a?after=1",
        "/events?form=1",
        "/audit/anchors?after=1",
        "/projections/orders/diff?of=previous",
    ],
)
def test_what_a_route_would_ignore_is_refused(http: httpx.Client, path: str) -> None:
    """It would answer something else than was asked for."""
    said = problem(http.get(path), 422, "invalid")

    assert [error["message"] for error in said["errors"]] == ["there is no such parameter"]


def test_a_history_says_what_each_event_changed_and_who_caused_it(http: httpx.Client, customer: str) -> None:
    sku = stock_of(http, 10)
    order = order_of(customer, sku, quantity=4)
    outcome = start(http, "fulfil-order", order, **{"X-Actor": "ada"}).json()
    assert outcome["status"] == "completed"

    page = http.get(f"/aggregates/stock/{sku}/history").json()

    received, reserved, shipped = page["changes"]
    assert (page["stream"], page["next"]) == (f"stock-{sku}", None)
    assert received["changes"] == [
        {"op": "replace", "path": "/received", "old": 0, "new": 10},
        {"op": "replace", "path": "/on_hand", "old": 0, "new": 10},
    ]
    assert reserved["changes"] == [
        {"op": "replace", "path": "/on_hand", "old": 10, "new": 6},
        {"op": "add", "path": f"/reserved/{order['order_id']}", "new": 4},
    ]
    assert {"op": "remove", "path": f"/reserved/{order['order_id']}", "old": 4} in shipped["changes"]
    assert (reserved["type"], reserved["actor"], reserved["saga_id"], reserved["step"]) == (
        "StockReserved",
        "ada",
        outcome["saga_id"],
        "2",
    )
    assert reserved["command_id"] == f"{outcome['saga_id']}/2"
    assert shipped["state"] == http.get(f"/aggregates/stock/{sku}").json()["state"]


def test_a_history_is_paged_both_ways(http: httpx.Client, account: str) -> None:
    path = f"/aggregates/account/{account}/history"
    whole = http.get(path).json()["changes"]

    for backwards in (False, True):
        pages, start = [], None
        while not pages or start is not None:
            asked = {"limit": 3, "backwards": backwards} | ({"from": start} if start else {})
            page = http.get(path, params=asked).json()
            pages.append(page["changes"])
            start = page["next"]
        assert [len(page) for page in pages] == [3, 1]
        assert [change for each in pages for change in each] == (whole[::-1] if backwards else whole)
    assert http.get(path, params={"from": 99}).json()["changes"] == []
    problem(http.get("/aggregates/account/nobody/history"), 404, "not-found")
    problem(http.get("/aggregates/nonsense/x/history"), 404, "unknown-name")


def test_a_saga_is_seen_with_what_it_touched_at_each_of_its_positions(
    http: httpx.Client, customer: str
) -> None:
    sku = stock_of(http, 10)
    outcome = start(http, "fulfil-order", order_of(customer, sku, quantity=4)).json()
    saga_id = outcome["saga_id"]
    last = http.get(f"/sagas/{saga_id}/at").json()
    assert last["saga"] == outcome
    assert last["positions"]["next"] is None

    seen = [last]
    while (link := seen[-1]["links"]["previous"]) is not None:
        seen.append(http.get(link).raise_for_status().json())

    first = seen[-1]
    assert (first["position"], first["saga"]["status"], first["aggregates"]) == (
        last["positions"]["first"],
        "queued",
        [],
    )
    for then in seen:
        states = {each["category"]: each["state"] for each in then["aggregates"]}
        for step in then["saga"]["steps"]:  # a step and its events are there together, or neither is
            if step["stream"] is not None:
                assert step["stream"] in {each["stream"] for each in then["aggregates"]}
        if "stock" in states:
            stock = states["stock"]
            assert stock["on_hand"] + sum(stock["reserved"].values()) + stock["shipped"] == 10
    steps = {len(then["saga"]["steps"]): then for then in seen}
    assert [each["stream"] for each in steps[2]["aggregates"]] == [
        outcome["steps"][0]["stream"],
        f"stock-{sku}",
    ]
    assert http.get(steps[2]["links"]["next"]).json()["position"] > steps[2]["position"]


def test_a_position_between_two_changes_shows_the_one_before(http: httpx.Client, customer: str) -> None:
    saga_id = start(http, "fulfil-order", order_of(customer, stock_of(http, 10))).json()["saga_id"]
    second = http.get(http.get(f"/sagas/{saga_id}/at").json()["links"]["first"]).json()["positions"]["next"]

    inside = http.get(f"/sagas/{saga_id}/at", params={"position": second - 1}).json()

    assert (inside["changed_at"], inside["positions"]["next"]) == (inside["positions"]["first"], second)


def test_a_saga_was_not_there_before_it_began(http: httpx.Client) -> None:
    saga_id = unique("transfer")
    body = {"source": account_with(http, 9), "target": account_with(http, 0), "money": money(4)}
    start(http, "transfer-funds", body, **{"Idempotency-Key": saga_id})
    first = http.get(f"/sagas/{saga_id}/at").json()["positions"]["first"]

    before = problem(http.get(f"/sagas/{saga_id}/at?position={first - 1}"), 404, "not-there-yet")
    problem(http.get(f"/sagas/{saga_id}/at?position={2**40}"), 409, "not-reached")
    problem(http.get("/sagas/nobody/at"), 404, "saga-not-found")
    problem(http.get(f"/sagas/{saga_id}/at?position=x"), 422, "invalid")

    assert before["first_position"] == first


def test_a_refused_step_shows_what_refused_it(http: httpx.Client, customer: str) -> None:
    sku = stock_of(http, 1)
    saga_id = start(http, "fulfil-order", order_of(customer, sku, quantity=4)).json()["saga_id"]

    then = http.get(f"/sagas/{saga_id}/at").json()

    [stock] = [each for each in then["aggregates"] if each["category"] == "stock"]
    assert (stock["key"], stock["version"], stock["state"]["on_hand"]) == (sku, 1, 1)


def test_the_command_shows_an_aggregate_as_it_was(server: ServerProcess, account: str) -> None:
    now = document(saga(server, "aggregate", "account", account, "--json"))
    by_version = document(saga(server, "aggregate", "account", account, "--version", "2", "--json"))
    position = str(by_version["position"])

    assert (now["version"], by_version["state"]["balance"]) == (4, 100)
    assert (
        document(saga(server, "aggregate", "account", account, "--position", position, "--json"))
        == by_version
    )
    at = by_version["recorded_at"]
    assert "100" in saga(server, "aggregate", "account", account, "--as-of", at).stdout
    assert "not-reached" in error_line(saga(server, "aggregate", "account", account, "--version", "9"))
    assert "invalid" in error_line(saga(server, "aggregate", "account", account, "--as-of", "noon"))


def test_the_command_shows_a_history(server: ServerProcess, account: str) -> None:
    page = document(saga(server, "aggregate", "account", account, "--history", "--limit", "2", "--json"))
    shown = saga(server, "aggregate", "account", account, "--history", "--limit", "2").stdout
    refused = error_line(saga(server, "aggregate", "account", account, "--history", "--position", "3"))

    assert [change["version"] for change in page["changes"]] == [4, 3]
    assert "/balance 120 -> 123" in shown
    assert "more with --history --version 2" in shown
    assert "takes no --as-of" in refused


def test_the_command_shows_a_saga_at_a_position(
    server: ServerProcess, http: httpx.Client, customer: str
) -> None:
    sku = stock_of(http, 10)
    saga_id = start(http, "fulfil-order", order_of(customer, sku)).json()["saga_id"]
    stops = http.get(f"/sagas/{saga_id}/at").json()["positions"]

    shown = saga(server, "show", saga_id, "--position", str(stops["previous"])).stdout
    first = document(saga(server, "show", saga_id, "--position", str(stops["first"]), "--json"))

    assert f"stock-{sku}" in shown
    assert f"next: --position {stops['last']}" in shown
    assert first["saga"]["status"] == "queued"
