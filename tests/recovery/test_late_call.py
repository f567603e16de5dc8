"""A request that is late: its saga was compensated meanwhile, and the other side must not act on it."""

from collections.abc import Callable

import httpx
import psutil
import pytest

from app.runtime import EXIT_RESTART
from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import (
    ShortCalls,
    ShortLease,
    freeze_when_a_booking_is_sent,
    freeze_when_a_call_is_announced,
)
from tests.recovery.launcher import serving
from tests.recovery.shop import Carrier, Look, assert_books_balance, await_end, open_shop, order, place, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

QUICK = (ShortCalls(seconds=1), ShortLease())
MANY = 1_000


def compensate(http: httpx.Client, saga_id: str) -> None:
    http.post(f"/sagas/{saga_id}/compensate", json={"reason": "changed my mind"}).raise_for_status()


@pytest.mark.parametrize(
    ("freeze", "requests"),
    [
        pytest.param(freeze_when_a_call_is_announced, 0, id="before the check of its deadline: not sent"),
        pytest.param(freeze_when_a_booking_is_sent, 1, id="after it: refused"),
    ],
)
def test_a_caller_that_was_frozen_books_nothing_when_it_wakes_up(
    database: Database, carrier: Carrier, freeze: Callable[[], None], requests: int
) -> None:
    carrier.behave(mode="slow", delay_ms=0, times=MANY)
    with serving(database, *QUICK, freeze, SAGA_CARRIER_URL=carrier.url) as frozen:
        with httpx.Client(base_url=frozen.url, timeout=60) as http:
            open_shop(http)
            saga_id = place(http, order("late"))
        until(lambda: psutil.Process(frozen.pid).status() == psutil.STATUS_STOPPED)

        with (
            serving(database, *QUICK, SAGA_CARRIER_URL=carrier.url) as other,
            httpx.Client(base_url=other.url, timeout=60) as http,
        ):
            compensate(http, saga_id)
            await_end(http, saga_id)
            assert saga(http, saga_id)["status"] == "compensated"
            end = Look(database).journal(saga_id)

            frozen.thaw()
            until(lambda: carrier.requests_since(MANY) == requests)
            assert frozen.exit_code() == EXIT_RESTART, frozen.log.read_text()

            assert carrier.requests_since(MANY) == requests
            assert_books_balance(http, completed=0)
    assert Look(database).journal(saga_id) == end
    [booking] = carrier.look.bookings("late")
    assert (booking["status"], booking["booked_at"]) == ("cancelled", None)


def test_a_carrier_that_acts_late_meets_the_tombstone(database: Database, carrier: Carrier) -> None:
    carrier.behave(mode="late", delay_ms=10_000)  # it is compensated long before
    with (
        serving(database, *QUICK, SAGA_CARRIER_URL=carrier.url) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        open_shop(http)
        saga_id = place(http, order("late"))
        until(lambda: bool(Look(database).journal(saga_id, "StepStarted")))
        compensate(http, saga_id)
        await_end(http, saga_id)
        tombstone = carrier.look.rows("select xmin::text, * from sandbox.bookings")

        until(lambda: carrier.look.rows("select xmin::text, * from sandbox.bookings") != tombstone)

        assert_books_balance(http, completed=0)
    [booking] = carrier.look.bookings("late")
    assert (booking["status"], booking["booked_at"]) == ("cancelled", None)
