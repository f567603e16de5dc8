"""`saga bench`, whole: on a server of its own and beside a given database. Nothing is left of it."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.database import APP_ROLE, OWNER_ROLE
from app.embedded import EmbeddedPostgres
from tests.acceptance.server import ROOT, STOP_SECONDS_MAX, command, environment, until
from tests.bench.table import tables
from tests.conftest import Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's, which the database server's user cannot enter."""
    folder = Path(tempfile.mkdtemp(prefix="saga-bench-"))
    yield folder
    shutil.rmtree(folder)


def bench(*options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("bench", *options),
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


def databases(server: EmbeddedPostgres) -> set[str]:
    with psycopg.connect(server.url()) as connection:
        rows = connection.execute("select datname from pg_database where datname like 'saga_bench_%'")
        return {str(name) for (name,) in rows.fetchall()}


def test_all_figures_are_there_and_the_server_is_gone(folder: Path) -> None:
    chart = folder / "chart.svg"

    done = bench("--quick", "--json", "--seconds=0.3", f"--chart={chart}", SAGA_DATA_DIR=str(folder / "data"))

    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert [rate["clients"] for rate in figures["sagas"]] == [1, 16]
    assert all(rate["p50_ms"] > 0 and rate["per_second"] > 0 for rate in figures["sagas"])
    assert [rate["clients"] for rate in figures["appends"]] == [1, 8]
    assert figures["projection_events_per_second"] > 0
    recovery = figures["recovery"]
    assert 0 < recovery["ready_seconds"] <= recovery["first_step_seconds"] <= recovery["all_done_seconds"]
    assert chart.read_text().startswith("<svg")
    assert list((folder / "data").glob("bench-*")) == []


def test_a_given_database_is_left_as_it_was(database: Database, postgres_server: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres_server.url(), autocommit=True) as admin:
        admin.execute(f"alter role {OWNER_ROLE} createdb")
        admin.execute("alter database template1 owner to current_user")
    settings = {"SAGA_DATABASE_URL": database.url, "SAGA_OWNER_DATABASE_URL": database.owner_url}

    done = bench("--quick", "--json", "--seconds=0.3", "--no-recovery", **settings)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["recovery"] is None
    assert databases(postgres_server) == set()
    with psycopg.connect(database.admin_url) as connection:
        assert connection.execute("select count(*) from eventstore.events").fetchone() == (0,)


def test_without_the_right_to_make_a_database_it_says_so_in_a_line(database: Database) -> None:
    done = bench("--quick", SAGA_DATABASE_URL=database.url.replace(OWNER_ROLE, APP_ROLE))

    assert done.returncode == 1
    assert done.stderr.startswith("saga: cannot make a database beside the configured one")
    assert len(done.stderr.splitlines()) == 1


def test_ctrl_c_drops_the_database(database: Database, postgres_server: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres_server.url(), autocommit=True) as admin:
        admin.execute(f"alter role {OWNER_ROLE} createdb")
    settings = {"SAGA_DATABASE_URL": database.url, "SAGA_OWNER_DATABASE_URL": database.owner_url}
    # Whoever was started in the background of a script has it ignored, and so have its children.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command("bench", "--seconds=60"),
        cwd=ROOT,
        env=environment(**settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    signal.signal(signal.SIGINT, before)
    try:
        until(lambda: bool(databases(postgres_server)))
        os.kill(process.pid, signal.SIGINT)
        process.wait(STOP_SECONDS_MAX)
        assert databases(postgres_server) == set()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_the_tables_of_bench_json_are_written_from_its_shape() -> None:
    rate = {"clients": 1, "per_second": 10.0, "p50_ms": 1.0, "p99_ms": 2.0}
    engine = {**rate, "least": 9.0, "most": 11.0}
    document = {
        "machine": {"processors": 2, "load": 0.1, "python": "3.11", "postgres": "18", "dbos": "3.4"},
        "figures": {
            "saga_bench": {
                "sagas": [{**rate, "steps_per_second": 50.0}],
                "appends": [rate],
                "projection_events_per_second": 100,
                "recovery": {
                    "sagas": 5,
                    "ready_seconds": 1.0,
                    "first_step_seconds": 2.0,
                    "all_done_seconds": 3.0,
                },
            },
            "compare": {"1": {"ours": engine, "absurd": None}, "floor": {"pgbench": engine}},
        },
        "ratios": {"saga_over_absurd": None, "append_over_pgbench": 0.6},
    }

    written = tables(document)

    assert "| Absurd | 1 | not installed |  |" in written
    assert "| `append_over_pgbench` | 0.6 |" in written
