"""Diff: what is served against a rebuild, or against the previous read model, at one common position.

leader locks of both   no runner moves either of them
align                  the one that is behind takes in the rest, if this code can
snapshot               REPEATABLE READ begins, the locks are given back, both are followed again
compare                in that snapshot, however long it takes
"""

from dataclasses import dataclass
from typing import Final

import psycopg

from eventstore.checkpoints import LEADER_LOCK, Checkpoint, Connection, Standing
from eventstore.errors import FollowerConflict, TablesBusy
from eventstore.parking import locked
from eventstore.projections import Slot
from eventstore.promotion import take_in_rest
from eventstore.rebuild import Rebuilds
from eventstore.table_differences import TableDifference, Tables

STATEMENT_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Difference:
    """`position` is null when the two could not be brought to one position: one of them is parked, or of a
    version that this code does not have. Rows that changed in between then differ as well."""

    name: str
    other: Slot
    same: bool
    full: bool
    position: int | None
    position_live: int
    position_other: int
    version_live: int
    version_other: int
    tables: list[TableDifference]
    tables_only_live: list[str]
    tables_only_other: list[str]


async def diff(rebuilds: Rebuilds, name: str, other: Slot, *, full: bool = False) -> Difference:
    """Compare what is served with the tables of another slot; all rows, or a sample.

    Raises FollowerUnknown, FollowerConflict, FollowerBehind, TablesBusy, OwnerNeeded.
    """
    rebuilds.projection(name)
    async with rebuilds.owner() as connection:
        await _stop_runners(connection, name, other)
        await _align(rebuilds, connection, name, other)
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        async with connection.transaction():
            checkpoints = [Checkpoint(slot.checkpoint(name)) for slot in (Slot.LIVE, other)]
            pair = [await checkpoint.standing(connection) for checkpoint in checkpoints]
            await connection.execute("select pg_advisory_unlock_all()")
            await connection.execute(f"set local statement_timeout = '{STATEMENT_SECONDS}s'".encode())
            if pair[0] is None or pair[1] is None:
                raise FollowerConflict(name, "somebody else has just decided about it; look again")
            return await _compare(connection, name, other, (pair[0], pair[1]), full)


async def _stop_runners(connection: Connection, name: str, other: Slot) -> None:
    try:
        for slot in (Slot.LIVE, other):
            await connection.execute(
                "select pg_advisory_lock(%s, hashtext(%s))", [LEADER_LOCK, slot.checkpoint(name)]
            )
    except psycopg.errors.LockNotAvailable as error:
        raise TablesBusy(f"{name}: a batch takes long; try again") from error


async def _align(rebuilds: Rebuilds, connection: Connection, name: str, other: Slot) -> None:
    async with connection.transaction():
        live = await locked(connection, name)
        side = await rebuilds.side(connection, name, other)
        behind, slot = (live, Slot.LIVE) if live.position < side.position else (side, other)
        if behind.version == rebuilds.projection(name).version and behind.state != "parked":
            await take_in_rest(rebuilds, connection, name, slot, max(live.position, side.position))


async def _compare(
    connection: Connection, name: str, other: Slot, pair: tuple[Standing, Standing], full: bool
) -> Difference:
    live, side = pair
    both = [table for table in live.tables if table in side.tables]
    tables = [
        await Tables(connection, table, Slot.LIVE.schema(name), other.schema(name)).compare(full)
        for table in both
    ]
    only_live = [table for table in live.tables if table not in both]
    only_other = [table for table in side.tables if table not in both]
    return Difference(
        name=name,
        other=other,
        same=all(table.same for table in tables) and not only_live and not only_other,
        full=full,
        position=live.position if live.position == side.position else None,
        position_live=live.position,
        position_other=side.position,
        version_live=live.version,
        version_other=side.version,
        tables=tables,
        tables_only_live=only_live,
        tables_only_other=only_other,
    )
