"""Fifty orders under way, and the server is killed: the next one takes them all over at once."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.acceptance import server as acceptance
from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import ShortCalls
from tests.recovery.launcher import serving
from tests.recovery.shop import Look, assert_books_balance, await_end, behave, open_shop, order, place

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ORDERS = 50
UNDER_WAY = "select count(*) from dbos.workflow_status where status = 'PENDING'"
RESUMED = """
    select extract(epoch from min(recorded_at))::float8 from eventstore.events
     where type = 'RunStarted' and data->>'executor' <> %(dead)s
"""
QUEUES = """
    select distinct queue_name, status from dbos.workflow_status
     where queue_name is not null or status <> 'SUCCESS'
"""
"""One that ended where it began, before the kill, was in none."""


def test_all_end_and_nothing_happens_twice(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    look = Look(database)
    calls = ShortCalls(seconds=10)
    with serving(database, calls) as server, httpx.Client(base_url=server.url, timeout=30) as http:
        open_shop(http)
        behave(http, mode="slow", delay_ms=60_000)  # none ends, however long it takes to place the others
        with ThreadPoolExecutor(8) as threads:
            sagas = list(threads.map(lambda n: place(http, order(f"order-{n}")), range(ORDERS)))
        until(lambda: look.value(UNDER_WAY) >= ORDERS / 2)
        server.kill()
    in_flight = look.value(UNDER_WAY)
    dead = look.value("select executor_id from eventstore.executors")

    # The command itself, with all of its start: this one is measured.
    started_at = time.time()
    with (
        acceptance.serving(database.url, database.owner_url) as next_server,
        httpx.Client(base_url=next_server.url, timeout=60) as http,
    ):
        behave(http, mode="ok")
        await_end(http, *sagas)
        first = look.value(RESUMED, dead=dead) - started_at
        assert_books_balance(http, completed=ORDERS)
        until(lambda: not look.runs("PENDING", "ENQUEUED", "DELAYED"))
    with capsys.disabled():
        sys.stdout.write(f"\n{in_flight} runs in flight; the first moved {first:.2f} s after the start ")

    bookings = look.rows("select status, count(*) from sandbox.bookings group by status")
    assert bookings == [{"status": "booked", "count": ORDERS}]
    assert not look.steps_done_twice()
    assert look.rows(QUEUES) == [{"queue_name": "sagas", "status": "SUCCESS"}]
