"""A run that is resumed while it runs: two executions of it at once, and nothing happens twice."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import EagerScans, ShortCalls, SlowAppends
from tests.recovery.launcher import serving
from tests.recovery.shop import (
    Look,
    assert_books_balance,
    await_end,
    behave,
    dbos_of,
    open_shop,
    order,
    place,
)
from workflows.saga.runs import QUEUE

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ORDERS = 40


@pytest.mark.parametrize(
    "carrier_ms", [pytest.param(0, id="between steps"), pytest.param(300, id="in the middle of a call")]
)
def test_runs_that_are_resumed_while_they_run(database: Database, carrier_ms: int) -> None:
    look = Look(database)
    with (
        serving(database, ShortCalls(), EagerScans(), SlowAppends()) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
        dbos_of(database) as dbos,
        ThreadPoolExecutor(2) as threads,
    ):
        open_shop(http)
        behave(http, mode="slow", delay_ms=carrier_ms)
        placing = [threads.submit(place, http, order(f"order-{number}")) for number in range(ORDERS)]
        resumed: set[str] = set()
        while not all(one.done() for one in placing):
            under_way = look.runs("PENDING")
            dbos.resume_workflows(under_way, queue_name=QUEUE)
            resumed |= set(under_way)

        sagas = [one.result() for one in placing]
        assert resumed.intersection(sagas)
        await_end(http, *sagas)
        assert_books_balance(http, completed=ORDERS)
        until(lambda: not look.runs("PENDING", "ENQUEUED", "DELAYED"))

    assert not look.steps_done_twice()
    assert not look.runs("ERROR", "CANCELLED")
    assert [booking["status"] for booking in look.bookings()] == ["booked"] * ORDERS
