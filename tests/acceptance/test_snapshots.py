"""A server keeps what it folds, and does not depend on it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from tests.acceptance.server import account_with, balance, money, serving, until
from tests.conftest import Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

STALE = "insert into eventstore.snapshots values (%s, 'of older code', 1, '{}', now() - %s::interval)"


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        yield connection


def deposit(http: httpx.Client, account: str) -> None:
    http.post(f"/aggregates/account/{account}/deposit", json={"money": money(1)}).raise_for_status()


def kept(owner: psycopg.Connection) -> list[tuple[str, int]]:
    return owner.execute("select stream, version from eventstore.snapshots order by 1, 2").fetchall()


def test_it_keeps_states_and_forgets_stale_ones(database: Database, owner: psycopg.Connection) -> None:
    owner.execute(STALE, ["x-1", "2 days"])
    owner.execute(STALE, ["x-2", "2 hours"])

    with (
        serving(database.url, database.owner_url) as server,
        httpx.Client(base_url=server.url, timeout=30) as http,
    ):
        account = account_with(http, 0)
        for _ in range(110):
            deposit(http, account)

        until(lambda: kept(owner) == [(f"account-{account}", 100), ("x-2", 1)])
    with (
        serving(database.url, database.owner_url) as server,
        httpx.Client(base_url=server.url, timeout=30) as http,
    ):
        assert balance(http, account) == 110


def test_it_goes_on_while_they_are_deleted(database: Database, owner: psycopg.Connection) -> None:
    done = threading.Event()
    deleted = 0

    def delete() -> None:
        nonlocal deleted
        while not done.wait(0.002):
            deleted += owner.execute("delete from eventstore.snapshots").rowcount

    with (
        serving(database.url, database.owner_url) as server,
        httpx.Client(base_url=server.url, timeout=30) as http,
    ):
        accounts = [account_with(http, 0) for _ in range(4)]
        deleting = threading.Thread(target=delete)
        deleting.start()
        try:
            with ThreadPoolExecutor(8) as threads:
                list(threads.map(lambda number: deposit(http, accounts[number % 4]), range(4 * 220)))
        finally:
            done.set()
            deleting.join()

        assert [balance(http, account) for account in accounts] == [220] * 4
        assert deleted >= 4
        until(lambda: http.get("/health/ready").json()["lagging"] == {})


def test_that_none_can_be_kept_is_told_and_hurts_nobody(
    database: Database, owner: psycopg.Connection
) -> None:
    with (
        serving(database.url, database.owner_url) as server,
        httpx.Client(base_url=server.url, timeout=30) as http,
    ):
        owner.execute("revoke insert on eventstore.snapshots from saga_app")
        account = account_with(http, 0)
        for _ in range(110):
            deposit(http, account)

        until(lambda: set(http.get("/health/ready").json()["lagging"]) == {"snapshots"})
        assert http.get("/health/ready").status_code == 200
        assert balance(http, account) == 110
