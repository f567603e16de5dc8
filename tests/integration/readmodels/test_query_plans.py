"""A page is read from an index in the order of the list, however many rows there are."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from app.readmodels import listings
from app.readmodels.paging import Listing
from app.readmodels.sagas import SAGAS
from tests.conftest import Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

EARLY, LATE = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in (100, 19_900))
LISTS = [SAGAS, listings.ORDERS, listings.STOCK, listings.ACCOUNTS]
FILL = """
    insert into readmodels.sagas (saga_id, position, name, status, named_run, updated_at, summary)
    select 's' || n, n, (array['toy', 'other'])[1 + n % 2], (array['stuck', 'completed'])[1 + n % 2], 1,
           '2026-01-01Z'::timestamptz + n * 79 % 10007 * interval '1 s',
           jsonb_build_object('saga_version', 1, 'correlation_id', 'c' || n, 'parent',
                              jsonb_build_object('saga_id', 'p' || n % 500),
                              'requested_at', '2026-01-01Z'::timestamptz + n * interval '1 s')
      from generate_series(1, 20000) as n;
    insert into readmodels.orders
           (order_id, status, customer_id, country, currency, amount, skus, state, saga_ids, correlation_id,
            placed, placed_at, updated_at, position)
    select 'o' || n, (array['placed', 'completed'])[1 + n % 2], 'c' || n % 500, 'Peru', 'USD', n * 79 % 10007,
           array[(n % 800)::text], '{}', '{}', 'c' || n, n, now(), now(), n
      from generate_series(1, 20000) as n;
    insert into readmodels.stock
           (sku, received, on_hand, reserved, shipped, reorder_level, goods_expected, updated_at, position)
    select 's' || n, 9, n * 79 % 10007, 0, 0, case when n % 1000 = 0 then 20000 end, false, now(), n
      from generate_series(1, 20000) as n;
    insert into readmodels.accounts
           (account_id, currency, balance, held, movement_count, opened_at, updated_at, position)
    select 'a' || n, 'USD', n * 79 % 10007, 0, 1, now(), now(), n from generate_series(1, 20000) as n;
    insert into readmodels.account_movements
           (account_id, position, part, version, event_id, kind, amount, currency, change, balance, held,
            order_id, recorded_at)
    select 'a' || n % 10, n, 0, n, gen_random_uuid(), 'held', 1, 'USD', -1, 1, 1, 'o' || n,
           '2026-01-01Z'::timestamptz + n * interval '1 s'
      from generate_series(1, 20000) as n;
    analyze readmodels.sagas;
    analyze readmodels.orders;
    analyze readmodels.stock;
    analyze readmodels.accounts;
    analyze readmodels.account_movements"""


@pytest.fixture
def connection(database: Database) -> Any:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(FILL.encode())
        yield connection


def rows_read(connection: psycopg.Connection[Any], listing: Listing[Any], sort: str, **given: Any) -> float:
    """The rows that the plan of a page goes through at most in one place."""
    query, parameters = listing.statement(given, sort, 10)
    [[plan]] = connection.execute(b"explain (analyze, format json) " + query, parameters).fetchall()
    return _most(plan[0]["Plan"])


def _most(plan: dict[str, Any]) -> float:
    own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return max([own, *(_most(within) for within in plan.get("Plans", []))])


@pytest.mark.parametrize("listing", LISTS, ids=lambda x: x.name)
def test_each_order_of_a_list_has_its_index(
    connection: psycopg.Connection[Any], listing: Listing[Any]
) -> None:
    for sort in (*listing.sorts, *(f"-{sort}" for sort in listing.sorts)):
        assert rows_read(connection, listing, sort) < 50, sort


@pytest.mark.parametrize(
    ("listing", "sort", "given"),
    [
        (SAGAS, "-requested", {"status": "stuck"}),
        (SAGAS, "requested", {"name": "toy"}),
        (SAGAS, "-updated", {"status": "stuck"}),
        (SAGAS, "updated", {"name": "toy"}),
        (SAGAS, "-updated", {"parent": "p7"}),
        (SAGAS, "-updated", {"correlation_id": "c77"}),
        (listings.ORDERS, "-placed", {"placed": True, "status": "placed"}),
        (listings.ORDERS, "-placed", {"placed": True, "customer_id": "c7"}),
        (listings.ORDERS, "-placed", {"placed": True, "sku": "7"}),
        (listings.ORDERS, "-placed", {"placed": True, "correlation_id": "c77"}),
        (listings.ORDERS, "-placed", {"placed": True, "order_id": "o77"}),
        (listings.STOCK, "sku", {"running_low": True}),
        (listings.ACCOUNTS, "account", {"currency": "USD"}),
        (listings.MOVEMENTS, "position", {"account_id": "a7"}),
        (listings.MOVEMENTS, "-position", {"account_id": "a7"}),
        (listings.MOVEMENTS, "position", {"account_id": "a7", "order_id": "o77"}),
        (listings.MOVEMENTS, "position", {"account_id": "a7", "recorded_after": LATE}),
        (listings.MOVEMENTS, "-position", {"account_id": "a7", "recorded_before": EARLY}),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_a_filter_reads_little_more_than_the_page(
    connection: psycopg.Connection[Any], listing: Listing[Any], sort: str, given: dict[str, Any]
) -> None:
    assert rows_read(connection, listing, sort, **given) < 60
