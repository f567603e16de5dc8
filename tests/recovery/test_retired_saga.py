"""A saga whose definition is gone with a deploy: a person sees it, and it can still be undone."""

import httpx
import pytest

from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import ShortCalls, serve_more_sagas
from tests.recovery.launcher import serving
from tests.recovery.shop import Look, await_end, behave, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def test_a_saga_whose_definition_is_gone_becomes_stuck_and_is_undone(database: Database) -> None:
    look = Look(database)
    with (
        serving(database, serve_more_sagas, ShortCalls()) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        behave(http, mode="fail", times=1)
        asked = {"order_id": "old", "wait_seconds": 10}
        http.post("/sagas/patient-booking", json=asked, headers={"Idempotency-Key": "old"})
        until(
            lambda: [row["saga_id"] for row in http.get("/sagas?status=waiting").json()["sagas"]] == ["old"]
        )
        server.kill()

    with serving(database) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        until(lambda: saga(http, "old")["status"] == "stuck")
        assert "no saga is called 'patient-booking'" in saga(http, "old")["stuck"]["error"]

        http.post("/sagas/old/compensate", json={"reason": "retired"}).raise_for_status()

        await_end(http, "old")
        assert saga(http, "old")["status"] == "compensated"
        assert [booking["status"] for booking in look.bookings("old")] == ["cancelled"]
