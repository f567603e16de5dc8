"""The page of executors says which one went on with whose runs."""

import re

import httpx
import pytest

from tests.acceptance.server import until
from tests.conftest import Database
from tests.console.pages import shown
from tests.recovery.faults import ShortCalls
from tests.recovery.launcher import serving
from tests.recovery.shop import await_end, behave, open_shop, order, place

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ROW = r'<tr><th scope="row" class="id">([^<]+)</th><td class="id">([^<]+)</td><td class="number">(\d+)</td>'


def executors(http: httpx.Client, state: str) -> set[str]:
    listed = http.get("/executors").raise_for_status().json()["executors"]
    return {each["id"] for each in listed if each["state"] == state}


def attempts(http: httpx.Client, saga_id: str) -> int:
    entries = http.get(f"/sagas/{saga_id}/journal", params={"limit": 1000}).json()["entries"]
    return sum(entry["type"] == "StepStarted" for entry in entries)


def test_the_run_of_a_killed_executor_is_shown_with_who_went_on(database: Database) -> None:
    calls = ShortCalls(seconds=20.0)
    with serving(database, calls) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        open_shop(http)
        behave(http, mode="slow", delay_ms=60_000)
        [dead] = executors(http, "alive")
        assert "No run has changed its executor." in shown(http, "/console/executors")
        saga_id = place(http, order("order-1"))
        until(lambda: attempts(http, saga_id) > 0)
        server.kill()  # in its first call, which has 20 seconds

    with serving(database, calls) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        behave(http, mode="ok")
        until(lambda: executors(http, "buried") == {dead})
        await_end(http, saga_id)
        until(lambda: len(executors(http, "alive")) == 1)  # one that pings late is silent for a moment
        [heir] = executors(http, "alive")

        text = shown(http, "/console/executors")

    assert re.findall(ROW, text) == [(dead, heir, "1")]
    taken_over = text[text.index("<h2>Taken over</h2>") : text.index("<h2>Runs in flight</h2>")]
    assert f'href="/console/sagas/{saga_id}"' in taken_over
