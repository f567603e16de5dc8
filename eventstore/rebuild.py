"""Rebuild: new tables of a projection, filled from the log beside those that are served.

    start      schema readmodels_staging_<name>, its tables, a checkpoint at 0: one transaction
    follow     side_runners.py: batch by batch, rows and checkpoint together, in whatever process leads
    pause, resume, discard
    promote    promotion.py

Each of them holds the row of the projection's own checkpoint while it decides: of two operators at once one
comes second, and sees what the first one did. The tables belong to the owner of the schema, so this works on
the owner's connection; following does not need it.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql

from eventstore.checkpoints import Checkpoint, Connection, Standing, State
from eventstore.connections import CONNECTION_KWARGS, configure
from eventstore.decisions import Author, What, record
from eventstore.errors import FollowerConflict, FollowerUnknown, OwnerNeeded, TablesBusy
from eventstore.parking import locked
from eventstore.port import EventStore
from eventstore.projections import LIVE_SCHEMA, Projection, Slot, work_in

NAME_CHARACTERS_MAX: Final = 63 - len(f"{LIVE_SCHEMA}_{Slot.PREVIOUS}_")


@dataclass(frozen=True)
class Rebuilds:
    """What operators do with the tables of projections.

    `owner_url` is of the role that owns the tables, without a pooler between; `app_role` of the one that
    follows the log. `tables_sql` gives the SQL that makes the tables of a projection.
    """

    owner_url: str
    app_role: str
    store: EventStore
    projections: Mapping[str, Projection]
    tables_sql: Callable[[str], str]

    async def start(self, name: str, by: Author) -> None:
        """Begin to fill new tables. Raises FollowerUnknown, FollowerConflict, OwnerNeeded, TablesBusy."""
        projection = self.projection(name)
        async with self.owner() as connection, connection.transaction():
            live = await locked(connection, name)
            if (other := await self.standing(connection, name, Slot.STAGING)) is not None:
                raise FollowerConflict(
                    name, f"a rebuild is there since {other.began_at:%Y-%m-%d %H:%M:%S}; discard it first"
                )
            await self._make_tables(connection, projection)
            await Checkpoint(Slot.STAGING.checkpoint(name)).begin(
                connection, 0, "projection", projection.version, projection.tables
            )
            versions = {"from_version": live.version, "to_version": projection.version}
            await record(connection, "projection", name, "RebuildStarted", versions, by)

    async def pause(self, name: str, by: Author) -> None:
        """Let a rebuild stand still. Raises FollowerUnknown, FollowerConflict, TablesBusy."""
        await self._change(name, "following", "paused", "RebuildPaused", by)

    async def resume(self, name: str, by: Author) -> None:
        """Let a rebuild that was paused go on. Raises FollowerUnknown, FollowerConflict, TablesBusy."""
        await self._change(name, "paused", "following", "RebuildResumed", by)

    async def discard(self, name: str, by: Author, slot: Slot = Slot.STAGING) -> None:
        """Drop the tables of a rebuild, or the previous ones. Raises FollowerUnknown, FollowerConflict,
        TablesBusy.
        """
        async with self.owner() as connection, connection.transaction():
            await locked(connection, name)
            side = await self.side(connection, name, slot)
            await drop(connection, name, slot, side)
            facts = {"slot": slot, "version": side.version, "position": side.position}
            await record(connection, "projection", name, "Discarded", facts, by)

    def projection(self, name: str) -> Projection:
        """The projection in the code. Raises FollowerUnknown."""
        if name not in self.projections:
            raise FollowerUnknown(name, "projection")  # it may be a subscription, which has no tables
        return self.projections[name]

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[Connection]:
        """A connection that may make and move tables. Raises OwnerNeeded where it may not, and TablesBusy
        where it waits too long for a lock, such as behind a long batch of a follower."""
        async with await psycopg.AsyncConnection.connect(
            self.owner_url, connect_timeout=5, application_name="saga-rebuild", **CONNECTION_KWARGS
        ) as connection:
            await configure(connection)
            try:
                yield connection
            except psycopg.errors.InsufficientPrivilege as error:
                role = connection.info.user
                raise OwnerNeeded(f"role {role} may not, set SAGA_OWNER_DATABASE_URL: {error}") from error
            except psycopg.errors.LockNotAvailable as error:
                raise TablesBusy(
                    "somebody holds its tables or its checkpoint; nothing was changed"
                ) from error

    @staticmethod
    async def standing(connection: Connection, name: str, slot: Slot) -> Standing | None:
        """The row of a slot, which stays so until the transaction ends."""
        return await Checkpoint(slot.checkpoint(name)).standing(connection, lock=True)

    async def side(self, connection: Connection, name: str, slot: Slot) -> Standing:
        """The same of one that must be there. Raises FollowerConflict."""
        side = await self.standing(connection, name, slot)
        if side is None:
            missing = "no rebuild" if slot is Slot.STAGING else "no previous read model"
            raise FollowerConflict(name, f"there is {missing}")
        return side

    async def _change(self, name: str, old: State, new: State, what: What, by: Author) -> None:
        async with self.owner() as connection, connection.transaction():
            await locked(connection, name)
            staging = await self.side(connection, name, Slot.STAGING)
            if staging.state != old:
                raise FollowerConflict(name, f"its rebuild is {staging.state}, not {old}")
            await Checkpoint(staging.name).change(connection, staging, new)
            facts = {"version": staging.version, "position": staging.position}
            await record(connection, "projection", name, what, facts, by)

    async def _make_tables(self, connection: Connection, projection: Projection) -> None:
        schema = Slot.STAGING.schema(projection.name)
        names = {"schema": sql.Identifier(schema), "role": sql.Identifier(self.app_role)}
        await connection.execute(sql.SQL("create schema {schema}").format(**names))
        await work_in(connection, schema)
        await connection.execute(self.tables_sql(projection.name).encode(), prepare=False)
        await connection.execute("set local search_path to default")
        await connection.execute(sql.SQL("grant usage on schema {schema} to {role}").format(**names))
        await connection.execute(
            sql.SQL("grant select, insert, update, delete on all tables in schema {schema} to {role}").format(
                **names
            )
        )


async def drop(connection: Connection, name: str, slot: Slot, side: Standing) -> None:
    """Drop the tables of a slot that is not served, and its checkpoint.

    Nothing that somebody else has built on them goes with them. Raises FollowerConflict.
    """
    schema = slot.schema(name)
    tables = sql.SQL(", ").join(sql.Identifier(schema, table) for table in side.tables)
    try:
        await connection.execute(sql.SQL("drop table {}").format(tables))
        await connection.execute(sql.SQL("drop schema {}").format(sql.Identifier(schema)))
    except psycopg.errors.DependentObjectsStillExist as error:
        detail = error.diag.message_detail or str(error)
        raise FollowerConflict(name, f"its {slot} tables cannot be dropped: {detail}") from error
    await connection.execute(
        "delete from eventstore.checkpoints where subscription = %s", [slot.checkpoint(name)]
    )


def checked_names(projections: Mapping[str, Projection]) -> None:
    """Raise ValueError for a name that no schema can be called after, or that is not the first table's."""
    for name, projection in projections.items():
        if not name.isidentifier() or not name.islower() or len(name) > NAME_CHARACTERS_MAX:
            raise ValueError(f"{name!r} is no name of a projection")
        if tuple(projection.tables[:1]) != (name,):
            raise ValueError(f"the first table of the projection {name!r} must have its name")
