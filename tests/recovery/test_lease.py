"""Leases: a dead executor is buried at once, a frozen one in ten seconds, and no limit is lost on the way."""

import httpx
import psycopg
import pytest

from app.runtime import EXIT_RESTART
from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import EndCutShort, NeverReady, ShortCalls
from tests.recovery.launcher import Fault, Server, serving, starting
from tests.recovery.shop import Look, assert_books_balance, await_end, behave, open_shop, order, place

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ORDERS = 10
SLOTS = 2


def test_the_runs_of_a_dead_executor_are_resumed_within_the_limit(database: Database) -> None:
    look, calls = Look(database), ShortCalls(seconds=4.0)
    with serving(database, calls) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        open_shop(http)
        behave(http, mode="slow", delay_ms=60_000)  # none ends, however long it takes to place the others
        sagas = [place(http, order(f"order-{number}")) for number in range(ORDERS)]
        # Not all at one time: some wait for their next attempt by then.
        until(lambda: len(look.runs("PENDING")) > 2 * SLOTS)
        server.kill()
    [dead] = look.executors(buried=False)

    with (
        serving(database, calls, SAGA_SLOTS=str(SLOTS)) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        behave(http, mode="slow", delay_ms=500)
        under_way: set[int] = set()

        def ended() -> bool:
            [executor] = look.executors(buried=False)
            under_way.add(len(look.runs("PENDING", executor=executor)))
            return not look.runs("PENDING", "ENQUEUED", "DELAYED")

        until(lambda: look.executors(buried=True) == [dead])
        until(ended, seconds=180)
        assert max(under_way) == SLOTS
        await_end(http, *sagas)
        assert_books_balance(http, completed=ORDERS)


def test_a_frozen_executor_is_taken_for_dead_and_ends_when_it_finds_that_out(database: Database) -> None:
    look = Look(database)
    with (
        serving(database, ShortCalls(seconds=4.0)) as frozen,
        httpx.Client(base_url=frozen.url, timeout=60) as frozen_http,
    ):
        open_shop(frozen_http)
        behave(frozen_http, mode="slow", delay_ms=60_000)
        sagas = [place(frozen_http, order(f"order-{number}")) for number in range(ORDERS)]
        [victim] = look.executors()
        until(lambda: len(look.runs("PENDING", executor=victim)) > ORDERS / 2)
        check_that_another_takes_over(database, frozen, victim, sagas)


def check_that_another_takes_over(database: Database, frozen: Server, victim: str, sagas: list[str]) -> None:
    look = Look(database)
    with serving(database, ShortCalls()) as other, httpx.Client(base_url=other.url, timeout=60) as http:
        frozen.freeze()
        behave(http, mode="ok")
        until(lambda: look.executors(buried=True) == [victim])
        await_end(http, *sagas)
        frozen.thaw()

        assert frozen.exit_code() == EXIT_RESTART, frozen.log.read_text()
        assert_books_balance(http, completed=ORDERS)
        assert {booking["status"] for booking in look.bookings()} == {"booked"}
        assert not look.steps_done_twice()
        look.await_no_run()


@pytest.mark.parametrize("faults", [(NeverReady(),), (NeverReady(), EndCutShort())], ids=["closed", "cut"])
def test_an_executor_that_loses_its_lease_while_it_starts_asks_for_a_restart(
    database: Database, faults: tuple[Fault, ...]
) -> None:
    """Not for an end, as one that is stopped then: a service manager would leave it away."""
    look = Look(database)
    with starting(database, *faults) as server:
        until(lambda: len(look.executors(buried=False)) == 1)
        with psycopg.connect(database.admin_url) as connection:
            connection.execute("update eventstore.executors set buried_at = now()")

        assert server.exit_code() == EXIT_RESTART, server.log.read_text()
