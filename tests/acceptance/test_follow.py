"""The log and single sagas as server-sent events: in order, without loss, also for who connects again."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

import httpx
import psycopg
import pytest

from tests.acceptance.server import (
    Json,
    ServerProcess,
    account_with,
    balance,
    money,
    serving,
    start,
    until,
)
from tests.conftest import Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

WRITERS = 4
DEPOSITS = 15


@contextmanager
def following(http: httpx.Client, last: str | None = None, **query: object) -> Iterator[Iterator[str]]:
    headers = {} if last is None else {"Last-Event-ID": last}
    with http.stream("GET", "/events/follow", params=query, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield answer.iter_lines()


def sent(lines: Iterator[str]) -> Iterator[tuple[str, Json]]:
    """Each event with its id, as they come."""
    place = ""
    for line in lines:
        if line.startswith("id: "):
            place = line.removeprefix("id: ")
        elif line.startswith("data: "):
            yield place, json.loads(line.removeprefix("data: "))


def of_account(account: str, lines: Iterator[str]) -> Iterator[tuple[str, Json]]:
    """Those of its stream: sagas of earlier tests may still write to theirs."""
    return (each for each in sent(lines) if each[1]["stream"] == f"account-{account}")


def end_of_log(http: httpx.Client) -> str:
    """The token of the last event so far."""
    after, events = 0, True
    while events:
        page = http.get("/events", params={"after": after}).raise_for_status()
        after, events = page.json()["next"], page.json()["events"]
    return page.headers["Saga-Position"]


def test_each_event_comes_as_it_is_recorded_whoever_writes_beside(http: httpx.Client) -> None:
    accounts = [account_with(http, 0) for _ in range(WRITERS)]
    streams = {f"account-{account}" for account in accounts}
    begin = end_of_log(http)

    def deposit(account: str) -> None:
        for _ in range(DEPOSITS):
            http.post(f"/aggregates/account/{account}/deposit", json={"money": money(1)}).raise_for_status()

    with ThreadPoolExecutor() as threads, following(http, after=begin) as lines:
        next(lines)  # it follows before the first of them is written
        events = sent(lines)
        written = [threads.submit(deposit, account) for account in accounts]
        came: list[tuple[str, Json]] = []
        missing = WRITERS * DEPOSITS
        while missing:  # sagas of earlier tests may write beside them
            came.append(next(events))
            missing -= came[-1][1]["stream"] in streams
        for each in written:
            each.result()

    positions = [event["position"] for _, event in came]
    assert positions == sorted(set(positions))
    for account in accounts:
        own = [event["version"] for _, event in came if event["stream"] == f"account-{account}"]
        assert own == list(range(2, DEPOSITS + 2))
    page = http.get("/events", params={"after": begin, "limit": len(came)}).json()
    assert [event for _, event in came] == page["events"]


def test_who_connects_again_gets_what_came_after_the_last_event_seen(http: httpx.Client) -> None:
    account = account_with(http, 0)
    begin = end_of_log(http)
    for amount in (1, 2, 3):
        http.post(f"/aggregates/account/{account}/deposit", json={"money": money(amount)}).raise_for_status()

    with following(http, after=begin) as lines:
        (last, _first), *_ = islice(of_account(account, lines), 1)
    with following(http, last=last, after=begin) as lines:
        rest = [event for _, event in islice(of_account(account, lines), 2)]

    assert [event["data"]["money"]["amount"] for event in rest] == [2, 3]


def test_an_id_of_another_timeline_is_gone(http: httpx.Client) -> None:
    answer = http.get("/events/follow", headers={"Last-Event-ID": "1@4711"})

    assert (answer.status_code, answer.json()["code"]) == (410, "other-timeline")


@pytest.mark.parametrize("last", ["x", "1@", "-1"])
def test_what_is_no_id_is_refused_by_its_name(http: httpx.Client, last: str) -> None:
    answer = http.get("/events/follow", headers={"Last-Event-ID": last})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Last-Event-ID"


def test_a_quiet_log_says_that_it_is_there(http: httpx.Client) -> None:
    with following(http, after=end_of_log(http)) as lines:
        assert any(line == ": still here" for line in lines)


def test_a_stop_ends_it_and_the_next_server_goes_on_where_it_was(database: Database) -> None:
    with serving(database.url, database.owner_url) as server, client(server) as http:
        account = account_with(http, 5)
        with following(http) as lines:
            (last, first), *_ = islice(sent(lines), 1)
            assert server.stop() == 0
    with serving(database.url, database.owner_url) as server, client(server) as http:
        with following(http, last=last) as lines:
            (_, second), *_ = islice(sent(lines), 1)
        assert (first["type"], second["type"]) == ("AccountOpened", "MoneyDeposited")
        assert balance(http, account) == 5


def test_it_goes_on_when_the_connections_of_its_server_were_cut(database: Database) -> None:
    with serving(database.url, database.owner_url) as server, client(server) as http:
        account = account_with(http, 0)
        with following(http, after=end_of_log(http)) as lines:
            next(lines)
            with psycopg.connect(database.admin_url, autocommit=True) as admin:
                admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                )
            until(lambda: deposited(http, account))
            (_, event), *_ = islice(sent(lines), 1)
        assert (event["stream"], event["type"]) == (f"account-{account}", "MoneyDeposited")


def deposited(http: httpx.Client, account: str) -> bool:
    answer = http.post(
        f"/aggregates/account/{account}/deposit",
        json={"money": money(1)},
        headers={"Idempotency-Key": f"deposit-{account}"},
    )
    return answer.status_code == 200


def test_who_has_seen_the_end_of_a_saga_is_not_shown_it_again(http: httpx.Client) -> None:
    accounts = {"source": account_with(http, 5), "target": account_with(http, 0)}
    saga = start(http, "transfer-funds", {**accounts, "money": money(5)}).json()
    path, version = f"/sagas/{saga['saga_id']}/watch", saga["journal_version"]

    again = http.get(path, headers={"Last-Event-ID": str(version)})
    before = http.get(path, headers={"Last-Event-ID": str(version - 1)})

    assert (again.status_code, again.text) == (204, "")
    assert [event["status"] for _, event in sent(iter(before.text.splitlines()))] == ["completed"]


@contextmanager
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as http:
        yield http
