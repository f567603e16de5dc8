"""The sandbox supplier over real HTTP: one order a key, a tombstone for what was cancelled, told to fail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from app.sandbox import supplier_router
from domain import Rejected
from tests.conftest import Database
from tests.integration.carrier.conftest import serving
from tests.unit.workflows.supplier import Supplier as MemorySupplier
from workflows.saga import Transient
from workflows.supplier import CancelGoods, OrderGoods, Supplier

pytestmark = pytest.mark.postgres

PREFIX = "/sandbox/supplier"
KEY = "replenish-stock-e1/2"
ORDER = OrderGoods(sku="11", quantity=20)
CANCEL = CancelGoods(sku="11")


@asynccontextmanager
async def serving_supplier(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with AsyncConnectionPool(database.url, min_size=1, max_size=4, open=False) as pool:
        app = FastAPI()
        app.include_router(supplier_router(pool), prefix=PREFIX)
        async with serving(app) as url, httpx.AsyncClient(base_url=url + PREFIX) as client:
            yield client


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with serving_supplier(database) as client:
        yield client


@pytest.fixture
def sandbox(client: httpx.AsyncClient) -> Supplier:
    return Supplier(client)


@pytest.fixture(params=["sandbox", "memory"])
def supplier(request: pytest.FixtureRequest, sandbox: Supplier) -> Supplier | MemorySupplier:
    """The real one, and the one that the tests in memory use: both keep to the same rules."""
    return sandbox if request.param == "sandbox" else MemorySupplier()


async def orders(client: httpx.AsyncClient, **page: Any) -> list[dict[str, Any]]:
    response = await client.get("orders", params=page)
    found: list[dict[str, Any]] = response.raise_for_status().json()["orders"]
    return found


async def behave(client: httpx.AsyncClient, **behaviour: Any) -> None:
    (await client.put("behaviour", json=behaviour)).raise_for_status()


async def test_the_same_order_again_is_the_same(supplier: Supplier) -> None:
    first = await supplier.order(ORDER, KEY)

    assert await supplier.order(ORDER, KEY) == first


async def test_orders_under_two_keys_are_two(supplier: Supplier) -> None:
    assert await supplier.order(ORDER, KEY) != await supplier.order(ORDER, "another/2")


async def test_another_order_under_the_same_key_is_refused(supplier: Supplier) -> None:
    await supplier.order(ORDER, KEY)

    with pytest.raises(Rejected) as rejection:
        await supplier.order(OrderGoods(sku="11", quantity=21), KEY)

    assert rejection.value.code == "order-differs"


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_cancelled_key_stays_cancelled(supplier: Supplier, ordered: bool) -> None:
    if ordered:
        await supplier.order(ORDER, KEY)
    await supplier.cancel(CANCEL, KEY)
    await supplier.cancel(CANCEL, KEY)

    with pytest.raises(Rejected) as rejection:
        await supplier.order(ORDER, KEY)

    assert rejection.value.code == "order-cancelled"


async def test_an_order_is_kept_under_its_key(sandbox: Supplier, client: httpx.AsyncClient) -> None:
    ordered = await sandbox.order(ORDER, KEY)

    kept = (await client.get(f"orders/{KEY}")).raise_for_status().json()
    assert (kept["key"], kept["sku"], kept["quantity"]) == (KEY, "11", 20)
    assert (kept["status"], kept["number"]) == ("ordered", ordered.number)
    assert (await client.get("orders/unknown/2")).status_code == 404


async def test_many_at_once_under_one_key_are_one_order(sandbox: Supplier, client: httpx.AsyncClient) -> None:
    made = await asyncio.gather(*(sandbox.order(ORDER, KEY) for _ in range(20)))

    assert len({order.number for order in made}) == 1
    assert len(await orders(client)) == 1


async def test_orders_are_listed_by_sku(sandbox: Supplier, client: httpx.AsyncClient) -> None:
    for number in range(4):
        await sandbox.order(OrderGoods(sku=f"{number % 2}", quantity=1), f"s{number}/2")

    assert [order["key"] for order in await orders(client, sku="1")] == ["s1/2", "s3/2"]
    assert [order["key"] for order in await orders(client, after="s1/2", limit=1)] == ["s2/2"]


async def test_it_can_be_told_to_fail_once(sandbox: Supplier, client: httpx.AsyncClient) -> None:
    await behave(client, mode="fail", times=1)

    with pytest.raises(Transient, match="503"):
        await sandbox.order(ORDER, KEY)

    assert await orders(client) == []
    await sandbox.order(ORDER, KEY)


async def test_it_can_be_told_to_refuse_one_sku(sandbox: Supplier, client: httpx.AsyncClient) -> None:
    await behave(client, mode="refuse", sku="12")
    await sandbox.order(ORDER, KEY)

    with pytest.raises(Rejected) as rejection:
        await sandbox.order(OrderGoods(sku="12", quantity=1), "another/2")

    assert rejection.value.code == "supplier-refused"


async def test_it_can_be_told_to_lose_its_answer(sandbox: Supplier, client: httpx.AsyncClient) -> None:
    await behave(client, mode="drop", times=1)

    with pytest.raises(Transient, match="no answer from the supplier"):
        await sandbox.order(ORDER, KEY)

    assert [order["status"] for order in await orders(client)] == ["ordered"]


async def test_a_failing_cancellation_is_another_matter(sandbox: Supplier, client: httpx.AsyncClient) -> None:
    await behave(client, mode="fail", operation="cancel")
    await sandbox.order(ORDER, KEY)

    with pytest.raises(Transient):
        await sandbox.cancel(CANCEL, KEY)

    assert (await client.get("behaviour")).json()["operation"] == "cancel"
