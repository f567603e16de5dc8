"""The sandbox supplier: a supplier to try things with, over real HTTP, that can be told to misbehave.

PUT    /orders/{key}   order; the same key and body again answer the same order
DELETE /orders/{key}   cancel; leaves a tombstone, also when nothing was ordered under the key
GET    /orders/{key}, GET /orders?after=&limit=&sku=
PUT    /behaviour, GET /behaviour

Orders and behaviour are kept in Postgres. It sends no goods: that they have come is said by whoever takes
them in. An order's number is a function of the key, so that two runs of the same work can be compared.
"""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from app.sandbox.misbehaviour import After, Key, Misbehaving, Misbehaviour, PageSize, problem
from app.sandbox.rows import rows_of
from domain.values import Id
from eventstore.connections import Pool
from workflows.supplier import OrderGoods

Operation = Literal["order", "cancel"]

# An update that changes nothing, so that the row is returned which holds the key.
ORDER: Final = """
INSERT INTO sandbox.goods_orders (key, sku, status, number, quantity, ordered_at)
VALUES (%(key)s, %(sku)s, 'ordered', %(number)s, %(quantity)s, clock_timestamp())
ON CONFLICT (key) DO UPDATE SET key = excluded.key
RETURNING *
"""
CANCEL: Final = """
INSERT INTO sandbox.goods_orders AS goods (key, sku, status, cancelled_at)
VALUES (%(key)s, %(sku)s, 'cancelled', clock_timestamp())
ON CONFLICT (key) DO UPDATE
SET status = 'cancelled', cancelled_at = coalesce(goods.cancelled_at, clock_timestamp())
RETURNING *
"""
SELECT_ORDER: Final = "SELECT * FROM sandbox.goods_orders WHERE key = %(key)s"
SELECT_ORDERS: Final = """
SELECT * FROM sandbox.goods_orders
WHERE key > %(after)s AND (%(sku)s::text IS NULL OR sku = %(sku)s)
ORDER BY key LIMIT %(limit)s
"""
USE_BEHAVIOUR: Final = """
UPDATE sandbox.supplier_behaviour SET times = times - 1
WHERE mode <> 'ok' AND operation = %(operation)s AND (times IS NULL OR times > 0)
  AND (sku IS NULL OR sku = %(sku)s)
RETURNING operation, mode, delay_ms, times, sku
"""
SET_BEHAVIOUR: Final = """
UPDATE sandbox.supplier_behaviour
SET operation = %(operation)s, mode = %(mode)s, delay_ms = %(delay_ms)s, times = %(times)s, sku = %(sku)s
RETURNING operation, mode, delay_ms, times, sku
"""
SELECT_BEHAVIOUR: Final = "SELECT operation, mode, delay_ms, times, sku FROM sandbox.supplier_behaviour"


class SupplierBehaviour(Misbehaviour):
    """What the supplier does with requests from now on.

    slow: acts at once, answers after the delay · fail: 503, without acting · refuse: 422, a business no ·
    drop: acts, then breaks the connection · late: acts after the delay, also when the client has gone.
    """

    sku: Annotated[Id | None, Field(description="The SKU it applies to; null: any")] = None
    operation: Operation = "order"


class SandboxOrder(BaseModel):
    """An order as the supplier keeps it. A tombstone of what was never ordered has no number."""

    key: str
    sku: str
    status: Literal["ordered", "cancelled"]
    number: str | None
    quantity: int | None
    ordered_at: datetime | None
    cancelled_at: datetime | None


class SandboxOrders(BaseModel):
    """A page of orders, in order of their keys. `next` is the `after` of the next page."""

    orders: list[SandboxOrder]
    next: str | None


Answer = SandboxOrder | Response


def supplier_router(pool: Pool) -> APIRouter:
    """The sandbox supplier on the tables of schema `sandbox`; include it below any prefix."""
    supplier = SandboxSupplier(pool)
    router = APIRouter(tags=["sandbox supplier"])
    router.add_api_route("/orders/{key:path}", supplier.order, methods=["PUT"], response_model=SandboxOrder)
    router.add_api_route(
        "/orders/{key:path}", supplier.cancel, methods=["DELETE"], response_model=SandboxOrder
    )
    router.add_api_route("/orders/{key:path}", supplier.show, methods=["GET"], response_model=SandboxOrder)
    router.add_api_route("/orders", supplier.page, methods=["GET"])
    router.add_api_route("/behaviour", supplier.behave, methods=["PUT"])
    router.add_api_route("/behaviour", supplier.behaviour, methods=["GET"])
    return router


class SandboxSupplier:
    """The endpoints."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._misbehaving = Misbehaving("supplier", "the supplier does not have it")

    async def order(self, key: Key, goods: OrderGoods) -> Answer:
        """Order under a key. The same body again answers the same order, another one 409."""
        return await self._behaving("order", goods.sku, partial(self._order, key, goods))

    async def cancel(self, key: Key, sku: Id) -> Answer:
        """Cancel the order of a key, or make sure that none is made under it."""
        return await self._behaving("cancel", sku, partial(self._cancel, key, sku))

    async def show(self, key: Key) -> Answer:
        """The order of a key."""
        rows = await rows_of(self._pool, SELECT_ORDER, {"key": key})
        return SandboxOrder(**rows[0]) if rows else problem(404, "order-unknown", f"{key} was never ordered")

    async def page(self, after: After = "", limit: PageSize = 100, sku: Id | None = None) -> SandboxOrders:
        """All orders and tombstones, or those of one SKU."""
        rows = await rows_of(self._pool, SELECT_ORDERS, {"after": after, "limit": limit, "sku": sku})
        full = len(rows) == limit
        return SandboxOrders(
            orders=[SandboxOrder(**row) for row in rows], next=rows[-1]["key"] if full else None
        )

    async def behave(self, behaviour: SupplierBehaviour) -> SupplierBehaviour:
        """Tell the supplier how to treat requests from now on."""
        [row] = await rows_of(self._pool, SET_BEHAVIOUR, behaviour.model_dump())
        return SupplierBehaviour.model_validate(row)

    async def behaviour(self) -> SupplierBehaviour:
        """What the supplier was told; `times` has counted down."""
        [row] = await rows_of(self._pool, SELECT_BEHAVIOUR, {})
        return SupplierBehaviour.model_validate(row)

    async def _behaving(self, operation: Operation, sku: str, act: Callable[[], Awaitable[Answer]]) -> Answer:
        rows = await rows_of(self._pool, USE_BEHAVIOUR, {"operation": operation, "sku": sku})
        behaviour = SupplierBehaviour.model_validate(rows[0]) if rows else SupplierBehaviour()
        return await self._misbehaving.act(behaviour, act)

    async def _order(self, key: str, goods: OrderGoods) -> Answer:
        values = {"key": key, "sku": goods.sku, "quantity": goods.quantity, "number": _number(key)}
        [row] = await rows_of(self._pool, ORDER, values)
        if row["status"] == "cancelled":
            return problem(409, "order-cancelled", f"{key} was cancelled")
        if (row["sku"], row["quantity"]) != (goods.sku, goods.quantity):
            return problem(409, "order-differs", f"{key} was ordered with another body")
        return SandboxOrder(**row)

    async def _cancel(self, key: str, sku: str) -> Answer:
        [row] = await rows_of(self._pool, CANCEL, {"key": key, "sku": sku})
        return SandboxOrder(**row)


def _number(key: str) -> str:
    return "PO-" + hashlib.sha256(key.encode()).hexdigest()[:12].upper()
