"""Two servers are replaced one after the other under load: no request fails, nothing happens twice."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count

import httpx
import pytest

from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.launcher import Server, serving
from tests.recovery.shop import Carrier, Look, assert_books_balance, await_end, open_shop, order, saga_of

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

CLIENTS = 4
BETWEEN = 10
"""Orders that are placed between two restarts."""


class Proxy:
    """Sends a request to one server, and if that one cannot take it to another, as a proxy does."""

    def __init__(self) -> None:
        self.servers: list[Server] = []

    def place(self, order_id: str) -> None:
        tried = list(self.servers)
        for server in tried:
            try:
                answer = httpx.post(f"{server.url}/sagas/fulfil-order", json=order(order_id), timeout=60)
            except httpx.TransportError:
                continue
            if answer.status_code != 503:
                answer.raise_for_status()
                return
        raise AssertionError(f"none of {len(tried)} servers took {order_id}")


def test_nothing_fails_and_nothing_happens_twice(database: Database, carrier: Carrier) -> None:
    look, proxy, done = Look(database), Proxy(), threading.Event()
    placed: list[str] = []
    numbers = count()

    def client() -> None:
        while not done.is_set():
            order_id = f"order-{next(numbers)}"
            proxy.place(order_id)
            placed.append(order_id)

    def more(failed: Callable[[], bool]) -> None:
        enough = len(placed) + BETWEEN
        until(lambda: failed() or len(placed) >= enough)

    with ExitStack() as stack:

        def start() -> Server:
            server = stack.enter_context(serving(database, SAGA_CARRIER_URL=carrier.url))
            proxy.servers.insert(0, server)
            return server

        old = [start(), start()]
        with httpx.Client(base_url=old[0].url, timeout=30) as http:
            open_shop(http)
        carrier.behave(mode="slow", delay_ms=200)
        with ThreadPoolExecutor(CLIENTS) as threads:
            clients = [threads.submit(client) for _ in range(CLIENTS)]
            try:
                for server in old:
                    more(lambda: any(each.done() for each in clients))
                    start()
                    assert server.stop() == 0, server.log.read_text()
                    more(lambda: any(each.done() for each in clients))
                    proxy.servers.remove(server)
            finally:
                done.set()
            for each in clients:
                each.result()
        with httpx.Client(base_url=proxy.servers[0].url, timeout=30) as http:
            await_end(http, *map(saga_of, placed))
            assert_books_balance(http, completed=len(placed))
    assert not look.steps_done_twice()
    assert {booking["status"] for booking in carrier.look.bookings()} == {"booked"}
