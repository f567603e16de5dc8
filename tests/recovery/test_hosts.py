"""Executors on hosts of their own: nobody can look whether the others' processes are there."""

import os

import httpx
import pytest

from app.executors import lease
from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import ShortCalls
from tests.recovery.launcher import Server, serving
from tests.recovery.proxy import Names, proxied
from tests.recovery.shop import Look, assert_books_balance, await_end, behave, open_shop, order, place

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ORDERS = 10


def on_a_host_of_its_own() -> None:
    lease.host_boot_id = lambda: f"host of {os.getpid()}"


def test_connections_that_are_cut_bury_nobody_and_a_kill_does(database: Database) -> None:
    look, faults = Look(database), (on_a_host_of_its_own, Names(), ShortCalls())
    with (
        proxied(database) as (proxy, through),
        serving(through, *faults) as victim,
        serving(through, *faults) as one,
        serving(through, *faults) as two,
        httpx.Client(base_url=victim.url, timeout=60) as http,
        httpx.Client(base_url=one.url, timeout=60) as other,
    ):
        open_shop(http)
        behave(http, mode="slow", delay_ms=60_000)
        sagas = [place(http, order(f"order-{number}")) for number in range(ORDERS)]
        dead, *living = look.executors()

        assert proxy.cut()
        until(lambda: reclaimed(victim) and reclaimed(one) and reclaimed(two))
        assert look.executors(buried=True) == []

        victim.kill()
        until(lambda: look.executors(buried=True) == [dead])
        behave(other, mode="ok")
        await_end(other, *sagas)
        assert_books_balance(other, completed=ORDERS)
        assert look.executors(buried=False) == living
        assert not look.steps_done_twice()


def reclaimed(server: Server) -> bool:
    return "lease lost, claiming it again" in server.log.read_text() and server.ready
