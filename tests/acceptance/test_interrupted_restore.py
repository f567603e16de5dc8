"""A restore that was killed is finished by another one, and no server starts before."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from app.database import OWNER_ROLE, RESTORING_SCHEMA
from app.embedded import EmbeddedPostgres
from app.postgres_tools import fitting
from tests.acceptance.server import Json
from tests.acceptance.test_cli import Outcome, document, error_line, run
from tests.conftest import Database, fresh_database
from tests.integration.audit.logs import fill, seal_all

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def empty(postgres_server: EmbeddedPostgres) -> Iterator[Database]:
    """A database that nobody has migrated."""
    name = "empty"
    with psycopg.connect(postgres_server.url(), autocommit=True) as admin:
        names = sql.Identifier(name), sql.Identifier(OWNER_ROLE)
        admin.execute(sql.SQL("create database {} owner {}").format(*names))
        yield Database(
            name,
            postgres_server.url(role="saga_app", database=name),
            postgres_server.url(role=OWNER_ROLE, database=name),
            postgres_server.url(database=name),
        )
        admin.execute(sql.SQL("drop database {} with (force)").format(names[0]))


@pytest.fixture
async def dump(postgres_server: EmbeddedPostgres, template_database: str, tmp_path: Path) -> Path:
    """Of a database with twelve events."""
    with fresh_database(postgres_server, template_database) as database:
        await fill(database)
        await seal_all(database)
        on(database, "dump", str(tmp_path / "saga.dump")).check_returncode()
    return tmp_path / "saga.dump"


def on(database: Database, *arguments: str) -> Outcome:
    return run(*arguments, SAGA_DATABASE_URL=database.url, SAGA_OWNER_DATABASE_URL=database.owner_url)


def restores(database: Database) -> list[Json]:
    with psycopg.connect(database.admin_url) as connection:
        query = "select last_position, first_position from eventstore.restores"
        return [{"last": last, "first": first} for last, first in connection.execute(query)]


def begin(database: Database) -> None:
    """What a restore does first."""
    with psycopg.connect(database.owner_url) as owner:
        owner.execute(sql.SQL("create schema {}").format(sql.Identifier(RESTORING_SCHEMA)))


def test_one_that_was_killed_at_its_beginning_begins_anew(empty: Database, dump: Path) -> None:
    begin(empty)
    assert "has not come to its end" in error_line(on(empty, "migrate"))

    restored = document(on(empty, "restore", str(dump), "--json"))

    assert restores(empty) == [{"last": 12, "first": restored["first_position"]}]
    on(empty, "migrate").check_returncode()


def test_one_that_was_killed_before_its_end_is_only_finished(empty: Database, dump: Path) -> None:
    begin(empty)
    program = fitting("pg_restore", 14)
    options = ["--single-transaction", "--no-owner", "--no-privileges", f"--dbname={empty.owner_url}"]
    subprocess.run([program, *options, dump], check=True)
    with psycopg.connect(empty.owner_url) as owner:
        owner.execute("select setval('eventstore.position_seq', 3)")  # also one that was restored wrongly
    assert "has not come to its end" in error_line(on(empty, "migrate"))

    document(on(empty, "restore", str(dump), "--json"))

    [noted] = restores(empty)
    assert noted["last"] == 12 < noted["first"]
    with psycopg.connect(empty.admin_url) as connection:
        [drawn] = connection.execute("select nextval('eventstore.position_seq')").fetchall()
    assert drawn == (noted["first"],)
    assert document(on(empty, "verify", "--json"))["ok"]
