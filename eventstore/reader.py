"""Reads from Postgres: one statement at a time, and again when its connection broke."""

from typing import Any, Final, TypeVar

import psycopg
from psycopg.rows import AsyncRowFactory, scalar_row
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random

from eventstore.connections import TRANSIENT, Pool
from eventstore.errors import StoreUnavailable, UnsafeReader

READ_PATIENCE_SECONDS: Final = 2.0
"""How long a read is tried again before the store is unavailable: a restart of Postgres takes less."""

COLUMNS: Final = (
    "position",
    "commit_position",
    "stream",
    "version",
    "event_id",
    "type",
    "schema_version",
    "data",
    "metadata",
    "recorded_at",
)
"""Of the table of events, in the order of the fields of RecordedEvent."""

T = TypeVar("T")


class Reader:
    """Runs statements that read. They raise StoreUnavailable when the database stays away for long."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._reading = AsyncRetrying(
            retry=retry_if_exception_type(TRANSIENT),
            stop=stop_after_delay(READ_PATIENCE_SECONDS),
            wait=wait_random(max=0.05),
            reraise=True,
        )

    async def scalar(self, query: str, parameters: dict[str, Any] | None = None) -> Any:
        (value,) = await self.rows(query, parameters, scalar_row)
        return value

    async def rows(
        self, query: str, parameters: dict[str, Any] | None, row_factory: AsyncRowFactory[T]
    ) -> list[T]:
        try:
            return await self._rows_once(query, parameters, row_factory)
        except TRANSIENT:
            pass  # most likely a connection that broke while it was idle: it shows when it is used
        try:
            return await self._reading(self._rows_once, query, parameters, row_factory)
        except TRANSIENT as error:
            raise StoreUnavailable(str(error)) from error

    async def _rows_once(
        self, query: str, parameters: dict[str, Any] | None, row_factory: AsyncRowFactory[T]
    ) -> list[T]:
        """Run one statement on a connection that nobody keeps while a consumer works on the rows."""
        try:
            async with self._pool.connection() as connection:
                cursor = connection.cursor(row_factory=row_factory)
                await cursor.execute(query, parameters)
                return await cursor.fetchall()
        except psycopg.errors.ObjectNotInPrerequisiteState as error:
            raise UnsafeReader(str(error)) from error
