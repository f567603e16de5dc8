"""Who follows the log dies or freezes in the middle of a batch: within seconds another process goes on."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from app.readmodels.sagas import SagaProjection
from eventstore import RecordedEvent
from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import die, freeze
from tests.recovery.launcher import Fault, Server, serving
from tests.recovery.shop import open_shop, order, place, saga_of
from tests.recovery.test_started_by_event import journals_of, run_low
from workflows.saga.starter import Starter

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

KILLED_SECONDS_MAX = 20
"""It is a matter of two seconds; the rest is for a busy machine."""
FROZEN_SECONDS_MAX = 10 + KILLED_SECONDS_MAX
"""The server ends a transaction that idles for ten seconds."""


def die_in_a_subscription() -> None:
    _in_a_subscription(die)


def freeze_in_a_subscription() -> None:
    _in_a_subscription(freeze)


def _in_a_subscription(end: Fault) -> None:
    handle = Starter.__call__

    async def ending(starter: Starter, event: RecordedEvent) -> None:
        if event.type == "StockRanLow":
            end()
        await handle(starter, event)

    Starter.__call__ = ending  # type: ignore[method-assign]


def die_in_a_projection() -> None:
    _in_a_projection(die)


def freeze_in_a_projection() -> None:
    _in_a_projection(freeze)


def _in_a_projection(end: Fault) -> None:
    apply = SagaProjection.apply

    async def ending(
        projection: SagaProjection, connection: psycopg.AsyncConnection[Any], events: Sequence[RecordedEvent]
    ) -> None:
        await apply(projection, connection, events)
        if any(event.type == "SagaRequested" for event in events):
            end()

    SagaProjection.apply = ending  # type: ignore[method-assign]


def place_one(http: httpx.Client) -> str:
    """The server may have fallen before it answers."""
    with suppress(httpx.TransportError):
        place(http, order("o1"))
    return saga_of("o1")


def fall(server: Server, seconds: float) -> float:
    """Wait until the server has died or frozen; gives the time by which another one must have gone on."""
    until(lambda: not server.alive or psutil.Process(server.pid).status() == psutil.STATUS_STOPPED)
    return time.monotonic() + seconds


def answers(http: httpx.Client) -> bool:
    try:
        return http.get("/health/live", timeout=0.5).status_code == 200
    except httpx.TransportError:
        return False


def wake(server: Server, http: httpx.Client) -> None:
    """If it is only frozen."""
    if server.alive:
        server.thaw()
        until(lambda: not server.alive or answers(http))


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [(die_in_a_subscription, KILLED_SECONDS_MAX), (freeze_in_a_subscription, FROZEN_SECONDS_MAX)],
)
def test_a_subscription(database: Database, fault: Fault, seconds: float) -> None:
    with serving(database, fault) as first, httpx.Client(base_url=first.url, timeout=60) as http:
        open_shop(http)
        run_low(http, "tea")
        placed = place_one(http)
        deadline = fall(first, seconds)
        with serving(database) as second:
            left = max(deadline - time.monotonic(), KILLED_SECONDS_MAX)
            until(lambda: len(journals_of(database, "replenish-stock")) == 1, left)
            until(lambda: httpx.get(f"{second.url}/sagas/{placed}").json()["status"] == "completed")
            wake(first, http)
            assert len(journals_of(database, "replenish-stock")) == 1  # the event id is the key


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [(die_in_a_projection, KILLED_SECONDS_MAX), (freeze_in_a_projection, FROZEN_SECONDS_MAX)],
)
def test_a_projection(database: Database, fault: Fault, seconds: float) -> None:
    with serving(database, fault) as first, httpx.Client(base_url=first.url, timeout=60) as http:
        open_shop(http)
        placed = place_one(http)
        deadline = fall(first, seconds)
        with serving(database) as second:

            def listed() -> list[str]:
                return [saga["saga_id"] for saga in httpx.get(f"{second.url}/sagas").json()["sagas"]]

            until(lambda: placed in listed(), max(deadline - time.monotonic(), KILLED_SECONDS_MAX))
            until(lambda: httpx.get(f"{second.url}/sagas/{placed}").json()["status"] == "completed")
            wake(first, http)
            assert listed().count(placed) == 1
