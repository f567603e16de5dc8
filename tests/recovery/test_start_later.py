"""A delayed start: a row in DBOS that outlives every process, and gives way to whoever is sooner."""

import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import EagerScans, serve_more_sagas
from tests.recovery.launcher import serving
from tests.recovery.shop import Look, await_end, behave, dbos_of, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SOON = 10
"""Seconds: a slow machine has done what must come before by then."""
TOO_EARLY = """
    select count(*) from eventstore.events as e
     where type in ('StepStarted', 'StepSucceeded') and recorded_at < %(start_at)s
"""


def start_in(http: httpx.Client, seconds: float, saga_id: str = "later") -> datetime:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    asked = {"order_id": saga_id, "wait_seconds": 1}
    http.post(
        "/sagas/patient-booking",
        json=asked,
        params={"at": at.isoformat()},
        headers={"Idempotency-Key": saga_id},
    ).raise_for_status()
    return at


def test_it_starts_at_its_time_though_its_server_was_killed(database: Database) -> None:
    look = Look(database)
    with serving(database, serve_more_sagas) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        start_at = start_in(http, SOON)
        before = saga(http, "later")
        assert look.runs("DELAYED") == ["later"]
        server.kill()
    assert (before["status"], datetime.fromisoformat(before["resumes_at"])) == ("queued", start_at)

    with serving(database, serve_more_sagas) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        await_end(http, "later")
        assert saga(http, "later")["status"] == "completed"
    assert look.value(TOO_EARLY, start_at=start_at) == 0
    assert len(look.bookings("later")) == 1


def test_a_run_that_dbos_brings_early_parks_again(database: Database) -> None:
    """As a sweeper would whose clock is fast."""
    look = Look(database)
    with (
        serving(database, serve_more_sagas) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
        dbos_of(database) as dbos,
    ):
        start_at = start_in(http, SOON)
        dbos.resume_workflow("later", queue_name="sagas")
        until(lambda: look.runs("DELAYED") == ["later/2"])

        assert saga(http, "later")["status"] == "queued"
        await_end(http, "later")
    assert look.value(TOO_EARLY, start_at=start_at) == 0
    assert len(look.journal("later", "Parked")) == 1


def test_compensating_it_wakes_it_at_once(database: Database) -> None:
    look = Look(database)
    with serving(database, serve_more_sagas) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        start_in(http, 3600)

        http.post("/sagas/later/compensate", json={"reason": "too late"}).raise_for_status()

        await_end(http, "later")
        assert saga(http, "later")["status"] == "compensated"
        until(lambda: not look.runs("PENDING", "ENQUEUED"))
    assert look.runs("DELAYED") == ["later"], "its timer is left, and will find nothing to do"
    assert look.bookings() == []


def test_the_reconciler_does_not_think_it_overdue_before_it_is(database: Database) -> None:
    """Its row is lost: that is seen when it should have run, and then it is mended."""
    look = Look(database)
    faults = (serve_more_sagas, EagerScans(age_seconds=1.0))
    with (
        serving(database, *faults) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
        dbos_of(database) as dbos,
    ):
        behave(http, mode="ok")
        start_at = start_in(http, SOON)
        dbos.delete_workflows(["later"])
        await_end(http, "later")

    [named] = look.journal("later", "RunNamed")
    assert named["data"]["run"] == 2
    [at] = look.rows("select recorded_at from eventstore.events where type = 'RunNamed'")
    assert at["recorded_at"] > start_at
    assert time.time() > start_at.timestamp()
