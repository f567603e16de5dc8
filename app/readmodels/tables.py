"""Rows in and out of the tables of a projection, many in one statement.

Tables are named without a schema: the search path of the projection's transaction says which ones are meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True)
class Table:
    """A table, the columns that make its key, and the others that a projection writes."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]

    async def rows(self, connection: Connection, keys: Sequence[tuple[str, ...]]) -> list[Row]:
        """The rows that have these keys."""
        wanted = [dict(zip(self.key, key, strict=True)) for key in keys]
        cursor = connection.cursor(row_factory=dict_row)
        await cursor.execute(self._select, [_json(wanted)])
        return await cursor.fetchall()

    async def put(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Insert the rows, or replace those that have their keys."""
        if rows:
            await connection.execute(self._upsert, [_json(rows)])

    async def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Insert rows that were never there; one that is there is an error."""
        if rows:
            await connection.execute(self._insert, [_json(rows)])

    async def remove(self, connection: Connection, keys: Sequence[tuple[str, ...]]) -> None:
        """Delete the rows that have these keys."""
        if keys:
            gone = [dict(zip(self.key, key, strict=True)) for key in keys]
            await connection.execute(self._delete, [_json(gone)])

    @cached_property
    def _insert(self) -> sql.Composed:
        written = _names(*self.key, *self.columns)
        return sql.SQL("insert into {} ({}) select {} from {}").format(
            sql.Identifier(self.name), written, written, self._given
        )

    @cached_property
    def _upsert(self) -> sql.Composed:
        changes = (sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column)) for column in self.columns)
        return sql.SQL("{} on conflict ({}) do update set {}").format(
            self._insert, _names(*self.key), sql.SQL(", ").join(changes)
        )

    @cached_property
    def _select(self) -> sql.Composed:
        return sql.SQL("select {table}.* from {given} join {table} using ({key})").format(
            table=sql.Identifier(self.name), given=self._given, key=_names(*self.key)
        )

    @cached_property
    def _delete(self) -> sql.Composed:
        return sql.SQL("delete from {table} where ({key}) in (select {key} from {given})").format(
            table=sql.Identifier(self.name), given=self._given, key=_names(*self.key)
        )

    @property
    def _given(self) -> sql.Composed:
        """The parameter as rows of this table."""
        return sql.SQL("jsonb_populate_recordset(null::{}, %s) as given").format(sql.Identifier(self.name))


def _names(*names: str) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _json(rows: Sequence[Row]) -> Jsonb:
    return Jsonb(rows, dumps=orjson.dumps)
