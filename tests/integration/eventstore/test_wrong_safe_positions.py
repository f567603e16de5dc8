"""Seven natural ways to compute a safe position that lose events, each shown losing one; ours, in the same
interleaving, does not.

A variant loses when it calls position p safe while the event at p cannot be read: the reader moves its
checkpoint to p, and when the event becomes visible nobody asks for it any more. The seventh variant is a
standby, whose sequence runs ahead by up to 32 and which has no advisory locks: test_standby.py.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, LiteralString

import pytest
from psycopg import AsyncConnection
from psycopg.errors import ObjectNotInPrerequisiteState

from tests.conftest import Database
from tests.integration.eventstore.stores import append_by_hand, connect, until, value

pytestmark = pytest.mark.postgres

Connection = AsyncConnection[Any]

SEQUENCE: Final = "select last_value from eventstore.position_seq"
SAFE: Final = "select eventstore.safe_position()"
OLDEST_LOCK: Final = "select min(position) from eventstore.position_locks"
VISIBLE: Final = "select exists (select from eventstore.events where position = %s)"
INSERT: Final = """
    insert into eventstore.events
    select p, p, 'by-hand', 1, gen_random_uuid(), 'Happened', 1, '{}', '{}', clock_timestamp()
      from nextval('eventstore.position_seq') as p
    returning position"""
LOCK: Final = """
    select pg_advisory_xact_lock_shared(eventstore.position_key(
        (select last_value from eventstore.position_seq)))"""
CACHE: Final = "select seqcache from pg_sequence where seqrelid = 'eventstore.position_seq'::regclass"
WAITING: Final = "select exists (select from pg_locks where locktype = 'advisory' and not granted)"
GATE: Final = 7
"""An advisory lock that no store uses."""


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Connection]:
    async with await connect(database.url) as connection:
        await append_by_hand(connection, "before-1", 0)
        yield connection


@pytest.fixture
async def reader(database: Database) -> AsyncIterator[Connection]:
    async with await connect(database.url) as connection:
        yield connection


def lesser(latest: int, oldest_lock: int | None) -> int:
    return latest if oldest_lock is None else min(latest, oldest_lock)


async def test_locks_read_before_the_sequence_lose(writer: Connection, reader: Connection) -> None:
    latest_first, locks_first = await value(reader, SEQUENCE), await value(reader, OLDEST_LOCK)

    await writer.execute("begin")
    position = await append_by_hand(writer, "late-1", 0)

    wrong = lesser(await value(reader, SEQUENCE), locks_first)
    right = lesser(latest_first, await value(reader, OLDEST_LOCK))
    assert wrong >= position, "the wrong order calls the open append decided"
    assert right < position
    assert await value(reader, SAFE) < position
    assert not await value(reader, VISIBLE, position)
    body = await value(reader, "select pg_get_functiondef('eventstore.safe_position'::regproc)")
    assert body.index("last_value into") < body.index("min(position) into"), "ours reads in this order"


async def test_one_snapshot_for_the_position_and_the_rows_loses(
    writer: Connection, reader: Connection, database: Database
) -> None:
    """The statement takes its snapshot and waits at a gate; an append commits; then the position is read."""
    one_statement: LiteralString = f"""
        with gate as materialized (select pg_advisory_xact_lock_shared({GATE})),
             safe as materialized (select eventstore.safe_position() as position from gate)
        select position,
               array(select e.position from eventstore.events as e where e.position <= safe.position)
          from safe"""
    async with await connect(database.url) as gate_keeper:
        await gate_keeper.execute(f"select pg_advisory_lock({GATE})")

        async def at_the_gate() -> bool:
            return bool(await value(gate_keeper, WAITING))

        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(_row(reader, one_statement))
            await until(at_the_gate)
            position = await append_by_hand(writer, "late-1", 0)
            await gate_keeper.execute(f"select pg_advisory_unlock({GATE})")

    safe, positions = reading.result()
    assert safe >= position
    assert position not in positions, "read with a snapshot older than the position: lost"
    assert await value(reader, VISIBLE, position), "a later statement sees it"


async def test_a_sequence_with_a_cache_loses(
    writer: Connection, reader: Connection, database: Database
) -> None:
    assert await value(reader, CACHE) == 1
    async with await connect(database.owner_url) as owner, await connect(database.url) as other:
        await owner.execute("alter sequence eventstore.position_seq cache 10")
        await append_by_hand(other, "other-1", 0)
        newest = await append_by_hand(writer, "late-1", 0)
        safe = await value(reader, SAFE)
        assert safe >= newest

        late = await append_by_hand(other, "other-1", 1)
        assert late < safe, "from the block that the other session had cached: below the checkpoint"

        await owner.execute("alter sequence eventstore.position_seq cache 1")
        await owner.execute("discard sequences")
    safe = await value(reader, SAFE)
    async with await connect(database.url) as other:
        assert await append_by_hand(other, "other-1", 2) > safe


async def test_a_repeatable_read_reader_loses(writer: Connection, reader: Connection) -> None:
    await reader.execute("begin isolation level repeatable read")
    await reader.execute("select from eventstore.events limit 1")
    position = await append_by_hand(writer, "late-1", 0)

    wrong = lesser(await value(reader, SEQUENCE), await value(reader, OLDEST_LOCK))
    assert wrong >= position
    assert not await value(reader, VISIBLE, position), "its snapshot is older than the append"
    with pytest.raises(ObjectNotInPrerequisiteState, match="READ COMMITTED"):
        await reader.execute(SAFE)

    await reader.execute("rollback")
    assert await value(reader, SAFE) >= position
    assert await value(reader, VISIBLE, position)


async def test_a_lock_remembered_across_a_savepoint_loses(writer: Connection, reader: Connection) -> None:
    await writer.execute("begin")
    await writer.execute("savepoint s")
    await writer.execute(LOCK)
    await writer.execute(INSERT)
    await writer.execute("rollback to savepoint s")
    position = await value(writer, INSERT)  # the client remembers that it holds the lock; it does not

    assert await value(reader, SAFE) >= position
    assert not await value(reader, VISIBLE, position)

    await writer.execute("rollback")
    await writer.execute("begin")
    await writer.execute("savepoint s")
    await append_by_hand(writer, "late-1", 0)
    await writer.execute("rollback to savepoint s")
    position = await append_by_hand(writer, "late-1", 0)
    assert await value(reader, SAFE) < position


async def test_a_lock_in_a_with_query_that_nobody_reads_loses(writer: Connection, reader: Connection) -> None:
    await writer.execute("begin")
    position = await value(writer, f"with taken as ({LOCK}) {INSERT}")  # a SELECT in WITH runs only when read

    assert await value(reader, OLDEST_LOCK) is None
    assert await value(reader, SAFE) >= position
    assert not await value(reader, VISIBLE, position)

    await writer.execute("rollback")
    await writer.execute("begin")
    position = await append_by_hand(writer, "late-1", 0)
    assert await value(reader, SAFE) < position


async def test_the_first_position_is_covered(database: Database) -> None:
    """The last_value of an unused sequence is its first value: a reader would call that decided."""
    async with await connect(database.url) as writer, await connect(database.url) as reader:
        await writer.execute("begin")
        position = await append_by_hand(writer, "first-1", 0)

        assert await value(reader, SAFE) < position


async def _row(connection: Connection, query: LiteralString) -> Any:
    return await (await connection.execute(query)).fetchone()
