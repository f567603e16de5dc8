"""The sandbox carrier: a carrier to try things with, over real HTTP, that can be told to misbehave.

PUT    /bookings/{key}   book; the same key and body again answer the same booking
DELETE /bookings/{key}   cancel; leaves a tombstone, also when nothing was booked under the key
GET    /bookings/{key}, GET /bookings?after=&limit=&order_id=
PUT    /behaviour, GET /behaviour

Bookings and behaviour are kept in Postgres. A tracking number is a function of the key, so that two runs of
the same work can be compared.
"""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Response
from psycopg.types.json import Jsonb
from pydantic import BaseModel, Field

from app.sandbox.misbehaviour import After, Key, Misbehaving, Misbehaviour, PageSize, problem
from app.sandbox.rows import Row, rows_of
from domain.values import Id
from eventstore.connections import Pool
from workflows.carrier import BookCarrier

Operation = Literal["book", "cancel"]

# An update that changes nothing, so that the row is returned which holds the key.
BOOK: Final = """
INSERT INTO sandbox.bookings (key, order_id, status, tracking, request, booked_at)
VALUES (%(key)s, %(order_id)s, 'booked', %(tracking)s, %(request)s, clock_timestamp())
ON CONFLICT (key) DO UPDATE SET key = excluded.key
RETURNING *
"""
CANCEL: Final = """
INSERT INTO sandbox.bookings AS booking (key, order_id, status, cancelled_at)
VALUES (%(key)s, %(order_id)s, 'cancelled', clock_timestamp())
ON CONFLICT (key) DO UPDATE
SET status = 'cancelled', cancelled_at = coalesce(booking.cancelled_at, clock_timestamp())
RETURNING *
"""
SELECT_BOOKING: Final = "SELECT * FROM sandbox.bookings WHERE key = %(key)s"
SELECT_BOOKINGS: Final = """
SELECT * FROM sandbox.bookings
WHERE key > %(after)s AND (%(order_id)s::text IS NULL OR order_id = %(order_id)s)
ORDER BY key LIMIT %(limit)s
"""
USE_BEHAVIOUR: Final = """
UPDATE sandbox.behaviour SET times = times - 1
WHERE mode <> 'ok' AND operation = %(operation)s AND (times IS NULL OR times > 0)
  AND (order_id IS NULL OR order_id = %(order_id)s)
RETURNING operation, mode, delay_ms, times, order_id
"""
SET_BEHAVIOUR: Final = """
UPDATE sandbox.behaviour
SET operation = %(operation)s, mode = %(mode)s, delay_ms = %(delay_ms)s, times = %(times)s,
    order_id = %(order_id)s
RETURNING operation, mode, delay_ms, times, order_id
"""
SELECT_BEHAVIOUR: Final = "SELECT operation, mode, delay_ms, times, order_id FROM sandbox.behaviour"


class Behaviour(Misbehaviour):
    """What the carrier does with requests from now on.

    slow: acts at once, answers after the delay · fail: 503, without acting · refuse: 422, a business no ·
    drop: acts, then breaks the connection · late: acts after the delay, also when the client has gone.
    """

    order_id: Annotated[Id | None, Field(description="The order it applies to; null: any")] = None
    operation: Operation = "book"


class SandboxBooking(BaseModel):
    """A booking as the carrier keeps it. A tombstone of what was never booked has no tracking number."""

    key: str
    order_id: str
    status: Literal["booked", "cancelled"]
    tracking: str | None
    booked_at: datetime | None
    cancelled_at: datetime | None


class SandboxBookings(BaseModel):
    """A page of bookings, in order of their keys. `next` is the `after` of the next page."""

    bookings: list[SandboxBooking]
    next: str | None


Answer = SandboxBooking | Response


def carrier_router(pool: Pool) -> APIRouter:
    """The sandbox carrier on the tables of schema `sandbox`; include it below any prefix."""
    carrier = SandboxCarrier(pool)
    router = APIRouter(tags=["sandbox carrier"])
    router.add_api_route("/bookings/{key:path}", carrier.book, methods=["PUT"], response_model=SandboxBooking)
    router.add_api_route(
        "/bookings/{key:path}", carrier.cancel, methods=["DELETE"], response_model=SandboxBooking
    )
    router.add_api_route("/bookings/{key:path}", carrier.show, methods=["GET"], response_model=SandboxBooking)
    router.add_api_route("/bookings", carrier.page, methods=["GET"])
    router.add_api_route("/behaviour", carrier.behave, methods=["PUT"])
    router.add_api_route("/behaviour", carrier.behaviour, methods=["GET"])
    return router


class SandboxCarrier:
    """The endpoints."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._misbehaving = Misbehaving("carrier", "the carrier does not ship there")

    async def book(self, key: Key, booking: BookCarrier) -> Answer:
        """Book under a key. The same body again answers the same booking, another one 409."""
        return await self._behaving("book", booking.order_id, partial(self._book, key, booking))

    async def cancel(self, key: Key, order_id: Id) -> Answer:
        """Cancel the booking of a key, or make sure that none is made under it."""
        return await self._behaving("cancel", order_id, partial(self._cancel, key, order_id))

    async def show(self, key: Key) -> Answer:
        """The booking of a key."""
        rows = await rows_of(self._pool, SELECT_BOOKING, {"key": key})
        return _booking(rows[0]) if rows else problem(404, "booking-unknown", f"{key} was never booked")

    async def page(
        self, after: After = "", limit: PageSize = 100, order_id: Id | None = None
    ) -> SandboxBookings:
        """All bookings and tombstones, or those of one order."""
        rows = await rows_of(
            self._pool, SELECT_BOOKINGS, {"after": after, "limit": limit, "order_id": order_id}
        )
        full = len(rows) == limit
        return SandboxBookings(
            bookings=[_booking(row) for row in rows], next=rows[-1]["key"] if full else None
        )

    async def behave(self, behaviour: Behaviour) -> Behaviour:
        """Tell the carrier how to treat requests from now on."""
        [row] = await rows_of(self._pool, SET_BEHAVIOUR, behaviour.model_dump())
        return Behaviour.model_validate(row)

    async def behaviour(self) -> Behaviour:
        """What the carrier was told; `times` has counted down."""
        [row] = await rows_of(self._pool, SELECT_BEHAVIOUR, {})
        return Behaviour.model_validate(row)

    async def _behaving(
        self, operation: Operation, order_id: str, act: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        rows = await rows_of(self._pool, USE_BEHAVIOUR, {"operation": operation, "order_id": order_id})
        behaviour = Behaviour.model_validate(rows[0]) if rows else Behaviour()
        return await self._misbehaving.act(behaviour, act)

    async def _book(self, key: str, booking: BookCarrier) -> Answer:
        request = booking.model_dump(mode="json")
        values = {
            "key": key,
            "order_id": booking.order_id,
            "tracking": _tracking(key),
            "request": Jsonb(request),
        }
        [row] = await rows_of(self._pool, BOOK, values)
        if row["status"] == "cancelled":
            return problem(409, "booking-cancelled", f"{key} was cancelled")
        if row["request"] != request:
            return problem(409, "booking-differs", f"{key} was booked with another body")
        return _booking(row)

    async def _cancel(self, key: str, order_id: str) -> Answer:
        [row] = await rows_of(self._pool, CANCEL, {"key": key, "order_id": order_id})
        return _booking(row)


def _booking(row: Row) -> SandboxBooking:
    return SandboxBooking.model_validate({name: row[name] for name in SandboxBooking.model_fields})


def _tracking(key: str) -> str:
    return "SBX-" + hashlib.sha256(key.encode()).hexdigest()[:12].upper()
