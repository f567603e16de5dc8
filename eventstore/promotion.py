"""Promote and return: one short transaction that swaps tables, and with them their checkpoints.

    rows of the checkpoints   locked: none of them moves any more
    catch up                  what is about to be served takes in the rest, up to where the others are
    tables                    locked against readers, for a moment only: who cannot have them tries again
    swap                      ALTER TABLE … SET SCHEMA, and the checkpoints change their names
    event                     who, why, from which version to which
    commit                    a reader sees all of the old or all of the new

A reader that names several tables in one statement has locked one of the old ones before it could see a new
one, so that the swap waits for it. Followers find at their next move that another row has their name.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import psycopg
from psycopg import sql

from eventstore.checkpoints import Checkpoint, Connection, Standing
from eventstore.decisions import Author, What, record
from eventstore.errors import FollowerBehind, FollowerConflict, TablesBusy
from eventstore.parking import locked
from eventstore.projections import LIVE_SCHEMA, Slot, work_in
from eventstore.rebuild import Rebuilds, drop

CATCH_UP_EVENTS: Final = 500
"""As many are taken in while all wait; who is further behind is left to its runner."""
LOCK_MILLISECONDS: Final = 200
"""So long do new readers queue behind the swap that waits for an old one. Below deadlock_timeout: a deadlock
ends the swap, never a reader."""
AGAIN_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Promotion:
    """Puts other tables of a projection in the place of those that are served."""

    rebuilds: Rebuilds

    async def promote(self, name: str, by: Author, wait_seconds: float = 10.0) -> None:
        """Serve what a rebuild has made; what was served stays as the previous one.

        Raises FollowerUnknown, FollowerConflict, OwnerNeeded; FollowerBehind, TablesBusy when it was not
        possible within `wait_seconds`.
        """
        self.rebuilds.projection(name)
        deadline = _clock() + wait_seconds
        await _until(deadline, partial(self._analyze, name))
        await _until(deadline, partial(self._swap, name, by, Slot.STAGING, stale=False))

    async def return_(
        self, name: str, by: Author, wait_seconds: float = 10.0, *, stale: bool = False
    ) -> None:
        """Serve the previous one again; what was served becomes the previous one.

        One that no code here can bring up to date is served only if asked for `stale`. Raises as `promote`.
        """
        self.rebuilds.projection(name)
        deadline = _clock() + wait_seconds
        await _until(deadline, partial(self._swap, name, by, Slot.PREVIOUS, stale=stale))

    async def _analyze(self, name: str) -> None:
        """New tables have no statistics yet; the first queries are to have good plans."""
        schema = Slot.STAGING.schema(name)
        async with self.rebuilds.owner() as connection:
            async with connection.transaction():
                staging = await self.rebuilds.side(connection, name, Slot.STAGING)
            # Somebody else may have just promoted or discarded them.
            with suppress(psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                for table in staging.tables:
                    await connection.execute(sql.SQL("analyze {}").format(sql.Identifier(schema, table)))

    async def _swap(self, name: str, by: Author, slot: Slot, *, stale: bool) -> None:
        async with self.rebuilds.owner() as connection, connection.transaction():
            live = await locked(connection, name)
            coming = await self.rebuilds.side(connection, name, slot)
            if not stale:
                await self._catch_up(connection, name, slot, coming, live.position)
            previous = await self.rebuilds.standing(connection, name, Slot.PREVIOUS)
            if slot is Slot.STAGING and previous is not None:
                await drop(connection, name, Slot.PREVIOUS, previous)
            await _lock_tables(connection, name, {Slot.LIVE: live, slot: coming})
            await _exchange(connection, name, live, slot, coming, self.rebuilds.app_role)
            facts = {
                "from_version": live.version,
                "from_position": live.position,
                "to_version": coming.version,
                "to_position": coming.position if stale else max(coming.position, live.position),
            }
            what: What = "Promoted" if slot is Slot.STAGING else "Returned"
            await record(connection, "projection", name, what, facts, by)

    async def _catch_up(
        self, connection: Connection, name: str, slot: Slot, coming: Standing, position: int
    ) -> None:
        """Take in what is missing up to `position`. Raises FollowerConflict, FollowerBehind."""
        projection = self.rebuilds.projection(name)
        if coming.version != projection.version:
            raise FollowerConflict(
                name,
                f"the tables that are to be served are of version {coming.version} and this code has "
                f"{projection.version}, so that they stand still: ask for them as they are (stale)",
            )
        if coming.state == "parked":
            raise FollowerConflict(name, f"what is to be served is {coming.parked}")
        await take_in_rest(self.rebuilds, connection, name, slot, position)


def _clock() -> float:
    return asyncio.get_running_loop().time()


async def _until(deadline: float, do: Callable[[], Awaitable[None]]) -> None:
    """Try it again until it is done. Raises FollowerBehind, TablesBusy, those of the last time."""
    while True:
        try:
            return await do()
        except (FollowerBehind, TablesBusy):
            if _clock() >= deadline:
                raise
        await asyncio.sleep(AGAIN_SECONDS)


async def take_in_rest(
    rebuilds: Rebuilds, connection: Connection, name: str, slot: Slot, position: int
) -> None:
    """Bring the tables of a slot to `position`, up to which another one has come, within this transaction.

    Raises FollowerBehind when that is too much.
    """
    checkpoint = Checkpoint(slot.checkpoint(name))
    standing = await checkpoint.standing(connection, lock=True)
    if standing is None or standing.position >= position:
        return
    read = rebuilds.store.read_all(standing.position, to=position, limit=CATCH_UP_EVENTS + 1)
    events = [event async for event in read]
    if len(events) > CATCH_UP_EVENTS:
        raise FollowerBehind(standing.name, position - standing.position)
    if events:
        await work_in(connection, slot.schema(name))
        await rebuilds.projection(name).apply(connection, events)
        await connection.execute("set local search_path to default")
    await checkpoint.move(connection, standing, position)


async def _lock_tables(connection: Connection, name: str, slots: Mapping[Slot, Standing]) -> None:
    """The first lock lets readers pass and is waited for long enough to end an autovacuum.

    Each waits for the first table of a projection first, as readers do who begin with it.
    """
    names = [(slot.schema(name), table) for slot, standing in slots.items() for table in standing.tables]
    tables = sql.SQL(", ").join(sql.Identifier(*each) for each in names)
    await connection.execute(sql.SQL("lock table {} in share update exclusive mode").format(tables))
    await connection.execute(f"set local lock_timeout = {LOCK_MILLISECONDS}".encode())
    await connection.execute(sql.SQL("lock table {} in access exclusive mode").format(tables))


async def _exchange(
    connection: Connection, name: str, live: Standing, slot: Slot, coming: Standing, app_role: str
) -> None:
    """Tables and checkpoints: what was served is the previous one from here on."""
    schemas = {
        "aside": sql.Identifier(f"{LIVE_SCHEMA}_aside_{name}"),
        "coming": sql.Identifier(slot.schema(name)),
        "previous": sql.Identifier(Slot.PREVIOUS.schema(name)),
        "role": sql.Identifier(app_role),
    }
    await connection.execute(sql.SQL("create schema {aside}").format(**schemas))
    await connection.execute(sql.SQL("grant usage on schema {aside} to {role}").format(**schemas))
    await _move(connection, live, LIVE_SCHEMA, f"{LIVE_SCHEMA}_aside_{name}")
    await _move(connection, coming, slot.schema(name), LIVE_SCHEMA)
    await connection.execute(sql.SQL("drop schema {coming}").format(**schemas))
    await connection.execute(sql.SQL("alter schema {aside} rename to {previous}").format(**schemas))
    aside, previous = f"{name}@aside", Slot.PREVIOUS.checkpoint(name)
    for old, new in ((name, aside), (coming.name, name), (aside, previous)):
        await connection.execute(
            "update eventstore.checkpoints set subscription = %s where subscription = %s", [new, old]
        )


async def _move(connection: Connection, standing: Standing, old: str, new: str) -> None:
    for table in standing.tables:
        await connection.execute(
            sql.SQL("alter table {} set schema {}").format(sql.Identifier(old, table), sql.Identifier(new))
        )
