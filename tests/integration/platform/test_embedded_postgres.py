"""One embedded Postgres, many processes that come, go and are killed."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest

from app import embedded
from app.cluster import EmbeddedPostgresError

from .conftest import StartUser, eventually, keepers, postmaster, server_runs

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

FAST = {"fsync": "off"}


def started_at(url: str) -> object:
    """Tells one run of the server from another."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT pg_postmaster_start_time()").fetchone()


def test_the_server_survives_the_kill_of_one_of_two_users(data_dir: Path, start_user: StartUser) -> None:
    victim, survivor = start_user(), start_user()
    before = started_at(survivor.url())
    assert victim.url() != ""

    victim.kill()
    assert not embedded.stop_if_unused(data_dir), "what the keeper calls must refuse"

    with embedded.start(data_dir) as server:
        assert started_at(server.url()) == before
    survivor.close()


def test_the_server_stops_when_its_last_user_was_killed(data_dir: Path, start_user: StartUser) -> None:
    user = start_user()
    assert user.url() != ""
    server = postmaster(data_dir)

    user.kill()

    eventually(lambda: not server.is_running() and not keepers(data_dir))
    assert not server_runs(data_dir)


def test_a_restart_after_a_kill_finds_the_server_still_up(data_dir: Path, start_user: StartUser) -> None:
    first = start_user(linger_seconds=10)
    before = started_at(first.url())

    first.kill()
    second = start_user(linger_seconds=10)

    assert started_at(second.url()) == before
    second.close()


def test_data_survives_stop_and_start(data_dir: Path) -> None:
    with embedded.start(data_dir, settings=FAST) as server, psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    eventually(lambda: embedded.stop_if_unused(data_dir))
    assert not server_runs(data_dir)

    with embedded.start(data_dir, settings=FAST) as server, psycopg.connect(server.url()) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_processes_that_start_at_once_share_one_server(data_dir: Path, start_user: StartUser) -> None:
    users = [start_user() for _ in range(4)]

    assert len({started_at(user.url()) for user in users}) == 1
    assert len(keepers(data_dir)) == 1
    for user in users:
        user.close()


def test_who_comes_while_the_keeper_stops_the_server_gets_a_working_one(data_dir: Path) -> None:
    rounds = 15
    for number in range(rounds):
        server = embedded.start(data_dir, linger_seconds=0, settings=FAST)
        with server, psycopg.connect(server.url()) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS rounds (number int)")
            connection.execute("INSERT INTO rounds VALUES (%s)", [number])

    with embedded.start(data_dir, settings=FAST) as server, psycopg.connect(server.url()) as connection:
        assert connection.execute("SELECT count(*) FROM rounds").fetchone() == (rounds,)


def test_a_killed_keeper_is_replaced_by_the_next_start(data_dir: Path, start_user: StartUser) -> None:
    first = start_user()
    assert first.url() != ""
    [killed] = keepers(data_dir)
    killed.kill()
    eventually(lambda: not killed.is_running())

    second = start_user()
    assert second.url() != ""

    assert len(keepers(data_dir)) == 1
    first.kill()
    second.kill()
    eventually(lambda: not server_runs(data_dir) and not keepers(data_dir))


def test_a_user_that_leaves_replaces_a_killed_keeper(data_dir: Path, start_user: StartUser) -> None:
    user = start_user()
    assert user.url() != ""
    [killed] = keepers(data_dir)
    killed.kill()
    eventually(lambda: not killed.is_running())

    user.close()

    eventually(lambda: not server_runs(data_dir) and not keepers(data_dir))


def test_the_server_is_not_stopped_under_a_user(data_dir: Path) -> None:
    with embedded.start(data_dir, settings=FAST) as server:
        assert not embedded.stop_if_unused(data_dir)
        assert started_at(server.url()) is not None


