"""Real servers that a test may prepare, freeze and kill.

Each is `saga serve`, or `saga worker`, in a process of its own, forked from one that has imported everything:
that saves half of the start. What a test wants to go wrong is installed in the process before the
command runs (faults.py): production code has no hook for it.
"""

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import httpx

from app.cli.main import app
from tests.acceptance.server import START_SECONDS_MAX, STOP_SECONDS_MAX, environment, free_port, until
from tests.conftest import Database

Fault = Callable[[], None]
"""Installs something in the process of a server, before it starts. Must be picklable."""

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(["app.server", "app.cli.serve", __name__])


@dataclass(frozen=True)
class Server:
    """A server process, its address and its log."""

    url: str
    process: ForkServerProcess
    log: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL: it gets no chance to say good-bye."""
        self.process.kill()
        self.exit_code()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.terminate()
        return self.exit_code()

    def exit_code(self) -> int:
        """Wait for its end. Minus nine after SIGKILL."""
        self.process.join(STOP_SECONDS_MAX)
        assert self.process.exitcode is not None, f"it does not end: {self.log.read_text()}"
        return self.process.exitcode

    @property
    def alive(self) -> bool:
        return self.process.is_alive()

    @property
    def ready(self) -> bool:
        assert self.alive, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/health/ready").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def serving(database: Database, *faults: Fault, **settings: str) -> Iterator[Server]:
    """A server that is ready. The end of the context kills it if the test has not ended it."""
    with starting(database, *faults, **settings) as server:
        until(lambda: server.ready, START_SECONDS_MAX)
        yield server


@contextmanager
def working(database: Database, *faults: Fault, **settings: str) -> Iterator[Server]:
    """A worker that is ready; its address is that of its health."""
    port = free_port()
    with starting(database, *faults, arguments=("worker", "--health-port", str(port)), **settings) as started:
        worker = Server(f"http://127.0.0.1:{port}", started.process, started.log)
        until(lambda: worker.ready, START_SECONDS_MAX)
        yield worker


@contextmanager
def starting(
    database: Database, *faults: Fault, arguments: tuple[str, ...] = ("serve",), **settings: str
) -> Iterator[Server]:
    """A server that has just been started, and may not even come to be ready."""
    port = free_port()
    env = environment(
        SAGA_DATABASE_URL=database.url, SAGA_OWNER_DATABASE_URL=database.owner_url, SAGA_PORT=str(port)
    )
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        process = _forking.Process(target=_serve, args=(env | settings, log, faults, arguments))
        process.start()
        server = Server(f"http://127.0.0.1:{port}", process, log)
        try:
            yield server
        finally:
            if server.alive:
                server.thaw()
                server.kill()
            process.close()


def _serve(env: dict[str, str], log: Path, faults: tuple[Fault, ...], arguments: tuple[str, ...]) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(env)
    for install in faults:
        install()
    app(list(arguments))
