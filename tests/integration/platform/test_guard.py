"""An embedded Postgres, or its keeper, that is killed under those who use it."""

from pathlib import Path

import psycopg
import pytest

from app import embedded
from app.cluster import Cluster, EmbeddedPostgresError
from tests.conftest import postmasters

from .conftest import StartUser, eventually, keepers, kill_postmaster, server_runs

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

FAST = {"fsync": "off"}


def answers(url: str) -> bool:
    try:
        with psycopg.connect(url) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_those_who_notice_at_once_start_one_server(data_dir: Path, start_user: StartUser) -> None:
    users = [start_user(guarded=True) for _ in range(3)]
    url = {user.url() for user in users}.pop()

    for _ in range(2):
        killed = kill_postmaster(data_dir)
        eventually(lambda: answers(url))

        [started] = postmasters(data_dir)
        assert started != killed

    for user in users:
        user.close()
    eventually(lambda: not server_runs(data_dir) and not keepers(data_dir))


def test_the_server_ends_after_its_keeper_and_then_its_user_were_killed(
    data_dir: Path, start_user: StartUser
) -> None:
    user = start_user(guarded=True)
    assert user.url() != ""
    [killed] = keepers(data_dir)
    killed.kill()
    eventually(lambda: [keeper for keeper in keepers(data_dir) if keeper != killed] != [])

    user.kill()

    eventually(lambda: not server_runs(data_dir) and not keepers(data_dir))


def test_a_user_that_closes_starts_no_server(data_dir: Path) -> None:
    with embedded.start(data_dir, settings=FAST) as server:
        kill_postmaster(data_dir)
        eventually(Cluster(data_dir).is_down)

        assert not server.repair(closing=lambda: True)
        assert postmasters(data_dir) == []

        asked = iter([False, True])
        assert not server.repair(closing=lambda: next(asked)), "it began to close in the meantime"
        assert postmasters(data_dir) == []


def test_a_living_server_gets_none_beside_it(data_dir: Path) -> None:
    with embedded.start(data_dir, linger_seconds=0, settings=FAST) as server:
        before = postmasters(data_dir)
        (server.socket_dir / ".s.PGSQL.5432").unlink()
        assert not Cluster(data_dir).listens()

        assert not server.repair(closing=lambda: False)

        assert postmasters(data_dir) == before
        assert len(before) == 1


def test_a_killed_server_keeps_its_settings(data_dir: Path) -> None:
    with embedded.start(data_dir, settings={**FAST, "max_connections": "37"}) as server:
        kill_postmaster(data_dir)
        eventually(lambda: server.repair(closing=lambda: False))

        with psycopg.connect(server.url()) as connection:
            assert connection.execute("SHOW max_connections").fetchone() == ("37",)


def test_lost_data_is_not_replaced_by_an_empty_database(data_dir: Path) -> None:
    with embedded.start(data_dir, settings=FAST) as server:
        kill_postmaster(data_dir)
        eventually(Cluster(data_dir).is_down)
        (data_dir / "postgres").rename(data_dir / "elsewhere")

        with pytest.raises(EmbeddedPostgresError, match="deleted"):
            server.repair(closing=lambda: False)
