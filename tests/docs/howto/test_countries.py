"""The projection of docs/query-read-models.md follows the log."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.money import Money
from domain.order import PlaceOrder
from domain.order_lines import OrderLine
from domain.values import Address
from tests.conftest import Database
from tests.docs.howto.countries import CountryProjection
from tests.integration.readmodels.histories import CODEC, Log, table, take_in

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


async def test_it_counts_each_order_once(database: Database) -> None:
    log = Log()
    line = OrderLine(sku="11", quantity=1, unit_price=Money(amount=5, currency="USD"))
    for number, country in enumerate(["France", "Peru", "France", "France"]):
        ship_to = Address(name="Ana", country=country)
        log.send(PlaceOrder(order_id=f"o{number}", customer_id="ana", ship_to=ship_to, lines=(line,)))
    _make_table(database.owner_url)

    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
        await take_in(connection, CountryProjection(CODEC), [log.events[:2], log.events[2:]])
        rows = await table(connection, "select country, orders from readmodels.countries order by country")

    assert rows == [{"country": "France", "orders": 3}, {"country": "Peru", "orders": 1}]


def _make_table(owner_url: str) -> None:
    statement: Any = Path(__file__).with_name("countries.sql").read_text()
    with psycopg.connect(owner_url) as connection:
        connection.execute("set local search_path to readmodels")
        connection.execute(statement)
