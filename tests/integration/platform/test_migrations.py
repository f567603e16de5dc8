"""Migrations: complete, repeatable, and safe when several processes begin at once."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from app.database import (
    APP_ROLE,
    OWNER_ROLE,
    VERSION_TABLE,
    DatabaseUnusable,
    DatabaseUrls,
    migrate,
    open_database,
    prepare_embedded,
    upgrade,
)
from app.embedded import EmbeddedPostgres
from app.settings import Settings

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

MIGRATE_PROGRAM = """
import asyncio, sys
from app.database import DatabaseUrls, migrate

asyncio.run(migrate(DatabaseUrls(*sys.argv[1:])))
"""


@pytest.fixture
def empty_database(postgres_server: EmbeddedPostgres) -> Iterator[DatabaseUrls]:
    """A database with its roles and nothing in it."""
    name = "migration_test"
    yield prepare_embedded(postgres_server, name)
    with psycopg.connect(postgres_server.url(), autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def applied(urls: DatabaseUrls) -> list[tuple[str]]:
    with psycopg.connect(urls.owner) as connection:
        rows = connection.execute(sql.SQL("TABLE {} ORDER BY 1").format(sql.Identifier(VERSION_TABLE)))
        return rows.fetchall()


def role_of(url: str) -> str:
    with psycopg.connect(url) as connection:
        return connection.info.user


def test_processes_that_migrate_at_once_do_not_break(empty_database: DatabaseUrls) -> None:
    urls = [empty_database.app, empty_database.owner, empty_database.direct]
    command = [sys.executable, "-c", MIGRATE_PROGRAM, *urls]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]

    complaints = [process.communicate()[1] for process in both]

    assert [process.returncode for process in both] == [0, 0, 0], complaints
    assert len(applied(empty_database)) > 0
    with psycopg.connect(empty_database.app) as connection:
        assert connection.execute("SELECT count(*) FROM eventstore.events").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM dbos.workflow_status").fetchone() == (0,)


async def test_migrating_again_is_fast_and_changes_nothing(empty_database: DatabaseUrls) -> None:
    first_seconds = await seconds_of_migrating(empty_database)
    first = applied(empty_database)

    again_seconds = [await seconds_of_migrating(empty_database) for _ in range(3)]

    assert applied(empty_database) == first
    assert min(again_seconds) < first_seconds / 2  # 0.04 s and 0.7 s on an idle machine


async def seconds_of_migrating(urls: DatabaseUrls) -> float:
    began = time.monotonic()
    await migrate(urls)
    return time.monotonic() - began


async def test_a_database_of_a_newer_version_is_refused(empty_database: DatabaseUrls) -> None:
    await migrate(empty_database)
    with psycopg.connect(empty_database.owner) as connection:
        table = sql.Identifier(VERSION_TABLE)
        connection.execute(sql.SQL("INSERT INTO {} VALUES ('from_the_future')").format(table))

    with pytest.raises(DatabaseUnusable, match="newer version"):
        await migrate(empty_database)


async def test_a_role_that_may_not_migrate_is_told_which_setting_helps(empty_database: DatabaseUrls) -> None:
    without_owner = DatabaseUrls(empty_database.app, empty_database.app, empty_database.app)

    with pytest.raises(DatabaseUnusable, match="SAGA_OWNER_DATABASE_URL"):
        await migrate(without_owner)


async def test_one_given_role_can_be_owner_and_application(empty_database: DatabaseUrls) -> None:
    async with open_database(Settings(database_url=empty_database.owner)) as urls:
        await migrate(urls)

        assert urls == DatabaseUrls(empty_database.owner, empty_database.owner, empty_database.owner)
        with psycopg.connect(urls.app) as connection:
            assert connection.execute("SELECT count(*) FROM eventstore.events").fetchone() == (0,)


async def test_an_application_role_that_comes_later_gets_its_rights(empty_database: DatabaseUrls) -> None:
    one_role = DatabaseUrls(empty_database.owner, empty_database.owner, empty_database.owner)
    await migrate(one_role)

    await migrate(empty_database)

    with psycopg.connect(empty_database.app) as connection:
        for table in ("eventstore.events", "saga.attempts", "readmodels.sagas", "sandbox.bookings"):
            assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)


async def test_the_embedded_database_opens_with_an_owner_and_an_application_role(data_dir: Path) -> None:
    async with open_database(Settings(data_dir=data_dir)) as urls:
        await migrate(urls)
        roles = [role_of(url) for url in (urls.app, urls.owner, urls.direct)]

    assert roles == [APP_ROLE, OWNER_ROLE, APP_ROLE]


async def test_a_database_in_another_encoding_is_refused(postgres_server: EmbeddedPostgres) -> None:
    name = "in_another_encoding"
    with psycopg.connect(postgres_server.url(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
        try:
            with pytest.raises(DatabaseUnusable, match="UTF8 is needed, this one is in SQL_ASCII"):
                async with open_database(Settings(database_url=postgres_server.url(database=name))):
                    pass
        finally:
            admin.execute(f"DROP DATABASE {name}")


async def test_an_unreachable_database_is_said_in_one_line() -> None:
    nowhere = Settings(database_url="postgresql://nobody@127.0.0.1:1/saga")

    with pytest.raises(DatabaseUnusable, match="cannot connect"):
        await asyncio.wait_for(open_database(nowhere).__aenter__(), timeout=20)


async def test_rows_of_the_list_get_the_columns_of_a_later_version(empty_database: DatabaseUrls) -> None:
    """As a server of the first version wrote them, before the migration and after it."""
    summary = {
        "requested_at": "2026-01-31T12:00:00Z",
        "correlation_id": "trace",
        "attributes": {"order": "1"},
        "parent": {"saga_id": "mother", "step": "1"},
    }
    insert = """
        INSERT INTO readmodels.sagas (saga_id, position, name, status, named_run, updated_at, summary)
        VALUES (%s, %s, 'toy', %s, 1, '2026-01-31T12:00:01Z', %s)
    """
    await asyncio.to_thread(upgrade, empty_database.owner, "readmodels_0001")
    with psycopg.connect(empty_database.owner) as connection:
        connection.execute(insert, ["before", 1, "waiting", Jsonb(summary)])
        connection.execute("INSERT INTO eventstore.checkpoints (subscription, position) VALUES ('sagas', 1)")

    await migrate(empty_database)

    with psycopg.connect(empty_database.owner) as connection:
        connection.execute(insert, ["after", 2, "waiting", Jsonb({**summary, "asleep": True})])
        rows = connection.execute(
            """
            SELECT attributes, correlation_id, parent, requested_at, due_at FROM readmodels.sagas
             ORDER BY position
            """
        ).fetchall()
    requested, updated = datetime(2026, 1, 31, 12, tzinfo=UTC), datetime(2026, 1, 31, 12, 0, 1, tzinfo=UTC)
    assert rows == [
        ({"order": "1"}, "trace", "mother", requested, updated),
        ({"order": "1"}, "trace", "mother", requested, None),
    ]
