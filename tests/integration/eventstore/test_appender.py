"""Group commit: what one append suffers costs the others nothing, and nothing is appended twice."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from eventstore import Appended, Batch, InvalidAppend, StoreUnavailable, WrongExpectedVersion
from eventstore.appender import AppenderLimits
from eventstore.connections import configure
from eventstore.documents import Item, item
from tests.conftest import Database
from tests.integration.eventstore.cut_connection import cut_connection
from tests.integration.eventstore.stores import (
    append_by_hand,
    away,
    connect,
    everything,
    happened,
    open_appender,
    open_store,
    until,
    value,
)

pytestmark = pytest.mark.postgres

BLOCKED = """select pid from pg_stat_activity
              where datname = current_database() and wait_event_type = 'Lock'"""


def one(stream: str, version: int = 0, **data: Any) -> Item:
    return item([Batch(stream, version, [happened(**data)])])


def poison(stream: str) -> Item:
    """What passes our checks and not Postgres's: made by going around the checks."""
    return replace(one(stream), payloads=[(rb'{"text": "\u0000"}', b"{}")])


async def streams(database: Database) -> dict[str, int]:
    """How many events each stream has."""
    async with open_store(database.url) as store:
        events = await everything(store.read_all())
    return {event.stream: event.version for event in events}


def is_blocked(connection: AsyncConnection[Any]) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return await value(connection, BLOCKED) is not None

    return look


async def test_what_queued_up_commits_in_one_transaction(database: Database) -> None:
    commits: list[int] = []
    async with open_appender(database.url, on_commit=commits.append) as appender:
        results = await asyncio.gather(*(appender.append(one(f"x-{n}")) for n in range(64)))

    assert commits == [max(result.position for result in results)]
    assert len({result.recorded_at for result in results}) == 1
    assert [result.position for result in results] == sorted(result.position for result in results)


async def test_a_batch_has_a_bound_of_items_and_of_bytes(database: Database) -> None:
    commits: list[int] = []
    limits = AppenderLimits(batch_items=10, batch_bytes=1_000)
    async with open_appender(database.url, limits=limits, on_commit=commits.append) as appender:
        await asyncio.gather(*(appender.append(one(f"small-{n}")) for n in range(25)))
        assert len(commits) == 3
        await asyncio.gather(*(appender.append(one(f"big-{n}", text="x" * 600)) for n in range(3)))
        assert len(commits) == 6


async def test_a_lost_race_costs_the_others_of_its_batch_nothing(database: Database) -> None:
    commits: list[int] = []
    async with open_appender(database.url, on_commit=commits.append) as appender:
        await appender.append(one("x-3"))
        commits.clear()
        results = await asyncio.gather(
            *(appender.append(one(f"x-{n}")) for n in range(10)), return_exceptions=True
        )

    assert len(commits) == 1, "all went in one batch"
    assert isinstance(results[3], WrongExpectedVersion)
    assert sum(isinstance(result, Appended) for result in results) == 9
    assert await streams(database) == {f"x-{n}": 1 for n in range(10)}


async def test_a_poison_item_costs_the_others_of_its_batch_nothing(database: Database) -> None:
    async with open_appender(database.url) as appender:
        results = await asyncio.gather(
            appender.append(one("x-1")),
            appender.append(poison("x-2")),
            appender.append(one("x-3")),
            return_exceptions=True,
        )

    assert isinstance(results[1], InvalidAppend)
    assert isinstance(results[1].__cause__, psycopg.DataError)
    assert await streams(database) == {"x-1": 1, "x-3": 1}


async def test_appends_to_one_stream_that_queue_up_go_one_after_the_other(database: Database) -> None:
    commits: list[int] = []
    async with open_appender(database.url, on_commit=commits.append) as appender:
        await asyncio.gather(
            *(appender.append(one("x-1", version)) for version in range(5)),
            *(appender.append(one(f"y-{n}")) for n in range(5)),
        )

    assert len(commits) == 5, "what did not wait for x-1 went with the first batch"
    assert (await streams(database))["x-1"] == 5


async def test_no_append_overtakes_another_in_a_stream_that_they_share(database: Database) -> None:
    """The second waits for the first's x-1; the third must not slip before it into y-1."""
    async with open_appender(database.url) as appender:
        results = await asyncio.gather(
            appender.append(one("x-1")),
            appender.append(item([Batch("x-1", 1, [happened()]), Batch("y-1", 0, [happened()])])),
            appender.append(one("y-1", 1)),
        )

    assert [result.position for result in results] == sorted(result.position for result in results)


async def test_a_batch_looks_only_so_far_past_a_busy_stream(database: Database) -> None:
    commits: list[int] = []
    limits = AppenderLimits(scanned_items=2)
    async with open_appender(database.url, limits=limits, on_commit=commits.append) as appender:
        results = await asyncio.gather(
            *(appender.append(one("busy-1", version)) for version in range(5)), appender.append(one("y-1"))
        )

    assert results[-1].position > results[2].position, "more appends stood before it than a batch looks past"
    assert len(commits) == 5


