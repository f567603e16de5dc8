"""Sealing: one chain whoever seals, never past what is decided, wholly or not at all."""

import asyncio
from contextlib import suppress
from typing import LiteralString

import psycopg
import pytest

from eventstore.audit.seals import Seal, Sealer, newest_seals
from eventstore.audit.verification import Scope
from eventstore.connections import store_pool
from tests.conftest import Database
from tests.integration.audit.logs import anchor_of, fill, seal_all, verified
from tests.integration.eventstore.stores import append_by_hand, connect, until, value

pytestmark = pytest.mark.postgres

NEXT_BLOCK: LiteralString = "select eventstore.seal_block_v1(%s)"
LOCK = "pg_try_advisory_xact_lock(1516896258, hashtext('eventstore.seals'))"


async def test_an_open_append_is_not_passed(database: Database) -> None:
    await fill(database, 1)
    async with await connect(database.url) as frozen, frozen.transaction(force_rollback=True):
        await append_by_hand(frozen, "c-1", 0)
        await fill(database, 3, first=2)

        await seal_all(database)

        (newest,) = await _newest(database)
        assert newest.header.last_position == 2


async def test_an_append_that_was_open_is_sealed_when_it_has_ended(database: Database) -> None:
    await fill(database, 1)
    async with await connect(database.url) as slow, slow.transaction():
        await append_by_hand(slow, "c-1", 0)
        await fill(database, 1, first=2)
        await seal_all(database)

    await seal_all(database)

    report = await verified(database)
    assert (report.findings, report.events, report.unsealed_events) == ([], 5, 0)


async def test_a_session_that_seals_keeps_the_others_from_the_same_work(database: Database) -> None:
    await fill(database)
    async with await connect(database.url) as one, await connect(database.url) as other:
        async with one.transaction():
            sealed = await value(one, NEXT_BLOCK, 4)
            assert await value(other, NEXT_BLOCK, 4) is None

        assert (sealed, await value(other, NEXT_BLOCK, 4)) == (5, 5)


async def test_without_the_lock_two_that_seal_the_same_block_make_one(database: Database) -> None:
    """The lock only saves work: what is left without it is the key of the table."""
    await fill(database)
    async with await connect(database.admin_url) as admin:
        source = await value(admin, "select pg_get_functiondef('eventstore.seal_block_v1'::regproc)")
        unlocked = source.replace("seal_block_v1", "seal_unlocked").replace(LOCK, "true")
        assert unlocked.count("advisory") == 0
        await admin.execute(unlocked)
        async with await connect(database.admin_url) as one, await connect(database.admin_url) as other:
            async with one.transaction():
                assert await value(one, "select eventstore.seal_unlocked(4)") == 5
                second = asyncio.create_task(value(other, "select eventstore.seal_unlocked(4)"))
                waits = "select count(*) > 0 from pg_locks where not granted and pid = %s"
                await until(lambda: value(admin, waits, other.info.backend_pid))
            assert await second is None
        assert await value(admin, "select count(*) from eventstore.seals") == 1


async def test_many_sealers_beside_many_appends_make_one_chain(database: Database) -> None:
    async def seal(done: asyncio.Event) -> None:
        async with store_pool(database.url, 1) as pool:
            sealer = Sealer(pool, seconds=1, block_events=3)
            while not done.is_set():
                await sealer.seal()

    async def verify_meanwhile(done: asyncio.Event) -> None:
        while not done.is_set():
            assert (await verified(database)).findings == []

    done = asyncio.Event()
    others = [asyncio.create_task(seal(done)) for _ in range(4)]
    others.append(asyncio.create_task(verify_meanwhile(done)))
    await fill(database, 60)
    done.set()
    await asyncio.gather(*others)
    await seal_all(database)

    report = await verified(database, Scope(anchors=[await anchor_of(database)]))

    assert (report.findings, report.events, report.commands) == ([], 120, 30)
    assert report.last_block >= 40


async def test_a_sealer_that_is_killed_leaves_a_chain_that_goes_on(database: Database) -> None:
    """A block is one statement of one transaction: killed anywhere inside it, nothing of it stays."""
    await fill(database, 40)
    async with await connect(database.admin_url) as admin:
        for pause in range(25):
            async with await connect(database.url) as doomed:
                pid = doomed.info.backend_pid
                sealing = asyncio.create_task(doomed.execute(NEXT_BLOCK, [3]))
                await asyncio.sleep(pause * 0.0002)
                await admin.execute("select pg_terminate_backend(%s, 5000)", [pid])
                with suppress(psycopg.OperationalError):
                    await sealing
    await seal_all(database)

    report = await verified(database)

    assert (report.findings, report.events, report.unsealed_events) == ([], 80, 0)


async def test_what_is_unsealed_for_long_is_told(database: Database) -> None:
    await fill(database, 1)
    async with store_pool(database.url, 1) as pool, await connect(database.url) as frozen:
        async with frozen.transaction(force_rollback=True):
            await append_by_hand(frozen, "c-1", 0)
            await fill(database, 1, first=2)
            sealer = Sealer(pool, seconds=0.001)
            await sealer.seal()
            assert sealer.trouble is not None
            assert "are not sealed" in sealer.trouble
        await sealer.seal()
        assert sealer.trouble is None


async def test_a_sealer_that_cannot_seal_says_why(database: Database) -> None:
    async with await connect(database.admin_url) as admin:
        await admin.execute("revoke insert on eventstore.seals from saga_app")
    await fill(database, 1)
    async with store_pool(database.url, 1) as pool:
        sealer = Sealer(pool, seconds=1)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await sealer.seal()

    assert sealer.trouble is not None
    assert "permission denied" in sealer.trouble


async def _newest(database: Database) -> list[Seal]:
    async with store_pool(database.url, 1) as pool:
        return await newest_seals(pool)
