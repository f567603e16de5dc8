"""Rows of DBOS are deleted when their run is over, and nobody notices but the disk."""

import httpx
import pytest

from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import eager_retention
from tests.recovery.launcher import serving
from tests.recovery.scripted import (
    NO_ACCOUNT,
    PIVOT,
    await_status,
    deposit,
    go,
    run_script,
    serve_scripted,
    wait,
)
from tests.recovery.shop import Look, assert_books_balance, await_end, dbos_of, open_shop, order, place, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SOON = {"SAGA_DBOS_ROWS_KEPT_HOURS": "0.0001"}
ORDERS = 8


def rows_of(look: Look) -> int:
    count: int = look.value("select count(*) from dbos.workflow_status")
    return count


def test_rows_of_ended_sagas_go_while_two_servers_work(database: Database) -> None:
    """Both delete, both run sagas; orders that come meanwhile and again afterwards are carried out once."""
    look = Look(database)
    with (
        serving(database, eager_retention, **SOON) as one,
        serving(database, eager_retention, **SOON) as other,
        httpx.Client(base_url=one.url, timeout=60) as http,
    ):
        open_shop(http)
        orders = [order(f"o{number}") for number in range(ORDERS)]
        ids = [place(http, asked) for asked in orders]
        await_end(http, *ids)
        until(lambda: rows_of(look) == 0)

        # The ids are free for DBOS now. The journal answers, and no run begins.
        for asked in orders:
            answer = httpx.post(f"{other.url}/sagas/fulfil-order", json=asked)
            assert answer.json()["status"] == "completed"
        assert rows_of(look) == 0
        assert_books_balance(http, ORDERS)
        assert look.steps_done_twice() == []
        assert "rows of ended runs deleted" in one.log.read_text() + other.log.read_text()
    for table in ("workflow_input", "workflow_output", "operation_outputs"):
        assert look.value(f"select count(*) from dbos.{table}") == 0


def test_a_saga_that_waits_or_is_undone_keeps_going_without_its_old_rows(database: Database) -> None:
    look = Look(database)
    with (
        serving(database, serve_scripted, eager_retention, **SOON) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        run_script(http, "patient", wait(), wait())
        await_status(http, "patient", "waiting")
        # Its row is that of the last run that the journal names: it stays, and those of others go.
        run_script(http, "short", deposit("ana"))
        await_status(http, "short", "completed")
        until(lambda: "short" not in look.runs("PENDING", "SUCCESS"))
        assert look.runs("SUCCESS") == ["patient"]

        go(http, "patient").raise_for_status()
        await_status(http, "patient", "waiting")
        until(lambda: "patient" not in look.runs("SUCCESS"))
        go(http, "patient").raise_for_status()
        await_status(http, "patient", "completed")
        until(lambda: rows_of(look) == 0)

        assert [entry["data"]["run"] for entry in look.journal("patient", "RunStarted")] == [1, 2, 3]


def test_rows_that_are_not_over_stay(database: Database) -> None:
    """The row of a stuck saga, one that somebody has cancelled, and one that is young."""
    look = Look(database)
    with serving(database, serve_scripted, eager_retention) as server, dbos_of(database) as dbos:
        with httpx.Client(base_url=server.url, timeout=60) as http:
            run_script(http, "done", deposit("ana"))
            run_script(http, "stuck", PIVOT, NO_ACCOUNT)
            await_status(http, "done", "completed")
            await_status(http, "stuck", "stuck")
        dbos.enqueue({"workflow_name": "gone", "queue_name": "nowhere", "workflow_id": "cancelled"}, "x")
        dbos.cancel_workflow("cancelled")
        until(lambda: set(look.runs("SUCCESS")) == {"done", "stuck"})
    with serving(database, serve_scripted, eager_retention, **SOON) as server:
        until(lambda: look.runs("SUCCESS") == ["stuck"])

        with httpx.Client(base_url=server.url, timeout=60) as http:
            run_script(http, "last", deposit("ben"))  # when its row is gone, all others were looked at
            await_status(http, "last", "completed")
            until(lambda: "last" not in look.runs("PENDING", "SUCCESS"))
            assert saga(http, "stuck")["status"] == "stuck"
        assert sorted(look.runs("SUCCESS", "CANCELLED")) == ["cancelled", "stuck"]
