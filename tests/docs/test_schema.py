"""docs/reference/schema.md is what a migrated database has: every table, column, sequence and function."""

import re
from typing import LiteralString

import psycopg
import pytest

from tests.conftest import Database
from tests.docs.pages import page

pytestmark = pytest.mark.postgres

# DBOS documents its own schema.
OURS: LiteralString = "n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'public', 'dbos')"
COLUMNS: LiteralString = f"""
    select n.nspname || '.' || c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
      from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
      join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where {OURS} and c.relkind in ('r', 'p', 'v', 'm') order by c.oid, a.attnum"""
SEQUENCES: LiteralString = f"""
    select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
     where {OURS} and c.relkind = 'S'"""
FUNCTIONS: LiteralString = f"""
    select n.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
           pg_get_function_result(p.oid)
      from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace where {OURS}"""
_TABLE = re.compile(r"^### (\w+\.\w+)$(.*?)(?=^##|\Z)", re.M | re.S)
_COLUMN = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \| (.+) \|$", re.M)
_SEQUENCE = re.compile(r"^\| `(\w+\.\w+)` \| [^`]", re.M)
SCHEMA = page("docs/reference/schema.md").text


def test_tables_and_their_columns_are_those_of_the_database(database: Database) -> None:
    with psycopg.connect(database.admin_url) as connection:
        columns = connection.execute(COLUMNS).fetchall()

    documented = [
        (table, name, of_type)
        for table, text in _TABLE.findall(SCHEMA)
        for name, of_type, _ in _COLUMN.findall(text)
    ]

    assert sorted(documented) == sorted(columns)
    in_order = {table: [name for of, name, _ in columns if of == table] for table, _, _ in columns}
    for table, names in in_order.items():
        assert [name for of, name, _ in documented if of == table] == names


def test_sequences_and_functions_are_those_of_the_database(database: Database) -> None:
    with psycopg.connect(database.admin_url) as connection:
        sequences = {name for (name,) in connection.execute(SEQUENCES)}
        functions = dict(connection.execute(FUNCTIONS).fetchall())

    _, _, rest = SCHEMA.partition("## Sequences")
    listed, _, called = rest.partition("## Functions")

    assert set(_SEQUENCE.findall(listed)) == sequences
    assert {name: result for name, result, _ in _COLUMN.findall(called)} == functions
