"""docs/time-travel.md: its commands, on a new server."""

import time
from datetime import datetime

import httpx
import pytest

from tests.acceptance.server import serving, until
from tests.conftest import Database
from tests.docs.pages import page
from tests.docs.shell import typed_into_a_shell

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

PREPARE, AGGREGATE, HISTORY, SAGA = [
    block.text for block in page("docs/time-travel.md").blocks if block.language == "sh"
]


def test_the_commands_of_the_page_do_what_it_says(database: Database) -> None:
    with serving(database.url, database.owner_url) as server:
        typed_into_a_shell(PREPARE, server.url)
        recorded = httpx.get(f"{server.url}/aggregates/stock/11").json()["recorded_at"]
        # The page asks for a time in whole seconds, and means one after the last of these events.
        until(lambda: time.time() // 1 > datetime.fromisoformat(recorded).timestamp())
        aggregate = typed_into_a_shell(AGGREGATE, server.url)
        history = typed_into_a_shell(HISTORY, server.url)
        saga = typed_into_a_shell(SAGA, server.url)
        at = httpx.get(f"{server.url}/sagas/t1/at?position=9").raise_for_status().json()

    versions = [line.split()[2] for line in aggregate.splitlines() if line.startswith("stock-11")]
    assert versions == ["2", "1", "1", "2"]
    assert "/balance 900 -> 400" in history
    assert "t1 step 1" in history
    assert "more with --history --version 1" in history
    assert saga.count("as of position") == 2
    assert "account-a" in saga
    assert at["aggregates"][0]["state"]["balance"] == 400
