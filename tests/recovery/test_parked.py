"""A saga that waits for its next attempt: it costs a row, survives the process, and can be woken."""

import httpx
import pytest

from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import serve_more_sagas
from tests.recovery.launcher import serving
from tests.recovery.shop import Look, await_end, behave, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def start_and_fail(http: httpx.Client, wait_seconds: float) -> None:
    """A saga whose carrier fails once, and which waits then."""
    behave(http, mode="fail", times=1)
    body = {"order_id": "order", "wait_seconds": wait_seconds}
    http.post("/sagas/patient-booking", json=body, headers={"Idempotency-Key": "patient"}).raise_for_status()
    until(lambda: saga(http, "patient")["status"] == "waiting")


def test_it_wakes_when_it_is_due_though_its_process_was_killed(database: Database) -> None:
    look = Look(database)
    with serving(database, serve_more_sagas) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        start_and_fail(http, wait_seconds=10)
        waiting = saga(http, "patient")
        until(lambda: not look.runs("PENDING", "ENQUEUED"))
        assert look.runs("DELAYED") == ["patient/2"]
        server.kill()
    with serving(database, serve_more_sagas) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        await_end(http, "patient")
        assert saga(http, "patient")["status"] == "completed"

    started = [entry["data"]["run"] for entry in look.journal("patient", "RunStarted")]
    assert started == [1, 2], "a timer that comes early would park it once more, which costs nothing"
    too_early = """
        select count(*) from eventstore.events
         where type = 'RunStarted' and data->>'run' = '2' and recorded_at < %(due)s
    """
    assert look.value(too_early, due=waiting["resumes_at"]) == 0


def test_an_operator_wakes_it_at_once(database: Database) -> None:
    look = Look(database)
    with serving(database, serve_more_sagas) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        start_and_fail(http, wait_seconds=3600)
        asked = http.post("/sagas/patient/compensate", json={"reason": "no more patience"})
        assert asked.json()["status"] == "compensating"
        await_end(http, "patient")

        assert saga(http, "patient")["status"] == "compensated"
        until(lambda: not look.runs("PENDING", "ENQUEUED"))
        assert look.runs("DELAYED") == ["patient/2"], "its timer is left, and will find nothing to do"
    [booking] = look.bookings("order")
    assert (booking["status"], booking["booked_at"]) == ("cancelled", None)
