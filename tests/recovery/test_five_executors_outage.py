"""Postgres is stopped at once for ten seconds under five executors with 300 runs in flight.

Nobody is taken for dead, nothing runs twice, and all go on by themselves.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from tests.acceptance.server import until
from tests.conftest import Database, PrivateServer
from tests.recovery.faults import ShortCalls
from tests.recovery.launcher import Server, serving, working
from tests.recovery.proxy import Names, proxied
from tests.recovery.shop import Carrier, Look, await_end, open_shop, order, place_together, saga_of, state

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(900)]

RUNS = 300
BATCH = 20
IN_FLIGHT_MIN = 200
AWAY_SECONDS = 10
END_SECONDS = 300
STARTED_TWICE = """
    select stream, data->>'run' as run from eventstore.events where type = 'RunStarted'
     group by 1, 2 having count(*) > 1
"""


def through_the_socket(private_server: PrivateServer) -> Database:
    urls = private_server.urls
    return Database("saga", url=urls.app, owner_url=urls.owner, admin_url=urls.owner)


@contextmanager
def five(database: Database, carrier: Carrier) -> Iterator[list[Server]]:
    """Two servers and three workers."""
    settings = {
        "SAGA_CARRIER_URL": carrier.url,
        "SAGA_SUPPLIER_URL": carrier.url.replace("/carrier", "/supplier"),
    }
    faults = Names(), ShortCalls(seconds=120)
    with ExitStack() as stack:
        kinds = (serving, serving, working, working, working)
        yield [stack.enter_context(kind(database, *faults, **settings)) for kind in kinds]


def place_all(http: httpx.Client) -> list[str]:
    orders = [order(f"order-{number}") for number in range(RUNS)]
    for first in range(0, RUNS, BATCH):
        place_together(http, orders[first : first + BATCH])  # a busy machine may not be done in ten seconds
    return [saga_of(each["order_id"]) for each in orders]


def assert_refused(http: httpx.Client) -> None:
    """What is asked meanwhile is answered as one problem that says to come again."""
    for answer in (
        http.get("/sagas/fulfil-order-order-0"),
        http.get("/sagas"),
        http.post("/sagas/fulfil-order", json=order("late")),
        http.post("/aggregates/stock/tea/receive-stock", json={"quantity": 1}),
    ):
        assert answer.status_code == 503, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0
    assert http.get("/health/live").status_code == 200


def test_an_outage_under_five_executors_costs_nobody_anything(
    private_server: PrivateServer, carrier: Carrier
) -> None:
    direct = through_the_socket(private_server)
    look = Look(direct)
    with (
        proxied(direct) as (_, database),
        five(database, carrier) as executors,
        httpx.Client(base_url=executors[0].url, timeout=60) as http,
    ):
        open_shop(http)
        carrier.behave(mode="slow", delay_ms=60_000)
        alive = look.executors()
        sagas = place_all(http)
        until(lambda: len(carrier.look.bookings()) >= RUNS * 0.8, 120)
        in_flight = {executor: len(look.runs("PENDING", executor=executor)) for executor in alive}
        assert all(in_flight.values()), in_flight
        assert sum(in_flight.values()) >= IN_FLIGHT_MIN

        private_server.stop_at_once()
        since = time.monotonic()
        carrier.behave(mode="ok")
        while time.monotonic() - since < AWAY_SECONDS:
            assert_refused(http)
        private_server.start()

        until(lambda: all(each.ready for each in executors), 120)
        await_end(http, *sagas, seconds=END_SECONDS)
        assert look.executors(buried=False) == alive, "a living executor was declared dead"
        assert all(each.alive for each in executors)
        assert not look.rows(STARTED_TWICE)
        assert not look.steps_done_twice()
        assert {booking["status"] for booking in carrier.look.bookings()} == {"booked"}
        assert len(carrier.look.bookings()) == RUNS
        assert state(http, "stock", "tea")["shipped"] == RUNS
        # The list is a projection: it catches up.
        until(lambda: len(http.get("/sagas?status=completed&limit=1000").json()["sagas"]) >= RUNS, 120)
        until(lambda: not look.runs("PENDING", "ENQUEUED", "DELAYED"), 120)
        assert not look.runs("ERROR")
