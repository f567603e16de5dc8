"""A saga whose call kills the process: it becomes stuck, and the innocent ones beside it complete."""

from contextlib import suppress
from itertools import count

import httpx
import pytest

from app.executors.supervisor import ATTEMPTS_MAX
from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import ShortCalls, serve_more_sagas
from tests.recovery.launcher import serving, starting
from tests.recovery.shop import Look, assert_books_balance, await_end, behave, open_shop, order, place, saga

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

INNOCENT = 10
FAULTS = (serve_more_sagas, ShortCalls(seconds=4.0))
LISTED_STUCK = "select saga_id from readmodels.sagas where status = 'stuck'"


def test_a_saga_that_kills_its_process_becomes_stuck(database: Database) -> None:
    look = Look(database)
    with (
        serving(database, serve_more_sagas, ShortCalls(seconds=6.0)) as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        open_shop(http)
        behave(http, mode="slow", delay_ms=60_000)  # none ends, however long it takes to place the others
        sagas = [place(http, order(f"order-{number}")) for number in range(INNOCENT)]
        until(lambda: len(look.runs("PENDING")) == INNOCENT)
        behave(http, mode="slow", delay_ms=3_000)
        with suppress(httpx.TransportError):  # it may be dead before it has answered
            http.post("/sagas/poison", json={}, headers={"Idempotency-Key": "poison"})
        assert server.exit_code() == -9

    assert deaths_until_it_is_stuck(database) == ATTEMPTS_MAX

    with serving(database, *FAULTS) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        await_end(http, *sagas)
        assert_books_balance(http, completed=INNOCENT)
        stuck = saga(http, "poison")
        until(lambda: look.rows(LISTED_STUCK) == [{"saga_id": "poison"}])  # the list lags
    assert stuck["stuck"]["reason"] == "no-progress"


def deaths_until_it_is_stuck(database: Database) -> int:
    """Start one server after the other, until one survives."""
    look = Look(database)

    def stuck() -> bool:
        return bool(look.journal("poison", "SagaStuck"))

    for deaths in count():
        with starting(database, *FAULTS) as server:
            until(lambda server=server: stuck() or not server.alive)  # type: ignore[misc]
            if server.alive:
                return deaths
            assert server.exit_code() == -9, server.log.read_text()
    raise AssertionError
