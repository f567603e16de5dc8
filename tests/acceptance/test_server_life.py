"""How a server starts, stops, and answers while its database is away."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from tests.acceptance.server import (
    ROOT,
    STOP_SECONDS_MAX,
    Json,
    ServerProcess,
    account_with,
    balance,
    command,
    environment,
    money,
    order_of,
    serving,
    start,
    stock_of,
    until,
)
from tests.conftest import Database, PrivateServer

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SLOW_CARRIER = {"mode": "slow", "delay_ms": 2_500}


@pytest.fixture
def own_server(database: Database) -> Iterator[ServerProcess]:
    with serving(database.url, database.owner_url) as server:
        yield server


def order_that_waits(http: httpx.Client) -> Json:
    """An order whose carrier will not answer soon."""
    http.post("/aggregates/account/shop/open-account", json={"currency": "USD"}).raise_for_status()
    http.put("/sandbox/carrier/behaviour", json=SLOW_CARRIER).raise_for_status()
    return order_of(account_with(http, 10_000), stock_of(http, 1))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_the_answers_that_wait(own_server: ServerProcess, number: signal.Signals) -> None:
    with httpx.Client(base_url=own_server.url, timeout=60) as http, ThreadPoolExecutor() as threads:
        order = order_that_waits(http)
        path = f"/sagas/fulfil-order-{order['order_id']}"
        waiting = threads.submit(start, http, "fulfil-order", order)
        until(lambda: http.get(path).status_code == 200)
        with http.stream("GET", f"{path}/watch") as watching:
            lines = watching.iter_lines()
            next(line for line in lines if "book-carrier" in line)

            own_server.process.send_signal(number)

            assert list(lines) == [""]
        answer = waiting.result()
        assert answer.status_code == 202
        assert answer.json()["status"] in ("queued", "running")
    assert own_server.process.wait(STOP_SECONDS_MAX) == 0
    assert "Traceback" not in own_server.log.read_text()


def test_a_watcher_that_goes_is_forgotten(own_server: ServerProcess) -> None:
    with httpx.Client(base_url=own_server.url, timeout=60) as http:
        saga = http.post("/sagas/fulfil-order", json=order_that_waits(http)).raise_for_status().json()
        with http.stream("GET", f"/sagas/{saga['saga_id']}/watch") as answer:
            assert next(answer.iter_lines()) == "retry: 1000"

    assert own_server.stop() == 0
    assert "Traceback" not in own_server.log.read_text()


def test_a_port_that_is_taken_is_one_line(database: Database) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        outcome = serve_until_it_fails(SAGA_DATABASE_URL=database.url, SAGA_PORT=str(port))

    assert outcome == f"saga: cannot listen at 127.0.0.1 port {port}: Address already in use"


def test_a_database_that_is_not_there_is_one_line() -> None:
    outcome = serve_until_it_fails(SAGA_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing", SAGA_PORT="0")

    assert outcome.startswith("saga: cannot connect to Postgres: ")


def test_a_bad_setting_is_one_line() -> None:
    assert serve_until_it_fails(SAGA_SLOTS="none").startswith("saga: SAGA_SLOTS: ")


def serve_until_it_fails(**settings: str) -> str:
    """The line that `saga serve` ends with."""
    outcome = subprocess.run(
        command("serve"),
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome.returncode == 1, outcome.stderr
    [line] = outcome.stderr.splitlines()
    return line


def test_a_watcher_sees_the_end_of_a_saga_that_outlasts_its_database(private_server: PrivateServer) -> None:
    urls = private_server.urls
    with (
        serving(urls.app, urls.owner) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        saga = http.post("/sagas/fulfil-order", json=order_that_waits(http)).raise_for_status().json()
        with http.stream("GET", f"/sagas/{saga['saga_id']}/watch") as watching:
            lines = watching.iter_lines()
            next(line for line in lines if "book-carrier" in line)

            private_server.stop()
            private_server.start()

            *_, last = (line for line in lines if line.startswith("data: "))
        assert json.loads(last.removeprefix("data: "))["status"] == "completed"


def test_while_the_database_is_away_clients_are_told_to_try_again(private_server: PrivateServer) -> None:
    urls = private_server.urls
    with (
        serving(urls.app, urls.owner, SAGA_REQUEST_SECONDS_MAX="3") as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        account = account_with(http, 5)
        deposit: Json = {"url": f"/aggregates/account/{account}/deposit", "json": {"money": money(1)}}
        deposit["headers"] = {"Idempotency-Key": "once"}
        private_server.stop()
        with ThreadPoolExecutor() as threads:
            answers = [
                threads.submit(http.get, "/health/ready"),
                threads.submit(http.get, f"/aggregates/account/{account}"),
                threads.submit(http.get, "/sagas"),
                threads.submit(http.get, "/sandbox/carrier/bookings"),
                threads.submit(http.post, **deposit),
            ]
        for answer in (each.result() for each in answers):
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.headers["content-type"] == "application/problem+json"
        assert http.get("/health/live").status_code == 200

        private_server.start()
        until(lambda: http.get("/health/ready").status_code == 200)

        until(lambda: http.post(**deposit).status_code == 200)  # each pool connects again by itself
        assert balance(http, account) == 6, "the first one may have happened, the second one must not"


def test_a_store_that_would_lose_events_is_not_served(database: Database) -> None:
    """As after a restore without sequences: new events would hide behind positions that are taken."""
    with (
        serving(database.url, database.owner_url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        account_with(http, 100)
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("select setval('eventstore.position_seq', 1)")

    env = environment(
        SAGA_DATABASE_URL=database.url, SAGA_OWNER_DATABASE_URL=database.owner_url, SAGA_PORT="0"
    )
    refused = subprocess.run(
        command("serve"), cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )

    assert refused.returncode == 1
    assert "position_seq is at 1, behind the events" in refused.stderr
    assert "Traceback" not in refused.stderr


LAST_MOMENT = """
import os, signal, sys
from app.server import run_server
from app.settings import Settings
code = run_server(Settings.load(), until_eof=True)
os.kill(os.getpid(), signal.SIGTERM)
sys.exit(code)
"""


def test_a_signal_in_the_last_moment_does_not_change_how_it_ended(database: Database) -> None:
    """All is closed by then, and the process only has to go."""
    settings = {"SAGA_DATABASE_URL": database.url, "SAGA_OWNER_DATABASE_URL": database.owner_url}
    done = subprocess.run(
        [sys.executable, "-c", LAST_MOMENT],
        cwd=ROOT,
        env=environment(SAGA_PORT="0", **settings),
        input=b"",  # its end is the sign to stop
        timeout=120,
        check=False,
    )

    assert done.returncode == 0
