"""Workers beside servers: they take over, hand over, and are seen by whoever asks a server."""

import json
import subprocess

import httpx
import pytest

from tests.acceptance.server import ROOT, Json, command, environment, until
from tests.conftest import Database
from tests.recovery.faults import ShortCalls
from tests.recovery.launcher import Server, serving, working
from tests.recovery.shop import Carrier, Look, assert_books_balance, await_end, open_shop, order, place

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ORDERS = 10


def remote(carrier: Carrier) -> dict[str, str]:
    return {
        "SAGA_CARRIER_URL": carrier.url,
        "SAGA_SUPPLIER_URL": carrier.url.replace("/carrier", "/supplier"),
    }


def listed(server: Server) -> dict[str, Json]:
    """What `saga executors` says, by executor id."""
    called = subprocess.run(
        command("executors", "--json"),
        cwd=ROOT,
        env=environment(SAGA_URL=server.url),
        capture_output=True,
        check=True,
    )
    return {each["id"]: each for each in json.loads(called.stdout)["executors"]}


def test_a_worker_takes_over_and_hands_over(database: Database, carrier: Carrier) -> None:
    look, settings = Look(database), remote(carrier)
    carrier.behave(mode="slow", delay_ms=60_000)
    with (
        working(database, ShortCalls(), **settings) as worker,
        serving(database, ShortCalls(), **settings) as victim,
        httpx.Client(base_url=victim.url, timeout=30) as http,
    ):
        open_shop(http)
        sagas = [place(http, order(f"order-{number}")) for number in range(ORDERS)]
        first = listed(victim)
        kinds = {each["pid"]: (each["kind"], each["state"]) for each in first.values()}
        assert kinds == {worker.pid: ("worker", "alive"), victim.pid: ("server", "alive")}
        assert {each["slots"] for each in first.values()} == {64}
        [worker_id] = [each["id"] for each in first.values() if each["kind"] == "worker"]
        [victim_id] = [each["id"] for each in first.values() if each["kind"] == "server"]

        victim.kill()
        until(lambda: look.executors(buried=True) == [victim_id])
        until(lambda: bool(look.runs("PENDING", executor=worker_id)))
        figures = httpx.get(f"{worker.url}/metrics").raise_for_status().text
        assert 'kind="worker"' in figures
        assert "saga_slots 64.0" in figures

        with serving(database, ShortCalls(), **settings) as other:
            assert worker.stop() == 0, worker.log.read_text()
            carrier.behave(mode="ok")
            with httpx.Client(base_url=other.url, timeout=30) as asking:
                await_end(asking, *sagas)
                assert_books_balance(asking, completed=ORDERS)
            until(lambda: look.executors(buried=True) == [worker_id, victim_id])
            until(lambda: not look.runs("PENDING"))
            last = listed(other)
            assert {key: each["state"] for key, each in last.items() if each["pid"] != other.pid} == {
                worker_id: "buried",
                victim_id: "buried",
            }
            assert sum(each["runs_in_flight"] for each in last.values()) == 0
    assert not look.steps_done_twice()


def test_a_worker_without_remote_systems_is_refused(database: Database) -> None:
    called = subprocess.run(
        command("worker"),
        cwd=ROOT,
        env=environment(SAGA_DATABASE_URL=database.url),
        capture_output=True,
        text=True,
        check=False,
    )

    assert called.returncode == 1
    assert "set SAGA_CARRIER_URL and SAGA_SUPPLIER_URL" in called.stderr


def test_a_worker_without_a_port_runs_and_stops(database: Database, carrier: Carrier) -> None:
    look = Look(database)
    settings = {"SAGA_DATABASE_URL": database.url, "SAGA_OWNER_DATABASE_URL": database.owner_url}
    worker = subprocess.Popen(command("worker"), cwd=ROOT, env=environment(**settings, **remote(carrier)))
    try:
        until(lambda: len(look.rows("select from eventstore.executors where kind = 'worker'")) == 1)
        worker.terminate()
        assert worker.wait(30) == 0
    finally:
        worker.kill()
        worker.wait()
