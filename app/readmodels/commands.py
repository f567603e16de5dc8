"""What an idempotent direct command did when it was first sent."""

from dataclasses import dataclass
from typing import Final

from psycopg.rows import class_row

from eventstore import CommandId, StoreUnavailable
from eventstore.connections import TRANSIENT, Pool

_SELECT: Final = """
select stream, first_version, last_version, fingerprint
  from eventstore.commands where command_id = %(command_id)s"""

# The position is that of the stream's last event. Where there is none it is 1: appends know a handled command
# by a position above 0.
_RECORD: Final = """
insert into eventstore.commands
       (command_id, stream, first_version, last_version, fingerprint, position, recorded_at)
values (%(command_id)s, %(stream)s, %(version)s + 1, %(version)s, %(fingerprint)s,
        coalesce((select e.position from eventstore.events as e
                   where e.stream = %(stream)s and e.version = %(version)s), 1), clock_timestamp())
on conflict (command_id) do nothing"""


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

    async def record_nothing(self, command_id: CommandId, stream: str, version: int) -> None:
        """The command had nothing to do on this version. What is known under its id already stays.

        Raises StoreUnavailable.
        """
        parameters = {
            "command_id": command_id.command_id,
            "fingerprint": command_id.fingerprint,
            "stream": stream,
            "version": version,
        }
        try:
            async with self.pool.connection() as connection:
                await connection.execute(_RECORD, parameters)
        except TRANSIENT as error:
            raise StoreUnavailable(str(error)) from error
