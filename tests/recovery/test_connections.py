"""What goes wrong between servers and a Postgres that is well: connections are reset, refused or too many,
its name is not known, a lock is held. Sagas, API and projections go on, and nobody is taken for dead.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.acceptance.server import until
from tests.conftest import Database
from tests.recovery.faults import ShortCalls
from tests.recovery.launcher import Server, serving
from tests.recovery.proxy import Names, Proxy, proxied
from tests.recovery.shop import (
    Look,
    assert_books_balance,
    await_end,
    behave,
    open_shop,
    order,
    place,
    place_in_the_end,
)

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ORDERS = 20
CUTS = 5


@dataclass(frozen=True)
class Scene:
    """Two servers behind a proxy, with orders in the middle of their calls."""

    proxy: Proxy
    database: Database
    unknown: Path
    http: httpx.Client
    servers: tuple[Server, Server]
    sagas: list[str]

    @property
    def look(self) -> Look:
        return Look(self.database)

    def still_ready(self) -> bool:
        return all(server.ready for server in self.servers)

    def refused(self) -> bool:
        """Whether the API says that the database is away, as one should."""
        answer = self.http.get(f"/sagas/{self.sagas[0]}")
        if answer.is_success:
            return False
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
        return True


@contextmanager
def scene(direct: Database) -> Iterator[Scene]:
    with (
        proxied(direct) as (proxy, database),
        tempfile.TemporaryDirectory() as folder,
    ):
        unknown = Path(folder) / "unknown"
        faults = Names(unknown), ShortCalls(seconds=10)
        settings = {"SAGA_REQUEST_SECONDS_MAX": "2"}
        with (
            serving(database, *faults, **settings) as one,
            serving(database, *faults, **settings) as two,
            httpx.Client(base_url=one.url, timeout=60) as http,
        ):
            open_shop(http)
            behave(http, mode="slow", delay_ms=500)
            sagas = [place(http, order(f"order-{number}")) for number in range(ORDERS)]
            yield Scene(proxy, direct, unknown, http, (one, two), sagas)


def assert_all_went_well(scene: Scene) -> None:
    until(scene.still_ready, 120)
    late = [place_in_the_end(scene.http, order(f"late-{number}")) for number in range(ORDERS)]
    await_end(scene.http, *scene.sagas, *late, seconds=180)
    look = scene.look
    assert_books_balance(scene.http, completed=2 * ORDERS)
    assert not look.steps_done_twice()
    assert look.executors(buried=True) == [], "a living executor was declared dead"
    assert all(server.alive for server in scene.servers)

    def listed() -> bool:
        answer = scene.http.get("/sagas?status=completed&limit=1000").raise_for_status()
        return len(answer.json()["sagas"]) == 2 * ORDERS

    until(listed)
    until(lambda: not look.runs("PENDING", "ENQUEUED", "DELAYED"), 120)
    assert not look.runs("ERROR")


def test_connections_are_reset_again_and_again(database: Database) -> None:
    with scene(database) as there:
        for _ in range(CUTS):
            assert there.proxy.cut()
            until(there.still_ready)
        assert_all_went_well(there)


def away(there: Scene, begin: Callable[[], object], finish: Callable[[], object]) -> None:
    """Everything is cut, and nobody comes back for a while."""
    begin()
    there.proxy.cut()
    until(lambda: there.refused() and not any(server.ready for server in there.servers))
    until(there.refused)
    finish()
    assert_all_went_well(there)


def test_the_port_refuses_for_a_while(database: Database) -> None:
    with scene(database) as there:
        away(there, there.proxy.close_port, there.proxy.open_port)


def test_the_name_is_unknown_for_a_while(database: Database) -> None:
    with scene(database) as there:
        away(there, there.unknown.touch, there.unknown.unlink)


def test_there_is_no_free_connection_for_a_while(database: Database) -> None:
    with scene(database) as there, psycopg.connect(database.admin_url, autocommit=True) as admin:

        def limit(connections: int) -> None:
            admin.execute(f"alter database {database.name} connection limit {connections}")

        away(there, lambda: limit(0), lambda: limit(-1))


def test_a_lock_is_held_on_the_log_for_longer_than_anybody_waits(database: Database) -> None:
    with scene(database) as there:
        with psycopg.connect(database.admin_url) as holder:
            holder.execute("lock table eventstore.events in access exclusive mode")
            until(there.refused)
            until(lambda: lock_timeouts(there) > 0)
        assert_all_went_well(there)


def lock_timeouts(there: Scene) -> int:
    return sum(server.log.read_text().count("lock timeout") for server in there.servers)
