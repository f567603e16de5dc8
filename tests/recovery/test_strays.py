"""Runs that an executor takes from the queue after it was buried: nobody buries it twice, yet they end."""

import asyncio
from collections.abc import Callable

import httpx
import psycopg
import pytest

from app.executors import Lease, lease
from app.runtime import EXIT_RESTART
from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import EagerScans, ShortCalls, ShortLease
from tests.recovery.launcher import serving
from tests.recovery.shop import Look, assert_books_balance, await_end, behave, open_shop, order, place

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ORDERS_MAX = 200
SLOTS = 2
CLAIM = """
    update dbos.workflow_status set status = 'PENDING', executor_id = %(executor)s, started_at_epoch_ms = 1
     where status = 'ENQUEUED'
"""


def forget_the_lease() -> None:
    """The server ends the lease soon, and the executor does not find that out."""
    lease._SESSION = "set idle_session_timeout = '200ms'"  # type: ignore[misc]

    async def resting(_: Lease) -> None:
        await asyncio.sleep(3600)

    Lease._rest = resting  # type: ignore[method-assign]


def place_until(http: httpx.Client, enough: Callable[[], bool]) -> list[str]:
    """Place orders, one after the other, until there are enough."""
    placed: list[str] = []
    while not enough():
        assert len(placed) < ORDERS_MAX
        placed.append(place(http, order(f"order-{len(placed)}")))
    return placed


def test_runs_that_a_buried_executor_took_before_it_died_are_resumed(database: Database) -> None:
    look = Look(database)
    with (
        serving(database, ShortCalls(), forget_the_lease) as buried,
        serving(database, ShortCalls(), EagerScans(scan_seconds=2), SAGA_SLOTS=str(SLOTS)) as other,
        httpx.Client(base_url=other.url, timeout=60) as http,
    ):
        victim, living = look.executors()
        until(lambda: look.executors(buried=True) == [victim])
        open_shop(http)
        behave(http, mode="slow", delay_ms=60_000)
        sagas = place_until(http, lambda: len(look.runs("PENDING", executor=victim)) >= SLOTS)
        buried.kill()
        behave(http, mode="ok")

        await_end(http, *sagas)
        assert_books_balance(http, completed=len(sagas))
        assert look.executors(buried=False) == [living]
        look.await_no_run(executor=victim)


def test_runs_left_to_an_executor_that_is_buried_already_are_resumed(database: Database) -> None:
    """The same without a race: what the dead one is said to have taken."""
    look = Look(database)
    with serving(database, ShortCalls()) as server:
        server.kill()
    with (
        serving(database, ShortCalls(), EagerScans(), SAGA_SLOTS="1") as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        dead, _living = look.executors()
        until(lambda: look.executors(buried=True) == [dead])
        open_shop(http)
        behave(http, mode="slow", delay_ms=60_000)
        sagas = [place(http, order(f"order-{number}")) for number in range(5)]
        with psycopg.connect(database.admin_url) as admin:
            assert admin.execute(CLAIM, {"executor": dead}).rowcount >= SLOTS
        behave(http, mode="ok")

        await_end(http, *sagas)
        assert_books_balance(http, completed=len(sagas))
        look.await_no_run(executor=dead)


def test_an_executor_that_was_frozen_and_buried_leaves_nothing_behind_when_it_wakes(
    database: Database,
) -> None:
    """It may take runs before it finds out; it ends and asks for a restart."""
    look = Look(database)
    with (
        serving(database, ShortCalls(), ShortLease()) as frozen,
        serving(database, ShortCalls(), EagerScans(), SAGA_SLOTS="1") as other,
        httpx.Client(base_url=other.url, timeout=60) as http,
    ):
        victim, _ = look.executors()
        frozen.freeze()
        until(lambda: look.executors(buried=True) == [victim])
        open_shop(http)
        behave(http, mode="slow", delay_ms=300)
        sagas = [place(http, order(f"order-{number}")) for number in range(20)]
        frozen.thaw()

        assert frozen.exit_code() == EXIT_RESTART, frozen.log.read_text()
        behave(http, mode="ok")
        await_end(http, *sagas)
        assert_books_balance(http, completed=len(sagas))
        look.await_no_run(executor=victim)
