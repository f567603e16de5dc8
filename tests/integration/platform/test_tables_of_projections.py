"""The file of a projection makes the tables that queries read, in whatever schema it runs."""

from typing import Any

import psycopg
import pytest
import sqlalchemy

from app.database import sqlalchemy_url
from app.readmodels.projections import projections_of, tables_file
from domain.aggregates import CATALOG
from eventstore.projections import LIVE_SCHEMA, Projection
from eventstore.schema_files import run_in_schema
from tests.conftest import Database
from workflows.saga.codec import EventCodec

PROJECTIONS = projections_of(EventCodec(CATALOG))

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

COLUMNS = """
    select c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated,
           a.attidentity, a.attcollation::regcollation::text, pg_get_expr(d.adbin, d.adrelid),
           col_description(c.oid, a.attnum)
      from pg_class as c join pg_attribute as a on a.attrelid = c.oid
      left join pg_attrdef as d on d.adrelid = c.oid and d.adnum = a.attnum
     where c.relnamespace = %(schema)s::regnamespace and c.relname = any(%(tables)s) and a.attnum > 0
       and not a.attisdropped
     order by 1, 2"""
INDEXES = """
    select tablename, indexname, replace(indexdef, schemaname || '.', '') from pg_indexes
     where schemaname = %(schema)s and tablename = any(%(tables)s) order by 1, 2"""
CONSTRAINTS = """
    select c.relname, x.conname, replace(pg_get_constraintdef(x.oid), %(schema)s || '.', '')
      from pg_constraint as x join pg_class as c on c.oid = x.conrelid
     where c.relnamespace = %(schema)s::regnamespace and c.relname = any(%(tables)s) order by 1, 2"""


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
def test_the_file_makes_what_the_migrations_made(database: Database, projection: Projection) -> None:
    make(database, projection, "beside")

    with psycopg.connect(database.owner_url) as connection:
        for query in (COLUMNS, INDEXES, CONSTRAINTS):
            live, made = (catalog(connection, query, projection, of) for of in (LIVE_SCHEMA, "beside"))
            assert live
            assert made == live


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
def test_a_projection_names_all_its_tables(database: Database, projection: Projection) -> None:
    make(database, projection, "beside")

    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute("select tablename from pg_tables where schemaname = 'beside'").fetchall()
    assert {name for (name,) in rows} == set(projection.tables)


def make(database: Database, projection: Projection, schema: str) -> None:
    engine = sqlalchemy.create_engine(sqlalchemy_url(database.owner_url), poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"create schema {schema}")
        run_in_schema(connection, tables_file(projection.name), schema)


def catalog(connection: Any, query: str, projection: Projection, schema: str) -> list[Any]:
    parameters = {"schema": schema, "tables": list(projection.tables)}
    rows: list[Any] = connection.execute(query, parameters).fetchall()
    return rows
