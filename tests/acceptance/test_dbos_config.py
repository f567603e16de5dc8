"""`dbos migrate` and `dbos start`, as dbos-config.yaml tells them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from app.database import APP_ROLE, OWNER_ROLE, prepare_embedded
from app.embedded import EmbeddedPostgres
from tests.acceptance.server import (
    ROOT,
    STOP_SECONDS_MAX,
    ServerProcess,
    account_with,
    await_ready,
    balance,
    environment,
    free_port,
    money,
    order_of,
    start,
    stock_of,
    until,
)
from tests.conftest import Database, fresh_database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

BIN = Path(sys.executable).parent
EMPTY = "dbos_config_empty"
SLOW_CARRIER = {"mode": "slow", "delay_ms": 10_000}


@pytest.fixture
def empty_database(postgres_server: EmbeddedPostgres) -> Iterator[Database]:
    """A database in which nothing was migrated."""
    prepare_embedded(postgres_server, EMPTY)
    with fresh_database(postgres_server, EMPTY) as database:
        yield database


def dbos_environment(**settings: str) -> dict[str, str]:
    """The shell in which a person types `dbos`: the commands of .venv are found."""
    return environment(PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}", **settings)


def dbos_migrate(*arguments: str, **settings: str) -> str:
    """What it says."""
    done = subprocess.run(
        [BIN / "dbos", "migrate", *arguments],
        cwd=ROOT,
        env=dbos_environment(**settings),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def dbos_started(database: Database, log: Path) -> Iterator[ServerProcess]:
    """`dbos start`, and the server that it started, ready. Nothing of it outlives the context."""
    port = free_port()
    urls = {"SAGA_DATABASE_URL": database.url, "SAGA_OWNER_DATABASE_URL": database.owner_url}
    env = dbos_environment(SAGA_PORT=str(port), **urls)
    with log.open("wb") as output:
        process = subprocess.Popen([BIN / "dbos", "start"], cwd=ROOT, env=env, stdout=output, stderr=output)
    started = ServerProcess(f"http://127.0.0.1:{port}", process, log)
    below: list[psutil.Process] = []
    try:
        await_ready(started)
        below = psutil.Process(process.pid).children(recursive=True)
        assert below
        yield started
        process.wait(STOP_SECONDS_MAX)
        psutil.wait_procs(below, timeout=STOP_SECONDS_MAX)
        assert not any(each.is_running() for each in below), log.read_text()
    finally:
        for left in below:
            if left.is_running():
                left.kill()
        if process.poll() is None:
            process.kill()
        process.wait()


def tables_of(database: Database) -> set[str]:
    with psycopg.connect(database.admin_url) as connection:
        rows = connection.execute("select schemaname from pg_tables").fetchall()
    return {schema for (schema,) in rows}


def test_dbos_migrate_makes_the_schemas_of_both(empty_database: Database) -> None:
    said = dbos_migrate(SAGA_DATABASE_URL=empty_database.owner_url)

    assert "the database is up to date" in said
    assert {"dbos", "eventstore"} <= tables_of(empty_database)


def test_dbos_migrate_is_told_the_owner_when_the_application_owns_nothing(empty_database: Database) -> None:
    urls = {"SAGA_DATABASE_URL": empty_database.url, "SAGA_OWNER_DATABASE_URL": empty_database.owner_url}
    dbos_migrate("--sys-db-url", empty_database.owner_url, **urls)

    with psycopg.connect(empty_database.url) as application:
        query = "select has_table_privilege(%s, 'dbos.workflow_status', 'insert')"
        assert application.execute(query, [APP_ROLE]).fetchone() == (True,)
        owner = "select tableowner from pg_tables where schemaname = 'dbos' and tablename = 'workflow_status'"
        assert application.execute(owner).fetchone() == (OWNER_ROLE,)
    dbos_migrate(**urls)  # nothing is left to do, so the application's role will do


def test_dbos_start_serves_until_it_is_told_to_end(database: Database, tmp_path: Path) -> None:
    log = tmp_path / "dbos.log"
    with (
        dbos_started(database, log) as dbos,
        httpx.Client(base_url=dbos.url, timeout=60) as http,
        ThreadPoolExecutor() as threads,
    ):
        source, target = account_with(http, 900), account_with(http, 0)
        transfer = {"source": source, "target": target, "money": money(500)}
        assert start(http, "transfer-funds", transfer).json()["status"] == "completed"
        assert balance(http, target) == 500

        http.put("/sandbox/carrier/behaviour", json=SLOW_CARRIER).raise_for_status()
        http.post("/aggregates/account/shop/open-account", json={"currency": "USD"}).raise_for_status()
        order = order_of(account_with(http, 10_000), stock_of(http, 1))
        waiting = threads.submit(start, http, "fulfil-order", order)
        saga = f"/sagas/fulfil-order-{order['order_id']}"
        until(lambda: http.get(saga).status_code == 200)
        dbos.process.terminate()

        assert waiting.result().status_code == 202  # answered, not cut
    assert "Traceback" not in log.read_text()
    assert "the end takes too long" not in log.read_text()
