"""A server that is asked to end while sagas are under way: in time, and without losing one."""

import time

import httpx
import pytest

from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import ShortCalls, short_patience
from tests.recovery.launcher import serving
from tests.recovery.shop import (
    Carrier,
    Look,
    assert_books_balance,
    await_end,
    behave,
    open_shop,
    order,
    place,
    saga_of,
)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

STOP_SECONDS_MAX = 10
NEVER_MS = 60_000


def test_calls_that_do_not_end_are_cut_and_made_again_by_the_next_server(
    database: Database, carrier: Carrier
) -> None:
    look, calls, orders = Look(database), ShortCalls(seconds=20), 10
    with (
        serving(database, calls, short_patience, SAGA_CARRIER_URL=carrier.url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        open_shop(http)
        carrier.behave(mode="slow", delay_ms=NEVER_MS)
        sagas = [place(http, order(f"order-{number}")) for number in range(orders)]
        until(lambda: len(carrier.look.bookings()) == orders)

        stopped_at = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - stopped_at < STOP_SECONDS_MAX
        assert "Traceback" not in server.log.read_text()
    assert len(look.runs("ENQUEUED")) == orders  # handed over: nobody has to find them

    carrier.behave(mode="ok")
    with (
        serving(database, calls, SAGA_CARRIER_URL=carrier.url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        await_end(http, *sagas)
        assert_books_balance(http, completed=orders)
    assert [booking["status"] for booking in carrier.look.bookings()] == ["booked"] * orders


def test_runs_that_wait_in_the_queue_are_left_there(database: Database) -> None:
    """A server that is about to end takes nothing more that it would have to give up at once."""
    look, orders, slots = Look(database), 40, 2
    with (
        serving(database, SAGA_SLOTS=str(slots)) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        open_shop(http)
        behave(http, mode="slow", delay_ms=500)
        asked = [order(f"order-{number}") for number in range(orders)]
        # At once: the first ones must not end while the last ones are placed.
        batch = {"sagas": [{"input": each} for each in asked]}
        http.post("/sagas/fulfil-order/batch", json=batch).raise_for_status()
        sagas = [saga_of(each["order_id"]) for each in asked]
        until(lambda: bool(look.runs("SUCCESS")))
        assert server.stop() == 0
    waiting = look.runs("ENQUEUED")
    assert len(look.runs("PENDING")) <= slots
    assert len(waiting) > orders / 2

    with serving(database) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        await_end(http, *sagas)
        assert_books_balance(http, completed=orders)
