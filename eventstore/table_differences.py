"""How the rows of two tables differ, compared as the text that Postgres makes of them: byte for byte."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import sql
from psycopg.rows import dict_row

from eventstore.checkpoints import Connection
from eventstore.errors import FollowerConflict

SHOWN_MAX: Final = 20
"""Keys and rows of each kind that are listed; the others are counted."""
SAMPLE_ROWS: Final = 1_000


@dataclass(frozen=True, slots=True)
class DifferingRow:
    """A row that both have: the values of the columns that differ, what is served first."""

    key: list[Any]
    columns: dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class TableDifference:
    """One table. The three counts are of the rows that were compared: all, or a sample of each side."""

    table: str
    rows_live: int
    rows_other: int
    compared: int
    only_live_count: int
    only_other_count: int
    differing_count: int
    only_live: list[list[Any]]
    only_other: list[list[Any]]
    differing: list[DifferingRow]
    columns_only_live: list[str]
    columns_only_other: list[str]

    @property
    def same(self) -> bool:
        found = (self.only_live_count, self.only_other_count, self.differing_count)
        columns = self.columns_only_live or self.columns_only_other
        return self.rows_live == self.rows_other and not any(found) and not columns


@dataclass(frozen=True)
class Tables:
    """Two tables of one name."""

    connection: Connection
    table: str
    live_schema: str
    other_schema: str

    async def compare(self, full: bool) -> TableDifference:
        live, other = await self._columns(self.live_schema), await self._columns(self.other_schema)
        common = [column for column in live if column in other]
        key = await self._key()
        if not key or not set(key) <= set(common):
            raise FollowerConflict(self.table, "without a common primary key it cannot be compared")
        counts = [await self._count(schema) for schema in (self.live_schema, self.other_schema)]
        found = await (self._all(key, common) if full else self._sample(key, common, counts))
        rows = {kind: [row for row in found if row["kind"] == kind] for kind in ("live", "other", "differs")}
        return TableDifference(
            table=self.table,
            rows_live=counts[0],
            rows_other=counts[1],
            compared=max(counts) if full else min(max(counts), 2 * SAMPLE_ROWS),
            only_live_count=_total(rows["live"]),
            only_other_count=_total(rows["other"]),
            differing_count=_total(rows["differs"]),
            only_live=[row["key"] for row in rows["live"]],
            only_other=[row["key"] for row in rows["other"]],
            differing=[_differing(row) for row in rows["differs"]],
            columns_only_live=[column for column in live if column not in other],
            columns_only_other=[column for column in other if column not in live],
        )

    async def _all(self, key: Sequence[str], columns: Sequence[str]) -> list[dict[str, Any]]:
        joined = sql.SQL("{live} as l full join {other} as o on {same_key}").format(
            live=sql.Identifier(self.live_schema, self.table),
            other=sql.Identifier(self.other_schema, self.table),
            same_key=_same_key(key),
        )
        return await self._found(joined, key, columns)

    async def _sample(
        self, key: Sequence[str], columns: Sequence[str], counts: Sequence[int]
    ) -> list[dict[str, Any]]:
        """Rows of what is served with those of the other side, then rows that only the other side has."""
        sides = []
        for schema, count in zip((self.live_schema, self.other_schema), counts, strict=True):
            percent = min(100.0, 100.0 * SAMPLE_ROWS / max(count, 1))
            sides.append(
                sql.SQL("(select * from {} tablesample bernoulli ({}) limit {})").format(
                    sql.Identifier(schema, self.table), sql.Literal(percent), sql.Literal(2 * SAMPLE_ROWS)
                )
            )
        names = {
            "live": sql.Identifier(self.live_schema, self.table),
            "other": sql.Identifier(self.other_schema, self.table),
            "same_key": _same_key(key),
        }
        ours = sql.SQL("{} as l left join {other} as o on {same_key}").format(sides[0], **names)
        theirs = sql.SQL("{live} as l right join {} as o on {same_key}").format(sides[1], **names)
        only_theirs = [row for row in await self._found(theirs, key, columns) if row["kind"] == "other"]
        return [*await self._found(ours, key, columns), *only_theirs]

    async def _found(
        self, joined: sql.Composed, key: Sequence[str], columns: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Some rows of each kind, each with the number of all of its kind."""
        query = sql.SQL(
            """
            select kind, key, live, other, total from (
                select kind, key, live, other, count(*) over (partition by kind) as total,
                       row_number() over (partition by kind order by key) as number
                  from (select case when o.{first} is null then 'live' when l.{first} is null then 'other'
                                    else 'differs' end as kind,
                               jsonb_build_array({key}) as key,
                               case when l.{first} is not null then to_jsonb(l) end as live,
                               case when o.{first} is not null then to_jsonb(o) end as other
                          from {joined}
                         where l.{first} is null or o.{first} is null
                            or row({live})::text <> row({other})::text) as found) as numbered
             where number <= {shown}
             order by kind, number
            """
        ).format(
            first=sql.Identifier(key[0]),
            key=_list("coalesce(l.{0}, o.{0})", key),
            joined=joined,
            live=_list("l.{0}", columns),
            other=_list("o.{0}", columns),
            shown=sql.Literal(SHOWN_MAX),
        )
        cursor = self.connection.cursor(row_factory=dict_row)
        return await (await cursor.execute(query)).fetchall()

    async def _count(self, schema: str) -> int:
        query = sql.SQL("select count(*) from {}").format(sql.Identifier(schema, self.table))
        row = await (await self.connection.execute(query)).fetchone()
        return int(row[0]) if row else 0

    async def _columns(self, schema: str) -> list[str]:
        cursor = await self.connection.execute(
            """
            select attname from pg_attribute
             where attrelid = to_regclass(format('%%I.%%I', %s::text, %s::text)) and attnum > 0
               and not attisdropped
             order by attnum
            """,
            [schema, self.table],
        )
        return [str(name) for (name,) in await cursor.fetchall()]

    async def _key(self) -> list[str]:
        cursor = await self.connection.execute(
            """
            select a.attname from pg_index as i
              join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, place) on true
              join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
             where i.indrelid = to_regclass(format('%%I.%%I', %s::text, %s::text)) and i.indisprimary
             order by k.place
            """,
            [self.live_schema, self.table],
        )
        return [str(name) for (name,) in await cursor.fetchall()]


def _list(each: LiteralString, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL(each).format(sql.Identifier(column)) for column in columns)


def _same_key(key: Sequence[str]) -> sql.Composed:
    return sql.SQL(" and ").join(sql.SQL("l.{0} = o.{0}").format(sql.Identifier(column)) for column in key)


def _total(rows: Sequence[dict[str, Any]]) -> int:
    return int(rows[0]["total"]) if rows else 0


def _differing(row: dict[str, Any]) -> DifferingRow:
    live, other = row["live"], row["other"]
    columns = [column for column in live if column in other and live[column] != other[column]]
    return DifferingRow(row["key"], {column: [live[column], other[column]] for column in columns})
