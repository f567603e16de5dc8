"""A subscription hands every event to its handler, in order, at least once, whoever appends or dies."""

import asyncio
from contextlib import AsyncExitStack

import psycopg
import pytest

from eventstore import Batch, PoisonEvent, StoreUnavailable, parking
from eventstore.subscriptions import BATCH_EVENTS
from tests.conftest import Database
from tests.integration.eventstore.stores import (
    append_by_hand,
    connect,
    everything,
    happened,
    open_store,
    until,
)
from tests.integration.eventstore.subscribers import NAME, Held, Refusing, Seen, running, subscribed

pytestmark = pytest.mark.postgres


class Died(BaseException):
    """The process ended here."""


async def test_every_event_is_handled_in_order_and_once_while_nothing_goes_wrong(database: Database) -> None:
    seen = Seen()
    async with open_store(database.url) as store, subscribed(database, store, seen) as subscription:
        for number in range(3):
            await store.append([Batch(f"x-{number}", 0, [happened(), happened()])])

        assert await subscription.advance()

        assert seen.events == await everything(store.read_all())
        assert not await subscription.advance()
        assert len(seen.events) == 6


async def test_a_new_one_begins_at_the_end_of_the_log(database: Database) -> None:
    seen = Seen()
    async with open_store(database.url) as store:
        await store.append([Batch("before-1", 0, [happened()])])
        async with subscribed(database, store, seen, from_start=False) as subscription:
            await store.append([Batch("after-1", 0, [happened()])])

            await subscription.advance()

    assert seen.streams == ["after-1"]


async def test_one_that_has_begun_goes_on_from_its_checkpoint(database: Database) -> None:
    seen = Seen()
    async with open_store(database.url) as store:
        async with subscribed(database, store, seen, from_start=False):
            await store.append([Batch("between-1", 0, [happened()])])
        async with subscribed(database, store, seen, from_start=False) as subscription:
            await subscription.advance()

    assert seen.streams == ["between-1"]


