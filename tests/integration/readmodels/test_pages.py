"""Pages of lists: complete, in order, from an index, and stable while others write."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import AsyncConnection

from app.positions import Position
from app.readmodels import listings
from app.readmodels.accounts import AccountProjection
from app.readmodels.orders import OrderProjection
from app.readmodels.paging import Cursor, InvalidCursor, Listing
from app.readmodels.reading import View
from app.readmodels.stock import StockProjection
from domain.account import Deposit, OpenAccount
from domain.money import Money
from domain.order import PlaceOrder
from domain.order_lines import OrderLine
from domain.stock import ReceiveStock, ReserveStock
from domain.values import Address
from eventstore.connections import configure
from tests.conftest import Database
from tests.integration.readmodels.histories import CODEC, Log, take_in

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ROWS = 60
LISTS = [listings.ORDERS, listings.STOCK, listings.ACCOUNTS]
AS_OF = Position(0, 1)


def place(number: int) -> PlaceOrder:
    price = Money(amount=number % 7 + 1, currency="USD")
    return PlaceOrder(
        order_id=f"o{number}",
        customer_id=f"c{number % 3}",
        ship_to=Address(name="Ana", country=("Peru", "France")[number % 2]),
        lines=(OrderLine(sku=str(number % 5), quantity=1, unit_price=price),),
    )


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection[Any]]:
    async with await AsyncConnection.connect(database.url, autocommit=True) as connection:
        await configure(connection)
        yield connection


async def fill(connection: AsyncConnection[Any]) -> Log:
    log = Log()
    for number in range(ROWS):
        log.send(place(number))
        log.send(ReceiveStock(sku=f"s{number}", quantity=number % 4 + 1))
        log.send(ReserveStock(sku=f"s{number}", order_id=f"o{number % 2}", quantity=1))
        log.send(OpenAccount(account_id=f"a{number}", currency=("USD", "EUR")[number % 2]))
    for projection in (OrderProjection(CODEC), StockProjection(CODEC), AccountProjection(CODEC)):
        await take_in(connection, projection, [log.events])
    return log


async def keys(
    connection: AsyncConnection[Any], listing: Listing[Any], sort: str, limit: int, **given: Any
) -> list[Any]:
    """The keys of all rows, page by page."""
    found, cursor = [], None
    while True:
        rows, following = await listing.page(View(connection, AS_OF), given, sort, limit, cursor)
        found += [getattr(row, listing.key) for row in rows]
        if following is None:
            return found
        assert len(rows) == limit
        cursor = Cursor.decode(following)


@pytest.mark.parametrize("limit", [1, 7, ROWS, ROWS + 1])
@pytest.mark.parametrize(
    "listing", [listings.ORDERS, listings.STOCK, listings.ACCOUNTS], ids=lambda x: x.name
)
async def test_every_order_of_a_list_has_every_row_once(
    connection: AsyncConnection[Any], listing: Listing[Any], limit: int
) -> None:
    await fill(connection)

    for sort in listing.sorts:
        upwards = await keys(connection, listing, sort, limit)
        downwards = await keys(connection, listing, f"-{sort}", limit)

        assert len(set(upwards)) == len(upwards) == ROWS
        assert downwards == upwards[::-1]


async def test_a_filter_keeps_what_it_says(connection: AsyncConnection[Any]) -> None:
    await fill(connection)

    assert set(await keys(connection, listings.ORDERS, "placed", 7, customer_id="c1", country="France")) == {
        f"o{number}" for number in range(ROWS) if number % 3 == 1 and number % 2 == 1
    }
    assert await keys(connection, listings.ORDERS, "placed", 7, sku="4") == [
        f"o{number}" for number in range(4, ROWS, 5)
    ]
    assert len(await keys(connection, listings.STOCK, "sku", 7, reserved_for="o1")) == ROWS // 2
    assert len(await keys(connection, listings.ACCOUNTS, "account", 7, currency="EUR")) == ROWS // 2


async def test_a_cursor_of_another_list_or_order_is_refused(connection: AsyncConnection[Any]) -> None:
    view = View(connection, AS_OF)
    for cursor in (
        Cursor("stock", "placed", (1,), AS_OF),
        Cursor("orders", "-placed", (1,), AS_OF),
        Cursor("orders", "placed", ("1",), AS_OF),
        Cursor("orders", "placed", (1, 2), AS_OF),
        Cursor("orders", "placed", (2**63,), AS_OF),
    ):
        with pytest.raises(InvalidCursor):
            await listings.ORDERS.page(view, {}, "placed", 5, cursor)
    with pytest.raises(InvalidCursor):
        await listings.STOCK.page(view, {}, "sku", 5, Cursor("stock", "sku", ("a\0",), AS_OF))


@pytest.mark.parametrize(
    ("listing", "sort"),
    [
        (listings.ORDERS, "placed"),
        (listings.ORDERS, "-placed"),
        (listings.ORDERS, "updated"),  # what changes moves ahead of the reader
        (listings.STOCK, "-sku"),
        (listings.ACCOUNTS, "account"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
async def test_paging_loses_no_row_that_was_there_while_others_write(
    database: Database, connection: AsyncConnection[Any], listing: Listing[Any], sort: str
) -> None:
    log = await fill(connection)
    before = set(await keys(connection, listing, sort, ROWS))
    done = asyncio.Event()

    async def write() -> None:
        async with await AsyncConnection.connect(database.url, autocommit=True) as other:
            await configure(other)
            for number in range(ROWS, 10 * ROWS):
                seen = len(log.events)
                log.send(place(number))
                log.send(ReceiveStock(sku=f"s{number % 90}", quantity=1))
                log.send(OpenAccount(account_id=f"a{number}", currency="USD"))
                money = Money(amount=1, currency=("USD", "EUR")[number % 2])
                log.send(Deposit(account_id=f"a{number % ROWS}", money=money))
                for projection in (OrderProjection(CODEC), StockProjection(CODEC), AccountProjection(CODEC)):
                    await take_in(other, projection, [log.events[seen:]])
                if done.is_set():
                    return

    writing = asyncio.create_task(write())
    found = []
    for _ in range(5):
        found = await keys(connection, listing, sort, 3)
        assert before <= set(found)
    done.set()
    await writing

    assert len(set(found)) == len(found)
