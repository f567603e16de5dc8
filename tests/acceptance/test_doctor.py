"""`saga doctor` finds what is wrong, says what to do, and its exit code tells how bad it is."""

import json
import subprocess
from typing import Any

import httpx
import psycopg
import pytest

from tests.acceptance.server import (
    ROOT,
    Json,
    account_with,
    command,
    environment,
    free_port,
    order_of,
    serving,
    stock_of,
    until,
)
from tests.conftest import Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


def doctor(database: Database, **settings: str) -> tuple[int, dict[str, list[Json]]]:
    """Its exit code, and what is not ok by the check that found it."""
    env = {"SAGA_DATABASE_URL": database.url, "SAGA_OWNER_DATABASE_URL": database.owner_url, **settings}
    called = subprocess.run(
        command("doctor", "--json"),
        cwd=ROOT,
        env=environment(**env),
        capture_output=True,
        check=False,
    )
    assert called.stdout, called.stderr
    document = json.loads(called.stdout)
    found: dict[str, list[Json]] = {}
    for finding in document["findings"]:
        if finding["level"] != "ok":
            assert finding["do"], finding
            found.setdefault(finding["check"], []).append(finding)
    assert document["ok"] == (not found)
    return called.returncode, found


def execute(database: Database, statement: str, *values: Any) -> None:
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(statement.encode(), values)


def of_this_database(found: dict[str, list[Json]]) -> dict[str, list[Json]]:
    """All tests share a Postgres: how full it is says nothing of this one. And it is in a hurry."""
    assert "fsync is off" in found["server"][0]["says"]
    return {check: findings for check, findings in found.items() if check not in ("connections", "server")}


PARK = "update eventstore.checkpoints set state = 'parked', parked = %s where subscription = 'orders'"
UNPARK = "update eventstore.checkpoints set state = 'following', parked = null where subscription = 'orders'"


def test_it_finds_nothing_while_all_is_well_and_then_each_thing_that_is_not(database: Database) -> None:
    with serving(database.url, database.owner_url):
        assert of_this_database(doctor(database)[1]) == {}

        execute(database, PARK, PARKED)
        code, found = doctor(database)
        assert code == 1
        assert "orders is parked" in found["followers"][0]["says"]
        execute(database, UNPARK)

    code, found = doctor(database)
    assert code == 1
    assert "nobody holds a lease" in found["executors"][0]["says"]

    execute(database, "alter sequence eventstore.position_seq cycle")
    code, found = doctor(database)
    assert code == 1
    assert "cycles" in found["positions"][0]["says"]


PARKED = json.dumps(
    {
        "position": 1,
        "event_id": "0199d0c2-5d0b-7bb6-b6ad-3f8a4a3c2f10",
        "type": "OrderPlaced",
        "stream": "order-1",
        "reason": "for the test",
        "attempts": 3,
        "since": "2026-11-26T12:00:00+00:00",
    }
)


def test_an_owner_is_too_strong_for_the_application(database: Database) -> None:
    with serving(database.url, database.owner_url):
        found = doctor(database, SAGA_DATABASE_URL=database.owner_url)[1]

    assert [finding["level"] for finding in found["roles"]] == ["warning"]


def test_a_saga_that_lost_its_run_and_one_that_is_stuck_are_found(database: Database) -> None:
    with serving(database.url, database.owner_url) as server:
        with httpx.Client(base_url=server.url, timeout=30) as http:
            http.put(
                "/sandbox/carrier/behaviour", json={"mode": "slow", "delay_ms": 60_000}
            ).raise_for_status()
            order = order_of(account_with(http, 10_000), stock_of(http, 1))
            http.post("/sagas/fulfil-order", json=order).raise_for_status()
            saga_id = f"fulfil-order-{order['order_id']}"
            until(lambda: http.get(f"/sagas/{saga_id}").json()["status"] == "running")
            until(lambda: saga_id in [each["saga_id"] for each in http.get("/sagas").json()["sagas"]])
        server.process.kill()
        server.process.wait()
    execute(database, "delete from dbos.workflow_status")
    execute(database, "update readmodels.sagas set updated_at = updated_at - interval '1 hour'")
    assert saga_id in doctor(database)[1]["runs"][0]["says"]

    execute(database, "update readmodels.sagas set status = 'stuck'")
    found = doctor(database)[1]
    assert "runs" not in found
    assert saga_id in found["stuck sagas"][0]["says"]


def test_a_migration_that_is_missing_is_an_error(database: Database) -> None:
    execute(database, "delete from saga_alembic_version where version_num like 'eventstore_%%'")
    code, found = doctor(database)

    assert code == 1
    assert "eventstore_" in found["migrations"][0]["says"]
    assert "saga migrate" in found["migrations"][0]["do"]


def test_a_database_that_does_not_answer_is_an_error(database: Database) -> None:
    nowhere = f"postgresql://saga_app@127.0.0.1:{free_port()}/saga"
    code, found = doctor(database, SAGA_DATABASE_URL=nowhere)

    assert code == 1
    assert "cannot connect" in found["database"][0]["says"]