async def test_a_cancelled_waiter_does_not_cancel_the_batch(database: Database) -> None:
    async with open_appender(database.url) as appender, await connect(database.admin_url) as holder:
        await holder.execute("begin")
        await append_by_hand(holder, "x-1", 0)
        cancelled, other = (asyncio.create_task(appender.append(one(s))) for s in ("x-1", "x-2"))
        queued = asyncio.create_task(appender.append(one("x-3")))
        async with await connect(database.admin_url) as looker:
            await until(is_blocked(looker))
        cancelled.cancel()
        await holder.execute("rollback")
        await other
        await queued

        with pytest.raises(asyncio.CancelledError):
            await cancelled
    assert await streams(database) == {"x-1": 1, "x-2": 1, "x-3": 1}


async def test_a_waiter_cancelled_before_its_batch_is_not_sent(database: Database) -> None:
    async with open_appender(database.url) as appender:
        waiting = asyncio.create_task(appender.append(one("x-1")))
        other = asyncio.create_task(appender.append(one("x-2")))
        await asyncio.sleep(0)  # both are queued now, and their batch is not made yet
        waiting.cancel()
        await other

    assert await streams(database) == {"x-2": 1}


async def test_a_killed_backend_is_survived_and_nothing_appended_twice(database: Database) -> None:
    async with open_appender(database.url) as appender, await connect(database.admin_url) as holder:
        await holder.execute("begin")
        await append_by_hand(holder, "x-1", 0)
        appends = [asyncio.create_task(appender.append(one(f"x-{n}"))) for n in range(1, 6)]
        async with await connect(database.admin_url) as killer:
            await until(is_blocked(killer))
            await killer.execute("select pg_terminate_backend(%s)", [await value(killer, BLOCKED)])
        await holder.execute("rollback")

        results = await asyncio.gather(*appends)

    assert not any(result.duplicate for result in results)
    assert await streams(database) == {f"x-{n}": 1 for n in range(1, 6)}


async def test_a_lost_acknowledgement_is_recognised(database: Database, tmp_path: Path) -> None:
    """The batch has committed, its answer is swallowed; it is sent again with the same event ids."""
    async with cut_connection(database.url, tmp_path) as (url, proxy), open_appender(url) as appender:
        await appender.append(one("warm-1"))
        await appender.append(one("warm-1", 1))  # from here on the statement is prepared: one answer a call
        proxy.cut = True
        results = await asyncio.gather(*(appender.append(one(f"x-{n}")) for n in range(5)))

    assert proxy.cuts == 1
    assert all(result.duplicate for result in results)
    assert await streams(database) == {"warm-1": 2, **{f"x-{n}": 1 for n in range(5)}}


async def test_an_open_append_elsewhere_makes_a_retry_not_an_error(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """The call runs into its lock timeout and is sent again until the other transaction has ended."""

    async def impatient(connection: AsyncConnection[Any]) -> None:
        await configure(connection)
        await connection.execute("set lock_timeout = '20ms'")

    async with (
        open_appender(database.url, configure=impatient) as appender,
        await connect(database.admin_url) as holder,
    ):
        await holder.execute("begin")
        await append_by_hand(holder, "x-1", 0)
        waiting = asyncio.create_task(appender.append(one("x-1")))

        async def timed_out() -> bool:
            return "lock timeout" in caplog.text

        await until(timed_out)
        await holder.execute("rollback")

        assert not (await waiting).duplicate


async def test_a_database_that_stays_away_is_said_to_be_unavailable(database: Database) -> None:
    limits = AppenderLimits(give_up_after_seconds=0.5)
    numbers = count(1)
    async with (
        open_appender(database.url, limits=limits) as appender,
        await connect(database.admin_url) as admin,
    ):

        async def takes_appends() -> bool:
            """A stream each: one that came too late for us may have happened."""
            asked = appender.append(one(f"try-{next(numbers)}"))
            [result] = await asyncio.gather(asked, return_exceptions=True)
            return isinstance(result, Appended)

        await until(takes_appends)  # its connection stands: none is on its way past the gate
        async with away(admin):
            results = await asyncio.gather(
                *(appender.append(one("x-1", n)) for n in range(2)), return_exceptions=True
            )

        assert [type(result) for result in results] == [StoreUnavailable, StoreUnavailable]
        await until(takes_appends)


async def test_a_full_queue_refuses(database: Database) -> None:
    async with open_appender(database.url, limits=AppenderLimits(waiting_items=2)) as appender:
        results = await asyncio.gather(
            *(appender.append(one(f"x-{n}")) for n in range(3)), return_exceptions=True
        )

    assert [type(result) for result in results] == [Appended, Appended, StoreUnavailable]


async def test_closing_sends_what_is_queued_and_refuses_the_rest(database: Database) -> None:
    async with open_appender(database.url) as appender:
        queued = [asyncio.create_task(appender.append(one(f"x-{n}"))) for n in range(100)]
        await asyncio.sleep(0)
        await appender.close()
        with pytest.raises(StoreUnavailable):
            await appender.append(one("x-100"))

        assert all(isinstance(result, Appended) for result in await asyncio.gather(*queued))


async def test_an_attachment_cannot_add_to_the_stores_own_lists() -> None:
    batches = [Batch("x-1", 0, [happened()])]
    attachments: list[dict[str, Any]] = [
        {"events": []},
        {"batches": [{}]},
        {"commands": []},
        {"runs": {"id": "x"}},
    ]
    for attachment in attachments:
        with pytest.raises(InvalidAppend):
            item(batches, attachment=attachment)