def test_a_killed_server_is_started_again_with_its_data(data_dir: Path) -> None:
    with embedded.start(data_dir, settings=FAST) as server:
        with psycopg.connect(server.url()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        killed = postmaster(data_dir)
        killed.kill()
        eventually(lambda: not killed.is_running())
        assert server_runs(data_dir), "the pid file is stale now"

        with embedded.start(data_dir, settings=FAST) as again, psycopg.connect(again.url()) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_stale_pid_file_that_names_a_living_process_is_no_obstacle(data_dir: Path) -> None:
    with embedded.start(data_dir, settings=FAST):
        pid_file = data_dir / "postgres" / "postmaster.pid"
        socket_lock = data_dir / "run" / ".s.PGSQL.5432.lock"
        found = pid_file.read_text().splitlines()
    eventually(lambda: embedded.stop_if_unused(data_dir))
    as_server = pid_file.parent.stat().st_uid if os.geteuid() == 0 else None
    innocent = subprocess.Popen(["sleep", "300"], user=as_server)
    for stale in (pid_file, socket_lock):
        stale.write_text("\n".join([str(innocent.pid), *found[1:]]) + "\n")

    with embedded.start(data_dir, settings=FAST) as server:
        assert started_at(server.url()) is not None
    assert innocent.poll() is None
    innocent.kill()
    innocent.wait()


def test_an_interrupted_initdb_is_begun_anew(data_dir: Path) -> None:
    unfinished = data_dir / "postgres.new-killed" / "base"
    unfinished.mkdir(parents=True)
    (unfinished.parent / "PG_VERSION").write_text("18\n")

    with embedded.start(data_dir, settings=FAST) as server:
        assert started_at(server.url()) is not None
    assert not unfinished.exists()


def test_a_process_killed_in_the_middle_of_initdb_does_no_harm(data_dir: Path, start_user: StartUser) -> None:
    first = start_user()
    eventually(lambda: any(data_dir.glob("postgres.new-*/base")))
    first.kill()
    assert not server_runs(data_dir)

    second = start_user()

    assert started_at(second.url()) is not None
    second.close()


def test_a_data_directory_that_cannot_be_used_is_said_so(data_dir: Path) -> None:
    embedded.start(data_dir, settings=FAST).close()
    file = data_dir / "file"
    file.touch()

    with pytest.raises(EmbeddedPostgresError, match="data directory"):
        embedded.start(file)


@pytest.mark.parametrize("name", ["x d$HOME", "`id`", 'a "b"', "it's", "a,b", "a\\nb", "50%41", "ü é"])
def test_a_path_means_nothing_to_a_shell_or_a_configuration(data_dir: Path, name: str) -> None:
    embedded.start(data_dir, settings=FAST).close()
    odd = data_dir / name

    with embedded.start(odd, linger_seconds=0, settings=FAST) as server:
        assert started_at(server.url()) is not None
    eventually(lambda: embedded.stop_if_unused(odd))

    if not server.socket_dir.is_relative_to(data_dir):
        shutil.rmtree(server.socket_dir)


def test_a_path_in_two_lines_is_refused_in_one(data_dir: Path) -> None:
    embedded.start(data_dir, settings=FAST).close()

    with pytest.raises(EmbeddedPostgresError, match="a line break in its path"):
        embedded.start(data_dir / "a\nb")


def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        embedded.start(data_dir, settings={"no_such_setting": "on"})


def test_a_start_that_does_not_come_to_a_log_says_why(data_dir: Path) -> None:
    embedded.start(data_dir, settings=FAST).close()
    eventually(lambda: embedded.stop_if_unused(data_dir))
    (data_dir / "postgres" / "start.log").unlink()
    shutil.rmtree(data_dir / "postgres" / "log")
    (data_dir / "postgres" / "PG_VERSION").unlink()

    with pytest.raises(EmbeddedPostgresError, match="pg_ctl ended with 1"):
        embedded.start(data_dir)


def test_a_path_too_long_for_a_socket_works(data_dir: Path) -> None:
    deep = data_dir / ("d" * 60) / ("e" * 60)
    embedded.start(data_dir, settings=FAST).close()

    with embedded.start(deep, linger_seconds=0, settings=FAST) as server:
        assert started_at(server.url()) is not None
        socket_dir = server.socket_dir
    eventually(lambda: embedded.stop_if_unused(deep))

    assert not socket_dir.is_relative_to(data_dir)
    shutil.rmtree(socket_dir)


def test_an_interrupt_from_the_terminal_does_not_reach_the_server(
    data_dir: Path, start_user: StartUser
) -> None:
    starter = start_user()
    before = started_at(starter.url())
    other = start_user()
    assert other.url() != ""

    os.killpg(starter.process.pid, signal.SIGINT)
    starter.close()

    with embedded.start(data_dir) as server:
        assert started_at(server.url()) == before
    other.close()


def test_a_keeper_whose_directory_was_deleted_ends(data_dir: Path, start_user: StartUser) -> None:
    user = start_user()
    assert user.url() != ""
    server = postmaster(data_dir)
    shutil.rmtree(data_dir)

    user.kill()

    eventually(lambda: not keepers(data_dir))
    server.terminate()
    eventually(lambda: not server.is_running())
    embedded.start(data_dir, settings=FAST).close()
