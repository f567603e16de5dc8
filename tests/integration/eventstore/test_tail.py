"""The end of the log in memory gives followers what the store would, and forgets what another server said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from app.database import DatabaseUrls
from eventstore import Batch, StoreUnavailable
from eventstore.connections import store_pool
from eventstore.postgres import PostgresEventStore
from eventstore.tail import KEPT_EVENTS, Tail
from tests.conftest import Database, PrivateServer
from tests.integration.eventstore.stores import append_by_hand, connect, everything, happened, open_store

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

WRITERS = 4
APPENDS = 60
FOLLOWERS = 5


@asynccontextmanager
async def tail_of(url: str) -> AsyncIterator[tuple[PostgresEventStore, Tail]]:
    async with open_store(url) as store, store_pool(url, 2) as pool:
        yield store, Tail(pool, store)


async def write(store: PostgresEventStore, stream: str, appends: int) -> None:
    for version in range(appends):
        await store.append([Batch(stream, version, [happened(version=version)])])


async def follow(tail: Tail, total: int, rng: Random) -> list[int]:
    """The positions that a follower sees that takes batches of any size, now and then slowly."""
    seen: list[int] = []
    while len(seen) < total:
        after = seen[-1] if seen else 0
        limit = rng.choice((1, 7, 500))
        seen += [event.position for event in await everything(tail.read_all(after, limit=limit))]
        await asyncio.sleep(rng.choice((0, 0, 0.02)))
    return seen


async def test_followers_of_any_pace_see_every_event_once_and_in_order(database: Database) -> None:
    async with tail_of(database.url) as (store, tail):
        total = WRITERS * APPENDS
        followers = [asyncio.create_task(follow(tail, total, Random(seed))) for seed in range(FOLLOWERS)]
        await asyncio.gather(*(write(store, f"s-{number}", APPENDS) for number in range(WRITERS)))

        seen = await asyncio.gather(*followers)

        log = [event.position for event in await everything(store.read_all())]
        assert seen == [log] * FOLLOWERS


async def test_an_append_that_is_open_holds_followers_back_and_is_not_left_out(database: Database) -> None:
    async with tail_of(database.url) as (store, tail):
        await write(store, "before", 2)
        hand = await connect(database.owner_url)
        async with hand, hand.transaction():
            held = await append_by_hand(hand, "slow", 0)
            await write(store, "after", 2)
            assert [event.stream for event in await everything(tail.read_all())] == ["before"] * 2
        seen = await everything(tail.read_all())

    assert [event.stream for event in seen] == ["before", "before", "slow", "after", "after"]
    assert seen[2].position == held


async def test_one_far_behind_reads_for_himself(database: Database) -> None:
    async with tail_of(database.url) as (store, tail):
        await write(store, "old", 3)
        await everything(tail.read_all(10**6))  # someone is at the end
        batch = [happened(number=number) for number in range(300)]
        for stream in range(1 + KEPT_EVENTS // 300):
            await store.append([Batch(f"many-{stream}", 0, batch)])
            await everything(tail.read_all(10**6))

        log = [event.position for event in await everything(store.read_all())]
        assert [event.position for event in await everything(tail.read_all())] == log
        near = log[-10]
        assert [event.position for event in await everything(tail.read_all(near, limit=4))] == log[-9:-5]
        assert len(tail._events) <= KEPT_EVENTS


async def test_followers_that_ask_together_share_one_read(database: Database) -> None:
    async with tail_of(database.url) as (store, tail):
        await write(store, "s", 1)
        asked = [everything(tail.read_all()) for _ in range(FOLLOWERS)]
        answers = await asyncio.gather(*asked)
        assert len(tail._looks) <= 1

    assert all([event.version for event in answer] == [1] for answer in answers)


async def test_one_that_is_cancelled_takes_nothing_from_the_others(database: Database) -> None:
    async with tail_of(database.url) as (store, tail):
        await write(store, "s", 3)
        impatient = asyncio.create_task(everything(tail.read_all()))
        patient = asyncio.create_task(everything(tail.read_all()))
        await asyncio.sleep(0)
        impatient.cancel()

        assert [event.version for event in await patient] == [1, 2, 3]


async def test_what_another_server_had_said_is_forgotten(private_server: PrivateServer) -> None:
    urls: DatabaseUrls = private_server.urls
    async with tail_of(urls.app) as (store, tail):
        await write(store, "s", 5)
        await everything(tail.read_all())
        await write(store, "t", 5)
        await everything(tail.read_all())
        assert tail._events
        private_server.stop()
        private_server.start()

        async def answered() -> bool:
            try:
                return len(await everything(tail.read_all())) == 10
            except StoreUnavailable:
                return False

        for _ in range(1_000):
            if await answered():
                break
            await asyncio.sleep(0.05)
        assert not tail._events
