"""Postgres is stopped for five seconds while sagas are under way: they wait, and go on when it is back."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.acceptance.server import until
from tests.conftest import Database, PrivateServer
from tests.recovery.launcher import serving
from tests.recovery.shop import (
    Look,
    assert_books_balance,
    await_end,
    behave,
    open_shop,
    order,
    place_in_the_end,
    saga,
    saga_of,
)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ORDERS = 60
AWAY_SECONDS = 5


def test_sagas_outlast_their_database(private_server: PrivateServer) -> None:
    """Sagas at every stage: some wait for the carrier, some are in the middle of a step, some start."""
    urls = private_server.urls
    database = Database("saga", url=urls.app, owner_url=urls.owner, admin_url=urls.owner)
    look, orders = Look(database), [order(f"order-{number}") for number in range(ORDERS)]
    with (
        serving(database, SAGA_REQUEST_SECONDS_MAX="2") as server,
        httpx.Client(base_url=server.url, timeout=30) as http,
        ThreadPoolExecutor(4) as threads,
    ):
        open_shop(http)
        behave(http, mode="slow", delay_ms=300)
        executors = look.executors()
        placing = [threads.submit(place_in_the_end, http, asked) for asked in orders]
        until(lambda: len(look.bookings()) >= ORDERS / 4)

        private_server.stop()
        assert_refused_for(http, AWAY_SECONDS)
        private_server.start()
        until(lambda: http.get("/health/ready").status_code == 200)

        for one in placing:
            one.result()
        sagas = [saga_of(asked["order_id"]) for asked in orders]
        await_end(http, *sagas)
        assert {saga(http, saga_id)["status"] for saga_id in sagas} == {"completed"}
        assert_books_balance(http, completed=ORDERS)
        assert look.executors(buried=False) == executors, "it was taken for dead, or took itself for it"
        until(lambda: not look.runs("PENDING", "ENQUEUED", "DELAYED"))
        assert not look.runs("ERROR")
        assert server.stop() == 0


def assert_refused_for(http: httpx.Client, seconds: float) -> None:
    """While the database is away clients are told to try again, and the process is not to be restarted."""
    since = time.monotonic()
    while time.monotonic() - since < seconds:
        answers = [
            http.get("/health/ready"),
            http.get(f"/sagas/{saga_of('order-0')}"),
            http.post("/sagas/fulfil-order", json=order("order-0")),
        ]
        assert [answer.status_code for answer in answers] == [503, 503, 503]
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
        assert http.get("/health/live").status_code == 200