async def test_a_long_log_is_handled_in_batches(database: Database) -> None:
    seen = Seen()
    async with open_store(database.url) as store, subscribed(database, store, seen) as subscription:
        for number in range(3):
            await store.append([Batch(f"x-{number}", 0, [happened() for _ in range(BATCH_EVENTS // 2)])])

        assert await subscription.advance()

        assert len(seen.events) == BATCH_EVENTS
        assert await subscription.advance()
        assert seen.positions == [event.position for event in await everything(store.read_all())]


async def test_an_append_that_is_open_is_not_passed(database: Database) -> None:
    seen = Seen()
    async with (
        open_store(database.url) as store,
        subscribed(database, store, seen) as subscription,
        await connect(database.url) as holder,
    ):
        await holder.execute("begin")
        await append_by_hand(holder, "held-1", 0)
        await store.append([Batch("x-1", 0, [happened()])])
        assert not await subscription.advance()

        await holder.execute("commit")

        assert await subscription.advance()
        assert seen.streams == ["held-1", "x-1"]


@pytest.mark.slow
async def test_among_writers_that_hold_and_roll_back_no_event_is_left_out(database: Database) -> None:
    seen = Seen()
    turn = asyncio.Event()
    finished = False
    async with open_store(database.url) as store, subscribed(database, store, seen) as subscription:

        async def write(name: str) -> None:
            for version in range(100):
                await store.append([Batch(f"w-{name}", version, [happened()])])
                subscription.committed.set()
                turn.set()

        async def hold(name: str) -> None:
            async with await connect(database.url) as connection:
                version = 0
                for number in range(30):
                    await connection.execute("begin")
                    await append_by_hand(connection, f"h-{name}", version)
                    turn.clear()
                    async with asyncio.timeout(60):
                        await turn.wait()  # somebody commits a later position while this one is open
                    version += number % 3 != 0
                    await connection.execute("rollback" if number % 3 == 0 else "commit")

        async def keep_writing() -> None:
            version = 0
            while not finished:
                await store.append([Batch("w-more", version, [happened()])])
                version += 1
                turn.set()

        async with running(subscription):
            more = asyncio.create_task(keep_writing())
            await asyncio.gather(*(write(name) for name in "ab"), *(hold(name) for name in "ab"))
            finished = True
            await more
            positions = [event.position for event in await everything(store.read_all())]

            async def caught_up() -> bool:
                return bool(seen.events) and seen.positions[-1] == positions[-1]

            await until(caught_up)

    assert seen.positions == positions
    assert subscription.trouble is None


async def test_a_commit_of_another_process_is_noticed_without_being_told(database: Database) -> None:
    seen = Seen()
    async with (
        open_store(database.url) as store,
        open_store(database.url) as another,
        subscribed(database, store, seen) as subscription,
        running(subscription),
    ):
        await another.append([Batch("x-1", 0, [happened()])])

        async def handled() -> bool:
            return seen.streams == ["x-1"]

        await until(handled)


async def test_a_process_that_dies_before_its_checkpoint_leaves_the_event_to_the_next(
    database: Database,
) -> None:
    died, seen = Refusing("x-2", Died()), Seen()
    async with open_store(database.url) as store:
        for number in range(1, 4):
            await store.append([Batch(f"x-{number}", 0, [happened()])])
        async with subscribed(database, store, died) as subscription:
            with pytest.raises(Died):
                await subscription.advance()

        async with subscribed(database, store, seen) as subscription:
            await subscription.advance()

    assert died.streams == ["x-1"]
    assert seen.streams == ["x-1", "x-2", "x-3"]


async def test_of_two_at_once_one_works(database: Database) -> None:
    held, idle = Held(), Seen()
    async with open_store(database.url) as store, AsyncExitStack() as stack:
        leader = await stack.enter_async_context(subscribed(database, store, held))
        other = await stack.enter_async_context(subscribed(database, store, idle))
        await store.append([Batch("x-1", 0, [happened()])])
        leading = asyncio.create_task(leader.advance())
        await held.reached.wait()

        assert not await other.advance()

        held.released.set()
        assert await leading
        assert not await other.advance()
    assert (held.streams, idle.streams) == (["x-1"], [])


@pytest.mark.slow
async def test_two_that_run_at_once_leave_nothing_out(database: Database) -> None:
    seen = Seen()
    async with open_store(database.url) as store, AsyncExitStack() as stack:
        both = [await stack.enter_async_context(subscribed(database, store, seen)) for _ in range(2)]
        async with running(*both):
            for number in range(300):
                await store.append([Batch(f"x-{number}", 0, [happened()])])
                for subscription in both:
                    subscription.committed.set()

            async def caught_up() -> bool:
                return len(seen.events) >= 300

            await until(caught_up)
        assert [subscription.trouble for subscription in both] == [None, None]

    assert seen.streams == [f"x-{number}" for number in range(300)]


async def test_a_leader_that_the_server_cut_off_does_not_move_the_checkpoint(database: Database) -> None:
    """As after `idle_in_transaction_session_timeout`: another one has taken its place meanwhile."""
    held, seen = Held(), Seen()
    async with open_store(database.url) as store, AsyncExitStack() as stack:
        leader = await stack.enter_async_context(subscribed(database, store, held))
        other = await stack.enter_async_context(subscribed(database, store, seen))
        await store.append([Batch("x-1", 0, [happened()])])
        leading = asyncio.create_task(leader.advance())
        await held.reached.wait()
        async with await connect(database.admin_url) as admin:
            await admin.execute(
                "select pg_terminate_backend(pid, 10000) from pg_locks"
                " where locktype = 'advisory' and objsubid = 2"
                " and database = (select oid from pg_database where datname = current_database())"
            )

        assert await other.advance()
        await store.append([Batch("x-2", 0, [happened()])])
        held.released.set()
        with pytest.raises(psycopg.OperationalError):
            await leading

        assert await other.advance()
    assert seen.streams == ["x-1", "x-2"]


async def test_a_poison_event_stops_its_subscription_and_no_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "ATTEMPTS_MAX", 1_000)  # or it is parked where the other one takes long
    poisoned, seen = Refusing("x-2", ValueError("no such SKU")), Seen()
    async with open_store(database.url) as store, AsyncExitStack() as stack:
        sick = await stack.enter_async_context(subscribed(database, store, poisoned))
        well = await stack.enter_async_context(subscribed(database, store, seen, name="another"))
        for number in range(1, 4):
            await store.append([Batch(f"x-{number}", 0, [happened()])])
        async with running(sick, well):

            async def stands_still() -> bool:
                return sick.trouble is not None and len(seen.events) == 3

            await until(stands_still)
            assert sick.trouble == f"PoisonEvent: Happened at position {seen.positions[1]}: " + (
                "ValueError: no such SKU"
            )
            assert well.trouble is None
            assert poisoned.streams == ["x-1"]

            poisoned.error = None  # a version that understands the event is deployed

            async def well_again() -> bool:
                return sick.trouble is None and len(poisoned.events) == 3

            await until(well_again)
    assert poisoned.streams == ["x-1", "x-2", "x-3"]


async def test_what_was_handled_before_a_poison_event_is_not_handled_again(database: Database) -> None:
    poisoned = Refusing("x-2", ValueError())
    async with open_store(database.url) as store, subscribed(database, store, poisoned) as subscription:
        for number in range(1, 3):
            await store.append([Batch(f"x-{number}", 0, [happened()])])

        for _ in range(2):
            with pytest.raises(PoisonEvent):
                await subscription.advance()

    assert poisoned.streams == ["x-1"]


async def test_an_error_that_passes_is_tried_again_and_is_no_poison(database: Database) -> None:
    away = Refusing("x-1", StoreUnavailable("the database is away"))
    async with open_store(database.url) as store, subscribed(database, store, away) as subscription:
        await store.append([Batch("x-1", 0, [happened()])])
        with pytest.raises(StoreUnavailable):
            await subscription.advance()

        away.error = None

        assert await subscription.advance()
    assert away.streams == ["x-1"]


async def test_one_that_has_not_begun_says_so(database: Database) -> None:
    async with open_store(database.url) as store, subscribed(database, store, Seen()) as subscription:
        async with await connect(database.owner_url) as owner:
            await owner.execute("delete from eventstore.checkpoints where subscription = %s", [NAME])

        with pytest.raises(LookupError, match=NAME):
            await subscription.advance()
