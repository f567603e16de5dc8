"""A digest is over stored bytes: whoever computes it, with whatever settings, before and after a restore."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

import orjson
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from psycopg.types.json import Jsonb

from app.cluster import PROGRAMS
from app.database import DatabaseUrls, migrate
from eventstore.audit.records import commands_between, events_between
from eventstore.audit.verification import Scope
from eventstore.connections import configure
from tests.conftest import Database
from tests.integration.audit.logs import anchor_of, fill, seal_all, verified

pytestmark = pytest.mark.postgres

SETTINGS: list[LiteralString] = [
    "set timezone = 'Asia/Kathmandu'",
    "set datestyle = 'German, DMY'",
    "set intervalstyle = 'iso_8601'",
    "set extra_float_digits = -15",
    "set bytea_output = 'escape'",
    "set client_encoding = 'LATIN1'",
    "set standard_conforming_strings = off",
    "set lc_numeric = 'C'",
    "set search_path = pg_temp",
]
TEXT = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
JSON = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**63), 2**64 - 1) | TEXT
    | some.floats(allow_nan=False, allow_infinity=False),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
EVENT = some.tuples(
    some.dictionaries(TEXT, JSON, max_size=4),
    some.dictionaries(TEXT, JSON, max_size=2),
    TEXT,
    some.uuids(),
    some.integers(0, 2**53).map(lambda us: datetime(1980, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)),
)


@pytest.fixture
def admin(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        yield connection


@given(EVENT)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_event_has_the_same_digest_here_and_there(
    database: Database,
    admin: psycopg.Connection[Any],
    event: tuple[dict[str, Any], dict[str, Any], str, UUID, datetime],
) -> None:
    data, metadata, name, event_id, recorded_at = event
    row = admin.execute(
        """insert into eventstore.events
           select nextval('eventstore.position_seq'), currval('eventstore.position_seq'), %(name)s,
                  currval('eventstore.position_seq'), %(id)s, %(name)s, 1, %(data)s, %(metadata)s, %(at)s
           returning position""",
        {
            "name": name,
            "id": event_id,
            "data": Jsonb(data, dumps=orjson.dumps),
            "metadata": Jsonb(metadata, dumps=orjson.dumps),
            "at": recorded_at,
        },
    ).fetchone()
    assert row is not None

    (read,) = asyncio.run(_digests(database.url, row[0] - 1, row[0]))

    for statement in ("reset all", *SETTINGS):
        admin.execute(statement.encode())
        stored = admin.execute(
            b"select eventstore.event_digest_v1(e) from eventstore.events as e where position = %s",
            [row[0]],
            binary=True,
        ).fetchone()
        assert stored == (read,), statement
    admin.execute("reset all")


async def test_a_command_id_has_the_same_digest_here_and_there(database: Database) -> None:
    await fill(database, 3)
    async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as connection:
        read = [row.entry().digest async for row in commands_between(connection, 0, 100)]
        cursor = await connection.execute(
            "select eventstore.command_digest_v1(c) from eventstore.commands as c order by position"
        )
        assert [row[0] for row in await cursor.fetchall()] == read
    assert len(read) == 2


@pytest.mark.slow
async def test_a_log_that_was_dumped_and_restored_verifies(database: Database, tmp_path: Path) -> None:
    await fill(database)
    await seal_all(database)
    anchor = await anchor_of(database)
    with restored(database, tmp_path / "dump") as copy:
        await migrate(DatabaseUrls(copy.url, copy.owner_url, copy.url))
        before = await verified(copy, Scope(anchors=[anchor]))
        await fill(copy, 2, first=7)
        await seal_all(copy)
        after = await verified(copy, Scope(anchors=[anchor]))

    assert (before.findings, before.anchors, before.events) == ([], 1, 12)
    assert (after.findings, after.anchors, after.events) == ([], 1, 16)


@contextmanager
def restored(database: Database, dump: Path) -> Iterator[Database]:
    """A copy of the database by way of pg_dump and pg_restore, as docs/operate.md says."""
    name = f"{database.name}_restored"
    urls = [
        url.replace(f"/{database.name}?", f"/{name}?")
        for url in (database.url, database.owner_url, database.admin_url)
    ]
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(f"create database {name} owner saga_owner".encode())
        try:
            command = [PROGRAMS / "pg_dump", "--format=custom", "--file", dump, database.owner_url]
            subprocess.run(command, check=True)
            command = [PROGRAMS / "pg_restore", "--exit-on-error", "--dbname", urls[1], dump]
            subprocess.run(command, check=True)
            yield Database(name, *urls)
        finally:
            connection.execute(f"drop database {name} with (force)".encode())


async def _digests(url: str, after: int, last: int) -> list[bytes]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await configure(connection)
        return [row.entry().digest async for row in events_between(connection, after, last)]
