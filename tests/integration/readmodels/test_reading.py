"""A read model is waited for, and says truly as of which position it is."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.positions import OtherTimeline, Position, current_timeline
from app.readmodels import listings
from app.readmodels.accounts import AccountProjection
from app.readmodels.orders import OrderProjection
from app.readmodels.reading import ReadModel, ReadModelBehind
from app.readmodels.stock import StockProjection
from domain.account import Deposit, OpenAccount
from domain.money import Money
from domain.stock import ReceiveStock
from eventstore import projections
from eventstore.connections import Pool, store_pool
from eventstore.postgres import PostgresEventStore
from eventstore.projections import ProjectionRunner
from eventstore.tasks import end
from tests.conftest import Database
from tests.integration.eventstore.stores import open_store
from tests.integration.readmodels.histories import CODEC
from workflows.saga.commands import CommandHandler, Decision

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

DEPOSITS = 30


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with store_pool(database.url, 6) as pool:
        yield pool


@pytest.fixture
async def store(database: Database) -> AsyncIterator[PostgresEventStore]:
    async with open_store(database.url) as store:
        yield store


async def send(store: PostgresEventStore, handler: CommandHandler, command: Any) -> int:
    """The position of what it did."""

    async def commit(decision: Decision) -> Any:
        return await store.append([decision.batch({"actor": "ana"})])

    _, appended = await handler.handle(command, commit)
    return int(appended.position)


async def balance_at_least(pool: Pool, position: int) -> int:
    async with ReadModel(pool, "accounts").view(Position(position), 10, asyncio.Event()) as view:
        row = await listings.ACCOUNTS.find(view, {"account_id": "a"})
    assert row is not None
    return row.balance


async def test_every_write_is_seen_after_its_position(pool: Pool, store: PostgresEventStore) -> None:
    """The read model is brought up by a runner that is at it all the time, as in a server."""
    handler = CommandHandler(store, CODEC)
    await send(store, handler, OpenAccount(account_id="a", currency="USD"))
    following = asyncio.create_task(ProjectionRunner(pool, store, AccountProjection(CODEC)).run())

    for number in range(1, DEPOSITS + 1):
        position = await send(store, handler, Deposit(account_id="a", money=Money(amount=1, currency="USD")))
        assert await balance_at_least(pool, position) == number

    await end(following)


async def test_the_position_that_is_told_is_that_of_the_rows(
    pool: Pool, store: PostgresEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each deposit of one is one event: balance and position move together, in whatever moment one looks."""
    handler = CommandHandler(store, CODEC)
    positions = [await send(store, handler, OpenAccount(account_id="a", currency="USD"))]
    for _ in range(DEPOSITS):
        deposit = Deposit(account_id="a", money=Money(amount=1, currency="USD"))
        positions.append(await send(store, handler, deposit))
    done = asyncio.Event()
    seen = 0

    async def look() -> None:
        nonlocal seen
        while not done.is_set():
            async with ReadModel(pool, "accounts").view(Position(positions[0]), 10, done) as view:
                row = await listings.ACCOUNTS.find(view, {"account_id": "a"})
            assert row is not None
            assert row.position == view.position.position == positions[row.balance]
            seen += 1

    monkeypatch.setattr(projections, "BATCH_EVENTS", 1)
    runner = ProjectionRunner(pool, store, AccountProjection(CODEC))
    await runner.advance()
    looking = [asyncio.create_task(look()) for _ in range(3)]
    for _ in range(DEPOSITS):
        await runner.advance()
    done.set()
    await asyncio.gather(*looking)

    assert seen > 3


async def test_patience_ends(pool: Pool) -> None:
    with pytest.raises(ReadModelBehind) as behind:
        async with ReadModel(pool, "orders").view(Position(1), 0.05, asyncio.Event()):
            pass

    assert (behind.value.name, behind.value.position) == ("orders", 0)


async def test_a_server_that_stops_lets_nobody_wait(pool: Pool) -> None:
    stopping = asyncio.Event()
    stopping.set()

    async with asyncio.timeout(60):
        with pytest.raises(ReadModelBehind):
            async with ReadModel(pool, "orders").view(Position(1), 600, stopping):
                pass


async def test_a_position_is_of_one_timeline(pool: Pool) -> None:
    timeline = await current_timeline(pool)

    async with ReadModel(pool, "orders").view(Position(0, timeline), 0, asyncio.Event()) as view:
        assert view.position == Position(0, timeline)
    with pytest.raises(OtherTimeline):
        async with ReadModel(pool, "orders").view(Position(0, timeline + 1), 0, asyncio.Event()):
            pass


async def test_a_read_model_that_is_new_takes_in_all_that_happened_before(
    pool: Pool, store: PostgresEventStore
) -> None:
    """As after a deploy: there is a log, and no checkpoint."""
    handler = CommandHandler(store, CODEC)
    for number in range(700):
        last = await send(store, handler, ReceiveStock(sku=f"s{number % 50}", quantity=1))

    for projection in (OrderProjection(CODEC), StockProjection(CODEC), AccountProjection(CODEC)):
        runner = ProjectionRunner(pool, store, projection)
        while await runner.advance():
            pass
        assert await runner.position() == last
    async with ReadModel(pool, "stock").view(Position(last), 0, asyncio.Event()) as view:
        rows, _ = await listings.STOCK.page(view, {}, "sku", 100)

    assert [row.on_hand for row in rows] == [14] * 50
