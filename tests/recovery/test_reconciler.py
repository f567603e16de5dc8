"""DBOS's rows damaged by hand: open sagas get a new run and complete, whatever they were doing."""

from collections.abc import Callable

import httpx
import pytest
from dbos import DBOSClient

from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import EagerScans, ShortCalls, serve_more_sagas
from tests.recovery.launcher import serving
from tests.recovery.shop import (
    Look,
    assert_books_balance,
    await_end,
    behave,
    dbos_of,
    open_shop,
    order,
    place,
    saga,
)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

FAULTS = (serve_more_sagas, ShortCalls())
Damage = Callable[[DBOSClient, list[str]], None]


@pytest.mark.parametrize("damage", [DBOSClient.delete_workflows, DBOSClient.cancel_workflows])
def test_sagas_whose_runs_are_gone_get_new_ones(database: Database, damage: Damage) -> None:
    """One that is parked, one in the middle of a call, one in the queue."""
    look = Look(database)
    with (
        serving(database, serve_more_sagas, ShortCalls(seconds=10), SAGA_SLOTS="1") as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        open_shop(http)
        behave(http, mode="fail", times=1)
        parked = {"order_id": "parked", "wait_seconds": 10}
        http.post("/sagas/patient-booking", json=parked, headers={"Idempotency-Key": "parked"})
        until(lambda: saga(http, "parked")["status"] == "waiting")
        behave(http, mode="slow", delay_ms=60_000)
        running = place(http, order("running"))
        until(lambda: bool(look.bookings("running")))
        queued = place(http, order("queued"))

        runs = ["parked/2", running, queued]
        until(lambda: sorted(look.runs("PENDING", "ENQUEUED", "DELAYED")) == sorted(runs))
        with dbos_of(database) as dbos:
            damage(dbos, runs)
        server.kill()

    with (
        serving(database, *FAULTS, EagerScans()) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        behave(http, mode="ok")
        await_end(http, "parked", running, queued)
        assert saga(http, "parked")["status"] == "completed"
        assert_books_balance(http, completed=2)

    for saga_id, run in (("parked", 3), (running, 2), (queued, 2)):
        [named] = look.journal(saga_id, "RunNamed")
        assert named["data"] == {"run": run, "reason": "no active run in DBOS"}
    assert [booking["status"] for booking in look.bookings()] == ["booked"] * 3
