"""Many sagas want the same thing at once: all end, and others go on meanwhile."""

import httpx
import pytest

from tests.acceptance.server import money, until
from tests.conftest import Database
from tests.recovery.faults import ShortCalls
from tests.recovery.launcher import serving
from tests.recovery.shop import (
    FUNDS,
    Look,
    await_end,
    behave,
    open_account,
    open_shop,
    order,
    place,
    place_together,
    receive_stock,
    saga,
    saga_of,
    state,
)

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(900)]

ON_ONE_SKU = 500
CUSTOMERS = 50
BATCH = 50
RUNS_MAX = 20
SLOTS = 4
WAITING = 5 * SLOTS


def transfer(http: httpx.Client, saga_id: str) -> None:
    body = {"source": "cem", "target": "dia", "money": money(1)}
    headers = {"Idempotency-Key": saga_id}
    http.post("/sagas/transfer-funds", json=body, headers=headers).raise_for_status()


def open_others(http: httpx.Client) -> None:
    """Accounts that no order touches."""
    open_account(http, "cem", FUNDS)
    open_account(http, "dia")


def test_five_hundred_orders_of_one_article_all_end(database: Database) -> None:
    """In two servers, whose appends to the one stream race each other."""
    look = Look(database)
    with (
        serving(database) as one,
        serving(database) as two,
        httpx.Client(base_url=one.url, timeout=60) as http,
        httpx.Client(base_url=two.url, timeout=60) as other,
    ):
        open_shop(http)
        open_others(http)
        receive_stock(http, "hot", ON_ONE_SKU)
        for number in range(CUSTOMERS):
            open_account(http, f"customer-{number}", FUNDS)
        customers = [f"customer-{number % CUSTOMERS}" for number in range(ON_ONE_SKU)]
        orders = [order(f"order-{n}", customer, ("hot",)) for n, customer in enumerate(customers)]
        for number, first in enumerate(range(0, ON_ONE_SKU, BATCH)):
            place_together((http, other)[number % 2], orders[first : first + BATCH])
        for number in range(10):
            transfer(other, f"beside-{number}")

        await_end(http, *[f"beside-{number}" for number in range(10)])
        until(lambda: not look.runs("PENDING", "ENQUEUED", "DELAYED"), 300)
        sagas = [saga_of(each["order_id"]) for each in orders]
        assert {saga(http, saga_id)["status"] for saga_id in sagas} == {"completed"}
        hot = state(http, "stock", "hot")
        assert (hot["on_hand"], hot["reserved"], hot["shipped"]) == (0, {}, ON_ONE_SKU)
        assert not look.steps_done_twice()
        assert look.rows("select data from eventstore.events where type = 'CompensationStarted'") == []
        runs = look.value(
            "select max((data->>'run')::int) from eventstore.events where type in ('RunStarted', 'Parked')"
        )
        assert runs <= RUNS_MAX, "a saga was put off again and again"


def test_a_dead_carrier_with_more_orders_than_slots_holds_nobody_else_up(database: Database) -> None:
    look = Look(database)
    with (
        serving(database, ShortCalls(), SAGA_SLOTS=str(SLOTS)) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        open_shop(http)
        open_others(http)
        behave(http, mode="slow", delay_ms=60_000)
        sagas = [place(http, order(f"order-{number}")) for number in range(WAITING)]
        until(
            lambda: (
                look.value("select count(distinct stream) from eventstore.events where type = 'Parked'")
                > SLOTS
            )
        )

        transfer(http, "beside")
        await_end(http, "beside")
        assert saga(http, "beside")["status"] == "completed"
        assert all(saga(http, saga_id)["ended_at"] is None for saga_id in sagas)

        behave(http, mode="ok")
        await_end(http, *sagas, seconds=180)
        assert {saga(http, saga_id)["status"] for saga_id in sagas} == {"completed"}
        assert not look.steps_done_twice()
