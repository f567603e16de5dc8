"""Projections are registered by the migration: with their tables, once."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from app.database import DatabaseUrls, migrate, prepare_embedded, upgrade
from app.embedded import EmbeddedPostgres
from app.readmodels.projections import projections_of
from domain.aggregates import CATALOG
from workflows.saga.codec import EventCodec

PROJECTIONS = projections_of(EventCodec(CATALOG))

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ROWS = "select subscription, kind, version, position, tables from eventstore.checkpoints order by 1"


@pytest.fixture
def empty_database(postgres_server: EmbeddedPostgres) -> Iterator[DatabaseUrls]:
    name = "registration_test"
    yield prepare_embedded(postgres_server, name)
    with psycopg.connect(postgres_server.url(), autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def test_each_has_tables_and_a_checkpoint_of_its_version(empty_database: DatabaseUrls) -> None:
    await migrate(empty_database)

    with psycopg.connect(empty_database.app) as connection:
        rows = connection.execute(ROWS).fetchall()
        assert rows == sorted((p.name, "projection", p.version, 0, list(p.tables)) for p in PROJECTIONS)
        for projection in PROJECTIONS:
            for table in projection.tables:
                query = sql.SQL("select count(*) from readmodels.{}").format(sql.Identifier(table))
                assert connection.execute(query).fetchone() == (0,)


async def test_rows_and_checkpoints_from_before_versions_stay(
    empty_database: DatabaseUrls,
) -> None:
    await asyncio.to_thread(upgrade, empty_database.owner, "eventstore_0002")
    await asyncio.to_thread(upgrade, empty_database.owner, "readmodels_0002")
    with psycopg.connect(empty_database.owner) as connection:
        connection.execute("insert into eventstore.checkpoints values ('sagas', 7), ('start-it', 5)")
        connection.execute(
            """
            insert into readmodels.sagas (saga_id, position, name, status, named_run, updated_at, summary)
            values ('s1', 1, 'toy', 'completed', 1, now(), '{}')
            """
        )

    await migrate(empty_database)
    await migrate(empty_database)

    with psycopg.connect(empty_database.app) as connection:
        rows = {row[0]: row[1:] for row in connection.execute(ROWS).fetchall()}
        assert rows["sagas"] == ("projection", 1, 7, ["sagas"])
        assert rows["start-it"] == ("subscription", 1, 5, [])
        assert connection.execute("select saga_id from readmodels.sagas").fetchall() == [("s1",)]
