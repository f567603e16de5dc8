"""Whatever was commanded, and however the log was cut into batches: the rows are what the aggregates are."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection

from app.readmodels.accounts import AccountProjection
from app.readmodels.orders import OrderProjection
from app.readmodels.stock import StockProjection
from domain import Command
from eventstore import RecordedEvent
from eventstore.connections import configure
from eventstore.projections import Projection
from tests.conftest import Database
from tests.integration.readmodels.histories import CODEC, Log, emptied, log_of, table, take_in
from tests.unit.domain.strategies import COMMANDS

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

KEYS = {"stock": "sku", "account": "account_id", "order": "order_id", "shipment": "order_id"}
several = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def commands_of(*categories: str) -> st.SearchStrategy[list[Command]]:
    """Commands to two aggregates of each category, in any order."""
    each = st.one_of(*(COMMANDS[category] for category in categories))
    moved = st.builds(_of_key, each, st.sampled_from(["k-1", "k-2"]))
    return st.lists(moved, max_size=40)


def _of_key(command: Any, key: str) -> Any:
    [name] = [name for name in ("sku", "account_id", "order_id") if name in type(command).model_fields][:1]
    return command.model_copy(update={name: key})


def cut(events: Sequence[RecordedEvent], places: list[int]) -> list[Sequence[RecordedEvent]]:
    """The events in batches, each of which comes a second time at once, as if it had not been counted."""
    bounds = [0, *sorted(place % (len(events) + 1) for place in places), len(events)]
    batches = [events[begin:end] for begin, end in pairwise(bounds)]
    return [batch for batch in batches for _ in range(2)]


def rows_after(
    database: Database, projection: Projection, log: Log, places: list[int], *queries: str
) -> list[list[dict[str, Any]]]:
    async def run() -> list[list[dict[str, Any]]]:
        async with await AsyncConnection.connect(database.url, autocommit=True) as connection:
            await configure(connection)
            await emptied(connection, projection)
            await take_in(connection, projection, cut(log.events, places))
            return [await table(connection, query) for query in queries]

    return asyncio.run(run())


places = st.lists(st.integers(0, 100), max_size=4)


@several
@given(commands=commands_of("stock"), places=places)
def test_stock(database: Database, commands: list[Command], places: list[int]) -> None:
    log = log_of(commands)

    items, reservations = rows_after(
        database,
        StockProjection(CODEC),
        log,
        places,
        "select * from readmodels.stock",
        "select sku, order_id, quantity from readmodels.stock_reservations",
    )

    states = log.of("stock")
    assert {row["sku"]: (row["received"], row["on_hand"], row["shipped"]) for row in items} == {
        sku: (state.received, state.on_hand, state.shipped) for sku, state in states.items()
    }
    for row in items:
        state = states[row["sku"]]
        reserved = {each["order_id"]: each["quantity"] for each in reservations if each["sku"] == row["sku"]}
        point = state.reorder_point
        assert reserved == state.reserved
        assert row["reserved"] == sum(state.reserved.values())
        assert row["reorder_level"] == (point and point.level)
        assert row["goods_expected"] == (point is not None and point.goods_expected)
        assert row["running_low"] == (point is not None and state.on_hand < point.level)


@several
@given(commands=commands_of("account"), places=places)
def test_accounts_and_their_statements(
    database: Database, commands: list[Command], places: list[int]
) -> None:
    log = log_of(commands)

    accounts, holds, movements = rows_after(
        database,
        AccountProjection(CODEC),
        log,
        places,
        "select * from readmodels.accounts",
        "select account_id, order_id, amount from readmodels.account_holds",
        "select * from readmodels.account_movements order by position",
    )

    states = log.of("account")
    assert {row["account_id"]: (row["currency"], row["balance"]) for row in accounts} == {
        account: (state.currency, state.balance) for account, state in states.items()
    }
    assert [row["event_id"] for row in movements] == [event.event_id for event in log.events]
    for row in accounts:
        account = row["account_id"]
        held = {each["order_id"]: each["amount"] for each in holds if each["account_id"] == account}
        own = [each for each in movements if each["account_id"] == account]
        assert held == states[account].holds
        assert row["held"] == sum(held.values())
        assert row["movement_count"] == len(own)
        assert (own[-1]["balance"], own[-1]["held"]) == (row["balance"], row["held"])
        running = 0
        for each in own:
            running += each["change"]
            assert each["balance"] == running


@several
@given(commands=commands_of("order", "shipment"), places=places)
def test_orders(database: Database, commands: list[Command], places: list[int]) -> None:
    log = log_of(commands)

    [rows] = rows_after(database, OrderProjection(CODEC), log, places, "select * from readmodels.orders")

    orders, shipments = log.of("order"), log.of("shipment")
    assert {row["order_id"] for row in rows} == orders.keys() | shipments.keys()
    for row in rows:
        order_id = row["order_id"]
        shipment = shipments.get(order_id)
        assert row["tracking"] == (shipment and shipment.tracking)
        assert (row["placed"] is not None) == (order_id in orders)
        if (order := orders.get(order_id)) is not None:
            assert row["state"] == order.model_dump(mode="json")
            assert row["customer_id"] == order.customer_id
            assert row["amount"] == order.total.amount
            assert row["skus"] == [line.sku for line in order.lines]
            assert row["status"] in {order.status, "dispatched", "returned"}
