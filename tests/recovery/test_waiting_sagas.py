"""Sagas that wait cost rows and nothing else, and none is forgotten, whatever is lost but the journal."""

import sys
import time
from dataclasses import dataclass

import httpx
import psutil
import pytest

from domain.aggregates import CATALOG
from eventstore import NO_STREAM, Batch
from tests.acceptance.server import until
from tests.conftest import Database
from tests.integration.eventstore.stores import open_store
from tests.recovery.faults import EagerScans
from tests.recovery.launcher import Server, serving
from tests.recovery.scripted import NAME, await_status, go, run_script, serve_scripted, wait
from tests.recovery.shop import Look, dbos_of, saga
from tests.recovery.test_saga_list import has_caught_up
from workflows.saga import journal
from workflows.saga.codec import EventCodec

CODEC = EventCodec(CATALOG)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

WAITING = 10_000
IN_ONE_APPEND = 200
SCANS = 10
MEGABYTES_MAX = 100
NEVER = "3600"


def test_a_saga_whose_signal_has_come_and_whose_run_is_lost_is_woken(database: Database) -> None:
    look = Look(database)
    with serving(database, serve_scripted) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        run_script(http, "lost", wait())
        await_status(http, "lost", "waiting")
        server.kill()
    with (
        serving(database, serve_scripted, SAGA_POLLING_INTERVAL_SECONDS=NEVER) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        go(http, "lost").raise_for_status()
        assert look.runs("ENQUEUED") == ["lost/2"]
        with dbos_of(database) as dbos:
            dbos.delete_workflow("lost/2")
        server.kill()

    with (
        serving(database, serve_scripted, EagerScans()) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        assert await_status(http, "lost", "completed")["result"] == {"heard": ["go"]}
    [named] = look.journal("lost", "RunNamed")
    assert named["data"] == {"run": 3, "reason": "no active run in DBOS"}


def test_a_saga_whose_deadline_has_passed_and_whose_timer_is_lost_is_woken(database: Database) -> None:
    look = Look(database)
    with (
        serving(database, serve_scripted, EagerScans()) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
        dbos_of(database) as dbos,
    ):
        run_script(http, "more-patient", wait(seconds=3600))
        await_status(http, "more-patient", "waiting")
        run_script(http, "patient", wait(seconds=8))
        await_status(http, "patient", "waiting")
        dbos.delete_workflows(look.runs("DELAYED"))

        assert await_status(http, "patient", "completed")["result"] == {"heard": ["nothing"]}

        assert saga(http, "more-patient")["status"] == "waiting"
    assert len(look.journal("patient", "RunNamed")) == 1
    assert look.journal("more-patient", "RunNamed") == []


@dataclass(frozen=True)
class Cost:
    """What a server needs, as long as nothing happens."""

    megabytes: float
    cpu_seconds: float
    wall_seconds: float


async def test_ten_thousand_that_wait_cost_a_restart_nothing(database: Database) -> None:
    look = Look(database)
    faults = (serve_scripted, EagerScans())
    with serving(database, *faults) as server:
        idle = cost_of(server, look)
    await append_waiting(database)
    with serving(database, *faults) as server:
        until(lambda: has_caught_up(database), 120)
        server.stop()
    entries = count_of_events(look)

    began = time.monotonic()
    with serving(database, *faults) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        ready_seconds = time.monotonic() - began
        loaded = cost_of(server, look)

        assert look.runs("PENDING", "ENQUEUED", "DELAYED") == []
        assert count_of_events(look) == entries
        go(http, f"waiting-{WAITING // 2}").raise_for_status()
        await_status(http, f"waiting-{WAITING // 2}", "completed")
    sys.stdout.write(f"idle {idle}\nloaded {loaded}\nready after {ready_seconds:.2f} s\n")
    assert loaded.megabytes < idle.megabytes + MEGABYTES_MAX
    assert loaded.cpu_seconds < 2 * idle.cpu_seconds + 0.5


async def append_waiting(database: Database) -> None:
    """The journals of sagas that wait for the signal `go`, as if each had run."""
    entries = [
        journal.SagaRequested(
            name=NAME, saga_version=1, input={"lines": [wait()]}, attributes={"order": "all"}
        ),
        journal.RunStarted(run=1, execution="before", executor="before"),
        journal.WaitStarted(step="1", kind="receive", name="go"),
        journal.Parked(run=None, delay_seconds=None, reason="waits for the signal go", signals=["go"]),
    ]
    async with open_store(database.url) as store:
        for first in range(0, WAITING, IN_ONE_APPEND):
            await store.append(
                [
                    Batch(
                        journal.journal_stream(f"waiting-{number}"),
                        NO_STREAM,
                        [CODEC.encode(entry, {"correlation_id": f"waiting-{number}"}) for entry in entries],
                    )
                    for number in range(first, first + IN_ONE_APPEND)
                ]
            )


def cost_of(server: Server, look: Look) -> Cost:
    """While the reconciler looks for overdue sagas some times."""
    process, first = psutil.Process(server.pid), scans_of(look)
    until(lambda: scans_of(look) > first)  # its sessions tell of their scans late, and many at once
    scans, began, before = scans_of(look), time.monotonic(), process.cpu_times()
    until(lambda: scans_of(look) >= scans + SCANS)
    after = process.cpu_times()
    return Cost(
        round(process.memory_info().rss / 1024**2, 1),
        round(after.user + after.system - before.user - before.system, 2),
        round(time.monotonic() - began, 2),
    )


def scans_of(look: Look) -> int:
    """How often the index was asked that says what is overdue."""
    scans: int = look.value("select idx_scan from pg_stat_user_indexes where indexrelname = 'sagas_due'")
    return scans


def count_of_events(look: Look) -> int:
    count: int = look.value("select count(*) from eventstore.events")
    return count
