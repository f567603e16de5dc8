"""A saga that fits its journal only where sets have the order that they had when it ran."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.acceptance.server import ROOT, command, environment, serving, until
from tests.conftest import Database
from tests.integration.checking.other_code import accounts_are_opened_in_any_order, environment_of

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

NAMES = [f"account-{number}" for number in range(12)]


def run(words: list[str], **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_second_pass_finds_what_depends_on_the_order_of_a_set(database: Database, tmp_path: Path) -> None:
    settings = environment_of(accounts_are_opened_in_any_order, tmp_path) | {"PYTHONHASHSEED": "0"}
    with (
        serving(database.url, database.owner_url, **settings) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        saga = http.post("/sagas/open-accounts", json={"names": NAMES}).raise_for_status().json()["saga_id"]
        until(lambda: http.get(f"/sagas/{saga}").json()["status"] == "waiting")
    settings["SAGA_DATABASE_URL"] = database.url

    first_pass = run([sys.executable, "-m", "app.checking"], **settings)
    both = run(command("check", "--json"), **settings)

    alone = json.loads(first_pass.stdout.splitlines()[-1])["report"]
    assert (alone["ok"], alone["replayed"], alone["findings"]) == (True, 1, [])
    assert both.returncode == 1, both.stdout + both.stderr
    report = json.loads(both.stdout)
    [finding] = report["findings"]
    assert not report["ok"]
    assert (finding["kind"], finding["saga_id"]) == ("step", saga)
    assert finding["recorded"].startswith("OpenAccount")
    assert finding["asked"].startswith("OpenAccount")
    assert finding["recorded"] != finding["asked"]
