"""Sagas that have lost their runs, beside one that cannot be helped: the others wake up all the same."""

import asyncio

import httpx
import psycopg
import pytest
from dbos import DBOSClient

from app.executors.lease import LEASE_CLASS
from eventstore import Batch, NewEvent
from tests.acceptance.server import until
from tests.conftest import Database
from tests.integration.eventstore.stores import open_store
from tests.recovery.faults import EagerScans, ShortCalls
from tests.recovery.launcher import serving
from tests.recovery.shop import Look, await_end, behave, dbos_of, open_shop, order, place, saga
from workflows.saga.journal import journal_stream
from workflows.saga.runs import QUEUE, run_id

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

UNREADABLE, TAKEN, INNOCENT = "order-a", "order-b", "order-c"
"""In the order in which they are looked at."""
CANNOT = "saga without a run cannot be woken"
LIST = """
    insert into readmodels.sagas (saga_id, position, name, status, named_run, updated_at, summary)
    select %(saga_id)s, -position, name, status, named_run, updated_at, summary
      from readmodels.sagas where saga_id = %(like)s
"""
SHOWN = "select count(*) from readmodels.sagas"


def append_unknown_entry(database: Database, saga_id: str) -> None:
    """What a later version of this program may have written."""
    version = len(Look(database).journal(saga_id))

    async def append() -> None:
        async with open_store(database.url) as store:
            entry = NewEvent("EntryOfTomorrow", {})
            await store.append([Batch(journal_stream(saga_id), version, [entry])])

    asyncio.run(append())


def list_without_journal(database: Database, like: str) -> str:
    """The row of a saga whose journal is gone, as a restore of the store alone would leave it."""
    with psycopg.connect(database.admin_url) as admin:
        admin.execute(LIST, {"saga_id": "a-lost-one", "like": like})
    return "a-lost-one"


def take_runs(dbos: DBOSClient, saga_id: str, *numbers: int) -> None:
    """Give DBOS runs that the journal has not named, as a restore of the journal alone would leave them."""
    runs = [run_id(saga_id, number) for number in numbers]
    for run in runs:
        dbos.enqueue({"workflow_name": "fulfil-order", "queue_name": QUEUE, "workflow_id": run}, saga_id)
    dbos.cancel_workflows(runs)


def test_the_others_get_new_runs(database: Database) -> None:
    look = Look(database)
    with (
        serving(database, ShortCalls(seconds=60), SAGA_SLOTS="1") as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        open_shop(http)
        behave(http, mode="slow", delay_ms=60_000)
        sagas = [place(http, order(order_id)) for order_id in (UNREADABLE, TAKEN, INNOCENT)]
        until(lambda: look.value(SHOWN) == len(sagas))
        server.kill()
    unreadable, taken, innocent = sagas
    with dbos_of(database) as dbos:
        dbos.delete_workflows(sagas)
        take_runs(dbos, taken, 2, 3)
    append_unknown_entry(database, unreadable)
    missing = list_without_journal(database, like=unreadable)

    with (
        serving(database, ShortCalls(), EagerScans()) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        # The list of sagas cannot take in the entry either: no reason to take the server out of service.
        until(lambda: set(http.get("/health/ready").json()["lagging"]) == {"sagas"})
        behave(http, mode="ok")
        await_end(http, taken, innocent)
        assert {saga(http, saga_id)["status"] for saga_id in (taken, innocent)} == {"completed"}
        complaints = [line for line in server.log.read_text().splitlines() if CANNOT in line]
        for saga_id in (missing, unreadable):
            assert any(f'"{saga_id}"' in line for line in complaints)
    named = [[entry["data"]["run"] for entry in look.journal(saga_id, "RunNamed")] for saga_id in sagas]
    assert named == [[], [4], [2]]


def test_readiness_says_that_the_lease_is_lost_while_it_is(database: Database) -> None:
    with (
        serving(database) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
        psycopg.connect(database.admin_url, autocommit=True) as admin,
    ):
        assert http.get("/health/ready").json()["checks"]["lease"] == "ok"
        until(lambda: taken_away(admin))
        until(lambda: lease_of(http) == "lost")
        assert http.get("/health/ready").status_code == 503

        admin.execute("select pg_advisory_unlock_all()")
        until(lambda: server.ready)
        assert lease_of(http) == "ok"
        assert len(Look(database).executors(buried=False)) == 1


def taken_away(admin: psycopg.Connection) -> bool:
    """End the session of the one lease and take its lock."""
    admin.execute(
        """
        select pg_terminate_backend(pid) from pg_locks
         where locktype = 'advisory' and classid = %s and objid = 1 and pid <> pg_backend_pid()
           and database = (select oid from pg_database where datname = current_database())
        """,
        [LEASE_CLASS],
    )
    return admin.execute("select pg_try_advisory_lock(%s, 1)", [LEASE_CLASS]).fetchone() == (True,)


def lease_of(http: httpx.Client) -> str:
    checks: dict[str, str] = http.get("/health/ready").json()["checks"]
    return checks.get("lease", "ok")
