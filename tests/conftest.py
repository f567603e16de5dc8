"""One embedded Postgres for the whole test run, one fresh database for each test that asks."""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psutil
import psycopg
import pytest
from hypothesis import settings
from psycopg import sql

from app import embedded
from app.cluster import Cluster
from app.database import APP_ROLE, OWNER_ROLE, DatabaseUrls, migrate, prepare_embedded
from app.embedded import EmbeddedPostgres

TEMPLATE = "saga_template"
# The tests kill our processes, never the machine.
TEST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "400", "max_wal_size": "128MB"}
STOP_SECONDS_MAX = 30
MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 4 * 1024**3
"""With so much room the servers keep their data in memory: creating a database is ten times as fast there."""

_numbers = count(1)


def pytest_configure() -> None:
    """The tests mean the same wherever they run: the settings and the width of a shell do not count."""
    for name in [name for name in os.environ if name.startswith("SAGA_") or name == "COLUMNS"]:
        del os.environ[name]
    settings.register_profile("saga", deadline=None)  # how long an example takes is the machine's affair
    settings.load_profile("saga")
    # Nothing here speaks TLS, and each client of httpx would read all authorities of the world: 27 ms.
    os.environ.pop("SSL_CERT_FILE", None)
    os.environ["SSL_CERT_DIR"] = os.devnull
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


@dataclass(frozen=True)
class Database:
    """A migrated database: `url` as the application, `owner_url` as its owner, `admin_url` as superuser."""

    name: str
    url: str
    owner_url: str
    admin_url: str


@dataclass(frozen=True)
class PrivateServer:
    """A Postgres of one test's own, with a migrated database, that the test may stop and start."""

    urls: DatabaseUrls
    data_dir: Path

    def stop(self) -> None:
        Cluster(self.data_dir).stop()

    def stop_at_once(self) -> None:
        """As `pg_ctl stop -m immediate`: no goodbye, and a recovery at the start."""
        [postmaster] = postmasters(self.data_dir)
        processes = [postmaster, *postmaster.children()]
        postmaster.send_signal(signal.SIGQUIT)
        _, alive = psutil.wait_procs(processes, 2 * STOP_SECONDS_MAX)
        assert not alive

    def start(self) -> None:
        Cluster(self.data_dir).start(TEST_SETTINGS)


@contextmanager
def temporary_server() -> Iterator[EmbeddedPostgres]:
    """A server in a directory of its own. Not below pytest's, which the server's user cannot enter."""
    data_dir = Path(tempfile.mkdtemp(prefix="saga-tests-"))
    server = embedded.start(data_dir, linger_seconds=0, settings=TEST_SETTINGS)
    try:
        yield server
    finally:
        server.close()
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while not embedded.stop_if_unused(data_dir):
            assert time.monotonic() < deadline, "a process that a test started still uses the server"
            time.sleep(0.02)
        shutil.rmtree(data_dir)


def postmasters(data_dir: Path) -> list[psutil.Process]:
    """The servers of this directory: of Postgres's processes there those whose parent is none."""
    found = Cluster(data_dir).processes()
    numbers = {process.pid for process in found}
    alone = []
    for process in found:
        with suppress(psutil.NoSuchProcess):  # a session may just have ended
            if process.ppid() not in numbers:
                alone.append(process)
    return alone


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """The server of this run."""
    with temporary_server() as server:
        yield server


@pytest.fixture
def private_server() -> Iterator[PrivateServer]:
    """A server that nobody else minds the end of; slower than `database` by a second."""
    with temporary_server() as server:
        urls = prepare_embedded(server)
        asyncio.run(migrate(urls))
        yield PrivateServer(urls, server.data_dir)


@pytest.fixture(scope="session")
def template_database(postgres_server: EmbeddedPostgres) -> str:
    """The database that the others are copied from; migrated once."""
    asyncio.run(migrate(prepare_embedded(postgres_server, TEMPLATE)))
    return TEMPLATE


@contextmanager
def fresh_database(server: EmbeddedPostgres, template: str) -> Iterator[Database]:
    """A copy of the migrated `template`, dropped at the end whoever is still connected."""
    name = f"test_{next(_numbers)}"
    admin = psycopg.connect(server.url(), autocommit=True)
    names = sql.Identifier(name), sql.Identifier(template), sql.Identifier(OWNER_ROLE)
    with admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(*names))
        yield Database(
            name,
            url=server.url(role=APP_ROLE, database=name),
            owner_url=server.url(role=OWNER_ROLE, database=name),
            admin_url=server.url(database=name),
        )
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(names[0]))


@contextmanager
def database_on_a_server_of_its_own() -> Iterator[Database]:
    """A fresh migrated database, for a command that is no test."""
    with temporary_server() as server:
        asyncio.run(migrate(prepare_embedded(server, TEMPLATE)))
        with fresh_database(server, TEMPLATE) as database:
            yield database


@pytest.fixture
def database(postgres_server: EmbeddedPostgres, template_database: str) -> Iterator[Database]:
    """A fresh migrated database."""
    with fresh_database(postgres_server, template_database) as database:
        yield database
