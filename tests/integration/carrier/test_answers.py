"""Which family of error each answer of a carrier is. The carriers here answer one thing, over real HTTP."""

import httpx
import pytest
from fastapi import FastAPI, Response

from domain import Rejected
from tests.acceptance.server import free_port
from tests.integration.carrier.conftest import serving
from tests.integration.carrier.sandbox import BOOK, CANCEL, KEY
from workflows.carrier import BOOK_CARRIER, CANCEL_BOOKING, BookingCancelled, Carrier
from workflows.saga import Transient


def answering(status: int, body: str = "") -> FastAPI:
    app = FastAPI()

    @app.put("/bookings/{key:path}")
    @app.delete("/bookings/{key:path}")
    async def answer() -> Response:
        return Response(body, status, media_type="application/json")

    return app


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_what_a_retry_may_mend_is_transient(status: int) -> None:
    async with serving(answering(status)) as url, httpx.AsyncClient(base_url=url) as client:
        with pytest.raises(Transient, match=str(status)):
            await Carrier(client).book(BOOK, KEY)


@pytest.mark.parametrize("status", [400, 403, 409, 422])
async def test_a_problem_with_a_code_is_a_business_no(status: int) -> None:
    carrier = answering(status, '{"code": "no-drivers", "detail": "no driver today", "extra": 1}')
    async with serving(carrier) as url, httpx.AsyncClient(base_url=url) as client:
        with pytest.raises(Rejected, match="no driver today") as rejection:
            await Carrier(client).book(BOOK, KEY)

    assert rejection.value.code == "no-drivers"
    assert rejection.value.data == {"status": status}


@pytest.mark.parametrize(
    ("status", "body"),
    [(302, ""), (401, ""), (404, '{"detail": "Not Found"}'), (422, '{"detail": []}'), (403, "<html>")],
)
async def test_a_refusal_without_a_code_is_nobodys_business_no(status: int, body: str) -> None:
    async with serving(answering(status, body)) as url, httpx.AsyncClient(base_url=url) as client:
        with pytest.raises(httpx.HTTPStatusError, match=str(status)):
            await Carrier(client).book(BOOK, KEY)


async def test_a_carrier_that_is_not_there_is_transient() -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(Transient, match="no answer"):
            await Carrier(client).book(BOOK, KEY)


async def test_a_cancellation_answers_nothing_but_that_it_is_done() -> None:
    async with serving(answering(204)) as url, httpx.AsyncClient(base_url=url) as client:
        assert await Carrier(client).cancel(CANCEL, KEY) == BookingCancelled()


async def test_the_calls_have_their_durable_names() -> None:
    async with httpx.AsyncClient() as client:
        calls = Carrier(client).calls()

    assert {definition.call.name: definition.call for definition in calls} == {
        "book-carrier": BOOK_CARRIER,
        "cancel-booking": CANCEL_BOOKING,
    }
