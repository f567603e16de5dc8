"""A server that has too much to do says so at once; what it took is done, and who comes again is served."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from tests.acceptance.server import Json, account_with, money, serving, until
from tests.conftest import Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

MOST = 2
TRANSFERS = 12


def test_starts_beyond_the_bound_are_refused_and_nothing_is_lost_or_done_twice(database: Database) -> None:
    with (
        serving(database.url, database.owner_url, SAGA_STARTS_AT_ONCE_MAX=str(MOST)) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
        ThreadPoolExecutor(TRANSFERS) as threads,
    ):
        source, target = account_with(http, 1_000), account_with(http, 0)
        transfer = {"source": source, "target": target, "money": money(1)}

        def start(number: int) -> httpx.Response:
            headers = {"Idempotency-Key": f"transfer-{number}"}
            return http.post("/sagas/transfer-funds", json=transfer, headers=headers)

        def start_in_the_end(number: int) -> None:
            until(lambda: start(number).status_code == 202)

        with psycopg.connect(database.admin_url) as holder:
            holder.execute("lock table eventstore.events in exclusive mode")  # nobody can append
            asked = [threads.submit(start, number) for number in range(TRANSFERS)]

            def refused() -> list[httpx.Response]:
                answers = [each.result() for each in asked if each.done()]
                return [answer for answer in answers if answer.json()["code"] == "crowded"]

            until(lambda: len(refused()) >= TRANSFERS - MOST)
            for answer in refused():
                assert answer.status_code == 503
                assert int(answer.headers["Retry-After"]) > 0
            assert http.get("/health/live").status_code == 200
            assert http.get(f"/aggregates/account/{source}").status_code == 200

        list(threads.map(start_in_the_end, range(TRANSFERS)))

        def ended() -> bool:
            ids = [f"transfer-{number}" for number in range(TRANSFERS)]
            return all(http.get(f"/sagas/{each}").json()["status"] == "completed" for each in ids)

        until(ended)
        account: Json = http.get(f"/aggregates/account/{target}").json()["state"]
        assert account["balance"] == TRANSFERS


def test_streams_have_a_bound_of_their_own(database: Database) -> None:
    with (
        serving(database.url, database.owner_url, SAGA_STREAMS_AT_ONCE_MAX="1") as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):

        def follow_status() -> int:
            with http.stream("GET", "/events/follow") as answer:
                return answer.status_code

        with http.stream("GET", "/events/follow") as first:
            assert first.status_code == 200
            with http.stream("GET", "/events/follow") as second:
                assert (second.status_code, second.headers["Retry-After"]) == (503, "1")
            assert account_with(http, 1)

        until(lambda: follow_status() == 200)
