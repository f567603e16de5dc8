"""Rows of the tables that the sandboxes keep."""

from typing import Any, LiteralString

from psycopg.rows import dict_row

from eventstore.connections import Pool

Row = dict[str, Any]


async def rows_of(pool: Pool, statement: LiteralString, values: Row) -> list[Row]:
    """What a statement returns."""
    async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, values)
        return await cursor.fetchall()
