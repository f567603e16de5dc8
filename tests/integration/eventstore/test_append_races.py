"""Appends that meet in Postgres: the appenders are separate, so nothing but the database decides."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from eventstore import Appended, Batch, CommandId, WrongExpectedVersion
from tests.conftest import Database
from tests.integration.eventstore.stores import (
    append_by_hand,
    connect,
    everything,
    happened,
    open_store,
    until,
    value,
)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

WRITERS = 4
ROUNDS = 1_000
PAIRS = 100
BLOCKED = """select count(*) from pg_stat_activity
              where datname = current_database() and wait_event_type = 'Lock'"""


async def test_of_many_writers_at_one_version_exactly_one_wins(database: Database) -> None:
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_store(database.url)) for _ in range(WRITERS)]
        winners = set()
        for version in range(ROUNDS):
            events = [happened(writer=writer) for writer in range(WRITERS)]
            results = await asyncio.gather(
                *(
                    store.append([Batch("race-1", version, [event])])
                    for store, event in zip(stores, events, strict=True)
                ),
                return_exceptions=True,
            )
            won = [number for number, result in enumerate(results) if isinstance(result, Appended)]
            lost = [result for result in results if isinstance(result, WrongExpectedVersion)]
            assert (len(won), len(lost)) == (1, WRITERS - 1)
            assert {(error.expected, error.actual) for error in lost} == {(version, version + 1)}
            winners.add(won[0])

        stream = await everything(stores[0].read_stream("race-1"))
        assert [event.version for event in stream] == list(range(1, ROUNDS + 1))
        assert [event.position for event in stream] == sorted(event.position for event in stream)
        assert len(winners) > 1, "one writer won every round: there was no race"


async def test_opposite_orders_of_the_same_streams_do_not_deadlock(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Both meet at a row that a third holds: unsorted, each would by then hold what the other wants."""
    async with (
        open_store(database.url) as one,
        open_store(database.url) as other,
        await connect(database.admin_url) as holder,
        await connect(database.admin_url) as looker,
    ):

        async def both_blocked() -> bool:
            return bool(await value(looker, BLOCKED) == 2)

        for pair in range(PAIRS):
            streams = [f"{pair}-{name}" for name in "azb"]
            await holder.execute("begin")
            await append_by_hand(holder, f"{pair}-z", 0)
            appends = [
                asyncio.create_task(store.append([Batch(stream, 0, [happened()]) for stream in order]))
                for store, order in ((one, streams), (other, streams[::-1]))
            ]
            await until(both_blocked)
            await holder.execute("rollback")
            results = await asyncio.gather(*appends, return_exceptions=True)
            assert {type(result) for result in results} == {Appended, WrongExpectedVersion}

        assert len(await everything(one.read_all())) == 3 * PAIRS
    assert "deadlock" not in caplog.text


async def test_one_new_command_id_sent_by_many_appends_once(database: Database) -> None:
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_store(database.url)) for _ in range(WRITERS)]
        for number in range(50):
            command = CommandId(f"command-{number}")
            results = await asyncio.gather(
                *(
                    store.append([Batch(f"s{number}-{writer}", 0, [happened()])], command=command)
                    for writer, store in enumerate(stores)
                )
            )
            assert sum(not result.duplicate for result in results) == 1
            assert len({result.position for result in results}) == 1

        assert len(await everything(stores[0].read_all())) == 50
