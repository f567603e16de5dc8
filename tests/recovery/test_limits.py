"""Limits and priorities, held by DBOS for real runs in real servers; every run in the queue of its saga."""

import asyncio
from itertools import pairwise

import httpx
import pytest

from domain.aggregates import CATALOG
from tests.acceptance.server import until
from tests.conftest import Database
from tests.integration.eventstore.stores import open_store
from tests.recovery.faults import ShortCalls, serve_more_sagas, without_limits
from tests.recovery.launcher import serving
from tests.recovery.sagas import MORE_SAGAS
from tests.recovery.shop import Look, await_end, behave, saga
from workflows.saga import Registry, SagaEngine
from workflows.saga.codec import EventCodec

CODEC = EventCodec(CATALOG)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

OVERLAP = """
    with bookings as (
        select stream, type, recorded_at from eventstore.events
         where stream like 'saga-%%' and type in ('StepStarted', 'StepSucceeded')),
    times as (
        select began.recorded_at as began, ended.recorded_at as ended
          from bookings as began join bookings as ended using (stream)
         where began.type = 'StepStarted' and ended.type = 'StepSucceeded')
    select max((select count(*) from times as other
                 where other.began <= t.began and other.ended > t.began)) from times as t
"""
"""How many bookings were under way at the same time, at most."""


def start(http: httpx.Client, name: str, *saga_ids: str, wait_seconds: float = 1) -> tuple[str, ...]:
    for saga_id in saga_ids:
        asked = {"order_id": saga_id, "wait_seconds": wait_seconds}
        http.post(f"/sagas/{name}", json=asked, headers={"Idempotency-Key": saga_id}).raise_for_status()
    return saga_ids


def queues(look: Look) -> dict[str, str]:
    """Of each run."""
    rows = look.rows("select workflow_uuid as run, queue_name as queue from dbos.workflow_status")
    return {row["run"]: row["queue"] for row in rows}


def test_no_more_runs_are_under_way_than_allowed_in_all_servers_together(database: Database) -> None:
    look = Look(database)
    with (
        serving(database, serve_more_sagas) as server,
        serving(database, serve_more_sagas),
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        behave(http, mode="slow", delay_ms=150)
        await_end(http, *start(http, "booking-two-at-a-time", *"abcdefgh"))

        assert look.value(OVERLAP) == 2
        assert set(queues(look).values()) == {"sagas.booking-two-at-a-time"}


def test_runs_begin_no_more_often_than_allowed(database: Database) -> None:
    look = Look(database)
    with (
        serving(database, serve_more_sagas) as server,
        serving(database, serve_more_sagas),
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        await_end(http, *start(http, "booking-twice-a-second", *"abcde"))

    rows = look.rows("select started_at_epoch_ms as began from dbos.workflow_status order by 1")
    began = [row["began"] for row in rows]
    assert len(began) == 5
    assert all(third - first >= 1000 for first, third in zip(began, began[2:], strict=False))


async def enqueue(database: Database, names: list[str]) -> None:
    """Start sagas while no server runs, each with its name as its id and a number."""
    async with open_store(database.url, function=("saga", "append_items")) as store:
        engine = SagaEngine(store, Registry(MORE_SAGAS), CODEC)
        for number, name in enumerate(names):
            asked = {"order_id": f"{name}-{number}", "wait_seconds": 1}
            await engine.start(name, asked, saga_id=f"{name}-{number}")


def test_the_smaller_number_goes_first_and_then_who_came_first(database: Database) -> None:
    look = Look(database)
    names = ["booking-last", "patient-booking", "patient-booking", "booking-first"]
    asyncio.run(enqueue(database, names))
    saga_ids = [f"{name}-{number}" for number, name in enumerate(names)]
    with (
        serving(database, serve_more_sagas, SAGA_SLOTS="1") as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        await_end(http, *saga_ids)

    began = look.rows("select stream from eventstore.events where type = 'RunStarted' order by position")
    last, *others = [f"saga-{saga_id}" for saga_id in saga_ids]
    assert [row["stream"] for row in began] == [others[2], others[0], others[1], last]
    assert all(first != second for first, second in pairwise(began))


def test_a_run_that_is_woken_or_resumed_waits_in_the_same_queue(database: Database) -> None:
    """Parked, asked for by an operator, resumed after kill -9 and after a stop, and only queued."""
    look, name, faults = Look(database), "booking-one-at-a-time", (serve_more_sagas, ShortCalls(seconds=10))
    with serving(database, *faults) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        behave(http, mode="fail", times=1)
        start(http, name, "parked", wait_seconds=3600)
        until(lambda: saga(http, "parked")["status"] == "waiting")
        behave(http, mode="slow", delay_ms=60_000)
        start(http, name, "killed", "stopped", "queued")
        until(lambda: bool(look.bookings("killed")))
        assert look.runs("PENDING") == ["killed"]
        server.kill()

    with serving(database, *faults) as server:
        until(lambda: bool(look.bookings("stopped")))
        assert look.runs("PENDING") == ["stopped"]
        assert server.stop() == 0
    assert {"stopped", "queued"} <= set(look.runs("ENQUEUED"))

    with serving(database, *faults) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        behave(http, mode="ok")
        http.post("/sagas/parked/compensate", json={"reason": "no more patience"}).raise_for_status()
        await_end(http, "parked", "killed", "stopped", "queued")
    assert {"parked", "parked/2", "parked/3", "killed", "stopped", "queued"} <= set(queues(look))
    assert set(queues(look).values()) == {f"sagas.{name}"}


def test_runs_in_the_queue_of_a_saga_that_has_no_limits_any_more_are_not_forgotten(
    database: Database,
) -> None:
    look, name = Look(database), "booking-one-at-a-time"
    faults = (serve_more_sagas, ShortCalls(seconds=10))
    with serving(database, *faults) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        behave(http, mode="slow", delay_ms=60_000)
        start(http, name, "killed", "queued")
        until(lambda: bool(look.bookings("killed")))
        server.kill()

    with (
        serving(database, *faults, without_limits) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        behave(http, mode="ok")
        await_end(http, "killed", "queued")

    known = queues(look)
    assert known.pop("queued") == f"sagas.{name}"
    assert "killed" in known
    assert set(known.values()) == {"sagas"}
