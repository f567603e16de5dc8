"""docs/time-travel.md: its commands, on a new server."""

import os
import shlex
import subprocess
import time
from datetime import datetime

import httpx
import pytest

from tests.acceptance.server import ServerProcess, command, serving, until
from tests.conftest import Database
from tests.docs.pages import ROOT, page

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

PREPARE, AGGREGATE, HISTORY, SAGA = [
    block.text for block in page("docs/time-travel.md").blocks if block.language == "sh"
]


def run(commands: str, server: ServerProcess) -> str:
    """What a reader types, with the address of this server."""
    script = commands.replace("localhost:8000", server.url.removeprefix("http://"))
    done = subprocess.run(
        ["bash", "-euc", script.replace(".venv/bin/saga", shlex.join(command()))],
        cwd=ROOT,
        env={**os.environ, "SAGA_URL": server.url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_of_the_page_do_what_it_says(database: Database) -> None:
    with serving(database.url, database.owner_url) as server:
        run(PREPARE, server)
        recorded = httpx.get(f"{server.url}/aggregates/stock/11").json()["recorded_at"]
        # The page asks for a time in whole seconds, and means one after the last of these events.
        until(lambda: time.time() // 1 > datetime.fromisoformat(recorded).timestamp())
        aggregate = run(AGGREGATE, server)
        history = run(HISTORY, server)
        saga = run(SAGA, server)
        at = httpx.get(f"{server.url}/sagas/t1/at?position=9").raise_for_status().json()

    versions = [line.split()[2] for line in aggregate.splitlines() if line.startswith("stock-11")]
    assert versions == ["2", "1", "1", "2"]
    assert "/balance 900 -> 400" in history
    assert "t1 step 1" in history
    assert "more with --history --version 1" in history
    assert saga.count("as of position") == 2
    assert "account-a" in saga
    assert at["aggregates"][0]["state"]["balance"] == 400
