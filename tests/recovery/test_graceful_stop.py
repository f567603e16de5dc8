"""SIGTERM is no failure: no order is undone for it, no run counts as crashed, and the next server goes on."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import httpx
import psutil
import psycopg
import pytest
from dbos import _sys_db

from app import server as serving_process
from app.cluster import Cluster
from app.database import MIGRATION_LOCK
from tests.acceptance import server as acceptance
from tests.acceptance.server import until
from tests.conftest import Database, PrivateServer
from tests.recovery.faults import ShortCalls, short_patience, use_descriptors_again
from tests.recovery.launcher import Server, serving, starting
from tests.recovery.shop import (
    Look,
    assert_books_balance,
    await_end,
    behave,
    open_shop,
    order,
    place,
    saga,
    saga_of,
)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ORDERS = 40
HELD = 5
STOP_SECONDS_MAX = 10
NEVER_MS = 60_000


def place_all(http: httpx.Client, orders: int = ORDERS) -> list[str]:
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(lambda number: place(http, order(f"order-{number}")), range(orders)))


def stop_in_time(server: Server, seconds: float = STOP_SECONDS_MAX) -> None:
    began = time.monotonic()
    assert server.stop() == 0, server.log.read_text()
    assert time.monotonic() - began < seconds


def test_no_order_is_undone_because_the_carrier_stops_with_the_server(database: Database) -> None:
    """The carrier is the sandbox of the same process."""
    look = Look(database)
    with serving(database) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        open_shop(http)
        behave(http, mode="slow", delay_ms=300)
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(acceptance.start, http, "fulfil-order", order("awaited"))
            sagas = place_all(http)
            until(lambda: len(look.bookings()) >= ORDERS / 4)
            stop_in_time(server)
            assert waiting.result().status_code in (200, 202)
        assert "Traceback" not in server.log.read_text()
    assert look.rows("select data from eventstore.events where type = 'CompensationStarted'") == []
    assert_all_complete(database, [*sagas, saga_of("awaited")])


def test_answers_that_do_not_come_cost_the_other_orders_nothing_and_count_as_no_crash(
    database: Database,
) -> None:
    """Their runs are cut, handed over, and go on at once."""
    look = Look(database)
    faults = ShortCalls(seconds=20), short_patience
    with serving(database, *faults) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        open_shop(http)
        behave(http, mode="slow", delay_ms=NEVER_MS, times=HELD)
        held = [place(http, order(f"held-{number}")) for number in range(HELD)]
        until(lambda: len(look.bookings()) == HELD)
        sagas = place_all(http)
        stop_in_time(server)
        assert "Traceback" not in server.log.read_text()
    assert set(held) <= set(look.runs("ENQUEUED"))
    assert not look.runs("PENDING")
    assert look.rows("select data from eventstore.events where type = 'CompensationStarted'") == []
    assert_all_complete(database, [*sagas, *held])
    assert look.rows("select * from saga.attempts") == []


def test_no_thread_of_a_server_that_ends_waits_for_a_connection_that_another_has_closed(
    database: Database,
) -> None:
    """It would wait for the descriptor's number, which may mean something else by then."""
    with serving(database, use_descriptors_again) as server:
        stop_in_time(server)


def assert_all_complete(database: Database, sagas: list[str]) -> None:
    """On the next server."""
    with serving(database, ShortCalls()) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        behave(http, mode="ok")
        await_end(http, *sagas)
        assert {saga(http, saga_id)["status"] for saga_id in sagas} == {"completed"}
        assert_books_balance(http, completed=len(sagas))
        stop_in_time(server)


@pytest.mark.parametrize("signals", [1, 2])
def test_a_server_that_waits_for_the_migration_of_another_ends_when_it_is_told_to(
    database: Database, signals: int
) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [MIGRATION_LOCK])
        with starting(database) as server:
            until(lambda: waits_for_the_lock(database))
            for _ in range(signals - 1):
                server.process.terminate()
            stop_in_time(server)


def waits_for_the_lock(database: Database) -> bool:
    asked = "select count(*) from pg_stat_activity where query like 'SELECT pg_try_advisory_lock%%'"
    return bool(Look(database).value(asked + " and datname = current_database()"))


def dbos_sleeps_long() -> None:
    """Before it tries a database again that is away, as it does when that has been away for minutes."""
    _sys_db.random = SimpleNamespace(random=lambda: 60.0)  # type: ignore[assignment]


def test_a_server_ends_in_time_while_its_database_is_away(private_server: PrivateServer) -> None:
    urls = private_server.urls
    database = Database("saga", url=urls.app, owner_url=urls.owner, admin_url=urls.owner)
    look = Look(database)
    with (
        serving(database, ShortCalls(), dbos_sleeps_long) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        open_shop(http)
        behave(http, mode="slow", delay_ms=500)
        sagas = place_all(http, 20)
        until(lambda: bool(look.bookings()))
        private_server.stop()
        until(lambda: "Retrying in 60" in server.log.read_text())
        assert server.stop() == 0, server.log.read_text()
    private_server.start()
    assert_all_complete(database, sagas)


@contextmanager
def frozen(private_server: PrivateServer) -> Iterator[None]:
    """All processes of the database server are stopped for a while."""
    [pid, *_] = (Cluster(private_server.data_dir).data / "postmaster.pid").read_text().splitlines()
    postmaster = psutil.Process(int(pid))
    postmaster.suspend()  # first: from here on it starts nothing, and keeps the ids of what ends
    processes = [postmaster, *postmaster.children()]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in reversed(processes):  # while they are frozen none of them is gone
            process.resume()


def end_soon() -> None:
    serving_process.END_SECONDS_MAX = 3  # type: ignore[misc]


def test_a_server_ends_in_time_while_its_database_hangs(private_server: PrivateServer) -> None:
    """Connections stand and nobody answers: what waits for an answer is left behind."""
    urls = private_server.urls
    database = Database("saga", url=urls.app, owner_url=urls.owner, admin_url=urls.owner)
    with (
        serving(database, ShortCalls(), end_soon) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        open_shop(http)
        behave(http, mode="slow", delay_ms=500)
        sagas = place_all(http, 20)
        with frozen(private_server):
            server.process.terminate()
            assert server.exit_code() == serving_process.EXIT_CUT
            assert "the end takes too long and is cut" in server.log.read_text()
    assert_all_complete(database, sagas)
