"""A dump of a database in full work is restored on another server, and everything goes on there."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from psycopg.conninfo import conninfo_to_dict

from app.database import DatabaseUrls, prepare_embedded
from app.postgres_tools import fitting
from tests.acceptance.server import Json, money, until
from tests.acceptance.test_cli import Outcome, document, error_line, run
from tests.conftest import Database, temporary_server
from tests.recovery.faults import EagerScans, ShortCalls
from tests.recovery.launcher import serving
from tests.recovery.scripted import (
    NAME,
    NO_ACCOUNT,
    PIVOT,
    ask,
    await_status,
    balance,
    book,
    deposit,
    go,
    run_script,
    serve_scripted,
    wait,
)
from tests.recovery.shop import Look, behave, open_account, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

FAULTS = (serve_scripted, ShortCalls(), EagerScans())
NEVER = "3600"
"""Seconds until a server looks into its queue."""
LONG_CALLS = (serve_scripted, ShortCalls(seconds=20), EagerScans())
"""A call is still under way when the dump is made."""


@pytest.fixture
def elsewhere() -> Iterator[Database]:
    """An empty database on another server."""
    with temporary_server() as server:
        urls: DatabaseUrls = prepare_embedded(server, "again")
        yield Database("again", urls.app, urls.owner, server.url(database="again"))


def saga_on(database: Database, *arguments: str) -> Outcome:
    """Run `saga …` on a database."""
    return run(*arguments, SAGA_DATABASE_URL=database.url, SAGA_OWNER_DATABASE_URL=database.owner_url)


def work(http: httpx.Client, look: Look) -> None:
    """Sagas of all kinds, each somewhere else on its way."""
    run_script(http, "done", deposit("ana"))
    run_script(http, "stuck", PIVOT, NO_ACCOUNT)
    run_script(http, "waits", wait(), deposit("ana"))
    run_script(http, "has-a-timer", wait(seconds=15), deposit("ana"))
    run_script(http, "to-be-undone", book("b1"), wait(), NO_ACCOUNT)
    later = (datetime.now(UTC) + timedelta(seconds=15)).isoformat()
    script = {"lines": [deposit("ana")], "attributes": {}}
    headers = {"Idempotency-Key": "starts-later"}
    http.post("/sagas/scripted", params={"at": later}, json=script, headers=headers).raise_for_status()
    await_status(http, "done", "completed")
    await_status(http, "stuck", "stuck")
    for waiting in ("waits", "to-be-undone"):
        await_status(http, waiting, "waiting")
    await_status(http, "has-a-timer", "waiting", "completed")  # its time may have come on a busy machine
    behave(http, mode="slow", delay_ms=60_000, order_id="b2")
    run_script(http, "runs", book("b2"), deposit("ana"))
    until(lambda: bool(look.bookings("b2")))  # the carrier is told only one thing at a time
    behave(http, mode="fail", operation="cancel")
    go(http, "to-be-undone").raise_for_status()
    await_status(http, "to-be-undone", "compensating")


def sealed_anchor(http: httpx.Client, position: int) -> Json:
    """The newest anchor, once it covers the position."""
    anchors: list[Json] = []

    def covered() -> bool:
        anchors[:] = http.get("/audit/anchors", params={"limit": 1}).raise_for_status().json()["anchors"]
        return bool(anchors) and anchors[0]["position"] >= position

    until(covered)
    return anchors[0]


def test_all_goes_on_after_a_restore(database: Database, elsewhere: Database, tmp_path: Path) -> None:
    """Sagas that run, wait, sleep, are undone; read models, seals, and those who had read the lost log."""
    dump, anchor_file = tmp_path / "saga.dump", tmp_path / "anchor.json"
    with (
        serving(database, *LONG_CALLS, SAGA_SEAL_SECONDS="0.1") as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        work(http, Look(database))
        page = http.get("/events", params={"limit": 1000})
        read, token = page.json()["next"], page.headers["Saga-Position"]
        anchor_file.write_text(json.dumps(sealed_anchor(http, read)))

        assert document(saga_on(database, "dump", str(dump), "--json"))["bytes"] == dump.stat().st_size
        assert dump.stat().st_mode & 0o077 == 0

        body = {"money": money(1)}
        lost = http.post("/aggregates/account/ana/deposit", json=body).raise_for_status().json()["position"]
        server.kill()

    restored = document(saga_on(elsewhere, "restore", str(dump), "--json"))
    assert read <= restored["last_position"] < lost < restored["first_position"]
    assert document(saga_on(elsewhere, "verify", "--anchor", str(anchor_file), "--json"))["ok"]

    look = Look(elsewhere)
    [before] = look.executors()
    # Besides it, whatever a timer or the next attempt of an undo had just woken.
    assert "runs" in look.runs("PENDING")
    assert look.journal("to-be-undone", "CompensationStarted")
    assert not look.journal("to-be-undone", "SagaCompensated")
    with (
        serving(elsewhere, *FAULTS, SAGA_SEAL_SECONDS="0.1") as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        behave(http, mode="ok")
        go(http, "waits").raise_for_status()
        for saga_id in ("waits", "has-a-timer", "starts-later", "runs"):
            await_status(http, saga_id, "completed")
        await_status(http, "to-be-undone", "compensated")
        assert saga(http, "stuck")["status"] == "stuck"
        assert ask(http, "stuck", "abandon").json()["status"] == "abandoned"
        until(lambda: look.executors(buried=True) == [before])
        assert balance(http, "ana") == 5
        assert look.steps_done_twice() == []

        for cursor in (str(lost), token):
            assert http.get("/events", params={"after": cursor}).status_code == 410
        refused = http.get("/events", params={"after": str(lost)}).json()
        assert (refused["code"], refused["last_position"]) == ("lost-position", restored["last_position"])
        new = http.get("/events", params={"after": str(restored["last_position"])}).json()["events"]
        assert new[0]["position"] >= restored["first_position"]
        listed = {row["saga_id"]: row["status"] for row in http.get("/sagas").json()["sagas"]}
        assert listed["has-a-timer"] == "completed"
        assert http.get("/health/ready").json()["lagging"] == {}
        sealed_anchor(http, new[-1]["position"])
    assert document(saga_on(elsewhere, "verify", "--anchor", str(anchor_file), "--json"))["ok"]


def test_a_restore_without_the_rows_of_dbos_gives_open_sagas_new_runs(
    database: Database, elsewhere: Database, tmp_path: Path
) -> None:
    """By hand with pg_restore, one schema left out; `--finish` does the rest, but not under a server."""
    dump = tmp_path / "saga.dump"
    with (
        serving(database, *FAULTS, SAGA_POLLING_INTERVAL_SECONDS=NEVER) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        open_account(http, "ana")
        script = {"id": "queued", "input": {"lines": [deposit("ana")], "attributes": {}}}
        # One that is started alone would begin at once.
        http.post(f"/sagas/{NAME}/batch", json={"sagas": [script]}).raise_for_status()
        assert Look(database).runs("ENQUEUED") == ["queued"]
        saga_on(database, "dump", str(dump)).check_returncode()
        assert "a server runs" in error_line(saga_on(database, "restore", "--finish"))
        server.kill()
    program = fitting("pg_restore", 14)
    options = ["--no-owner", "--no-privileges", "--exclude-schema=dbos", f"--dbname={elsewhere.owner_url}"]
    subprocess.run([program, *options, dump], check=True)
    saga_on(elsewhere, "restore", "--finish").check_returncode()

    with serving(elsewhere, *FAULTS) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        await_status(http, "queued", "completed")
        assert balance(http, "ana") == 1
    [named] = Look(elsewhere).journal("queued", "RunNamed")
    assert named["data"]["reason"] == "no active run in DBOS"


def test_nothing_is_overwritten_and_a_password_is_in_no_argument(
    database: Database, elsewhere: Database, tmp_path: Path
) -> None:
    dump = tmp_path / "saga.dump"
    assert "nothing to dump" in error_line(saga_on(elsewhere, "dump", str(dump)))
    saga_on(database, "dump", str(dump)).check_returncode()
    written = dump.read_bytes()

    assert "exists already" in error_line(saga_on(database, "dump", str(dump)))
    assert "not empty" in error_line(saga_on(database, "restore", str(dump)))
    (tmp_path / "none.dump").write_text("no dump")
    assert "pg_restore" in error_line(saga_on(elsewhere, "restore", str(tmp_path / "none.dump")))
    (tmp_path / "half.dump").write_bytes(written[: len(written) // 2])
    assert "pg_restore" in error_line(saga_on(elsewhere, "restore", str(tmp_path / "half.dump")))

    assert dump.read_bytes() == written
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    saga_on(elsewhere, "restore", str(dump)).check_returncode()
    assert conninfo_to_dict(elsewhere.url)["dbname"] == "again"
