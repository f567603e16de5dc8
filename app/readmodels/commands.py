"""What an idempotent direct command did when it was first sent."""

from dataclasses import dataclass
from typing import Final

from psycopg.rows import class_row

from eventstore import StoreUnavailable
from eventstore.connections import TRANSIENT, Pool

_SELECT: Final = """
select stream, first_version, last_version, fingerprint
  from eventstore.commands where command_id = %(command_id)s"""


@dataclass(frozen=True, slots=True)
class HandledCommand:
    """The place of its events, and the fingerprint of the request."""

    stream: str
    first_version: int
    last_version: int
    fingerprint: str


@dataclass(frozen=True)
class HandledCommands:
    """The table that every append with a command id writes to, in its own transaction."""

    pool: Pool

    async def find(self, command_id: str) -> HandledCommand | None:
        """Raises StoreUnavailable."""
        try:
            async with self.pool.connection() as connection:
                cursor = connection.cursor(row_factory=class_row(HandledCommand))
                await cursor.execute(_SELECT, {"command_id": command_id})
                return await cursor.fetchone()
        except TRANSIENT as error:
            raise StoreUnavailable(str(error)) from error
