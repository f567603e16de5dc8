"""`saga check` while a server works: it looks at sagas in the middle of their steps, and touches none."""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx
import psycopg
import pytest
from psycopg import sql

from app.embedded import EmbeddedPostgres
from tests.acceptance.server import ROOT, Json, command, environment, money, until
from tests.conftest import Database
from tests.integration.checking.other_code import environment_of, orders_begin_with_an_account
from tests.recovery.faults import ShortCalls
from tests.recovery.launcher import serving
from tests.recovery.shop import Look, behave, open_shop, order, place, saga, saga_of

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

HELD = [f"held-{number}" for number in range(3)]
HELD_SECONDS = 600


@pytest.fixture
def reader_url(postgres_server: EmbeddedPostgres, database: Database) -> Iterator[str]:
    """The database for a role that may read everything and write nothing."""
    role = f"reader_of_{database.name}"
    with psycopg.connect(postgres_server.url(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN IN ROLE pg_read_all_data").format(sql.Identifier(role)))
        yield postgres_server.url(role=role, database=database.name)
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@contextmanager
def working(http: httpx.Client, look: Look) -> Iterator[None]:
    """Some orders are held at the carrier, and one transfer after the other is done meanwhile."""
    open_shop(http)
    behave(http, mode="slow", delay_ms=HELD_SECONDS * 1000)
    for order_id in HELD:
        place(http, order(order_id))
    until(lambda: len(look.bookings()) == len(HELD))
    enough = Event()

    def transfer() -> None:
        while not enough.is_set():
            asked = {"source": "ana", "target": "shop", "money": money(1)}
            http.post("/sagas/transfer-funds", json=asked).raise_for_status()
            enough.wait(0.05)

    with ThreadPoolExecutor(1) as thread:
        transferring = thread.submit(transfer)
        try:
            yield
        finally:
            enough.set()
        transferring.result()


def check(url: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("check", "--json"),
        cwd=ROOT,
        env=environment(SAGA_DATABASE_URL=url, **settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_finds_nothing_wrong_and_writes_nothing(database: Database, reader_url: str) -> None:
    look = Look(database)
    with (
        serving(database, ShortCalls(HELD_SECONDS)) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        with working(http, look):
            executors = look.executors()

            checked = check(reader_url)

            until(lambda: look.value("select count(*) from eventstore.events") > report(checked)["events"])
        found = report(checked)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert (found["ok"], found["findings"]) == (True, [])
        assert found["replayed"] >= len(HELD)
        assert look.executors() == executors
        assert look.steps_done_twice() == []


def test_it_names_the_sagas_under_way_that_a_changed_definition_does_not_fit(
    database: Database, reader_url: str, tmp_path: Path
) -> None:
    look = Look(database)
    with (
        serving(database, ShortCalls(HELD_SECONDS)) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        with working(http, look):
            checked = check(reader_url, **environment_of(orders_begin_with_an_account, tmp_path))

        findings = {finding["saga_id"]: finding for finding in report(checked)["findings"]}
        assert checked.returncode == 1, checked.stdout + checked.stderr
        for saga_id in map(saga_of, HELD):
            assert (findings[saga_id]["kind"], findings[saga_id]["step"]) == ("step", "1")
            assert findings[saga_id]["recorded"].startswith("PlaceOrder")
            assert findings[saga_id]["asked"].startswith("OpenAccount")
            assert saga(http, saga_id)["ended_at"] is None


def report(checked: subprocess.CompletedProcess[str]) -> Json:
    assert checked.stdout, checked.stderr
    printed: Json = json.loads(checked.stdout)
    return printed
