"""Real processes that use an embedded Postgres in a directory of their own."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app import embedded

USER_PROGRAM = """
import sys
from pathlib import Path
from contextlib import nullcontext
from app import embedded
from app.guard import guarding

data_dir, linger_seconds, guarded = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "True"
with embedded.start(data_dir, linger_seconds=linger_seconds, settings={"fsync": "off"}) as server:
    with guarding(server) if guarded else nullcontext():
        print(server.url(), flush=True)
        sys.stdin.read()
"""

StartUser = Callable[..., "ServerUser"]


class ServerUser:
    """A process that has a share in the server until its standard input is closed or it is killed."""

    def __init__(self, data_dir: Path, linger_seconds: float, guarded: bool) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER_PROGRAM, str(data_dir), str(linger_seconds), str(guarded)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def url(self) -> str:
        """The server's address; waits until the server is up."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A place for a server, which must be stopped, and its keeper without complaint, at the end."""
    data_dir = Path(tempfile.mkdtemp(prefix="saga-tests-")) / "data"
    yield data_dir
    eventually(lambda: embedded.stop_if_unused(data_dir))
    complaints = (data_dir / "keeper.log").read_text()
    shutil.rmtree(data_dir.parent)
    assert complaints == ""


@pytest.fixture
def start_user(data_dir: Path) -> Iterator[StartUser]:
    """Start a process that uses the server of `data_dir`."""
    users: list[ServerUser] = []

    def start(*, linger_seconds: float = 0, guarded: bool = False) -> ServerUser:
        users.append(ServerUser(data_dir, linger_seconds, guarded))
        return users[-1]

    yield start
    for user in users:
        if user.process.returncode is None:
            user.kill()


def eventually(condition: Callable[[], bool], timeout_seconds: float = 60) -> None:
    """Wait until the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def keepers(data_dir: Path) -> list[psutil.Process]:
    """The keepers of this directory."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        arguments = process.info["cmdline"] or []
        if "app.embedded" in arguments and str(data_dir) in arguments:
            found.append(process)
    return found


def server_runs(data_dir: Path) -> bool:
    return (data_dir / "postgres" / "postmaster.pid").exists()


def postmaster(data_dir: Path) -> psutil.Process:
    pid_file = data_dir / "postgres" / "postmaster.pid"
    return psutil.Process(int(pid_file.read_text().splitlines()[0]))


def kill_postmaster(data_dir: Path) -> psutil.Process:
    killed = postmaster(data_dir)
    killed.kill()
    eventually(lambda: not killed.is_running() or killed.status() == psutil.STATUS_ZOMBIE)
    return killed
