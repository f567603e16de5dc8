"""One server or worker process: the socket first, then the application, then an orderly end."""

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, NoReturn

import structlog
import uvicorn
from fastapi import FastAPI

from app.executors import LeaseLost
from app.logging import configure_logging
from app.main import create_app
from app.runtime import EXIT_RESTART
from app.settings import Settings
from app.worker import check_worker, create_worker

STOP_SECONDS_MAX: Final = 4
"""How long requests that are under way may still take. The runs have as long again (app/runtime.py)."""
END_SECONDS_MAX: Final = 15.0
"""How long the whole end may take. A database that hangs holds threads and cancelled queries for longer; what
is cut is resumed elsewhere, as after a kill."""
WORKER_END_SECONDS_MAX: Final = 10.0
"""The same of a worker, which waits for no connections."""
EXIT_CUT: Final = 1
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

log = structlog.get_logger(__name__)


class CannotListen(Exception):
    """The address cannot be listened at."""


class Server(uvicorn.Server):
    """Lets waiting and streaming answers come to their end before it waits for the connections to close."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",  # entered by `_serve`, so that its errors reach the caller
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=STOP_SECONDS_MAX,
            )
        )
        self._app = app

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Signals are `_serve`'s: they mean something before the server starts and after it has ended."""
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            log.info("serving", url=f"http://{host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.stopping.set()
        # While we still listen: the runs may be calling this very process.
        await self._app.state.runtime.end_runs()
        await super().shutdown(sockets)


def run_worker(settings: Settings, health_port: int | None) -> int:
    """Run sagas until SIGINT or SIGTERM; returns the exit code when all is closed.

    With `health_port` health is told there, at the host of the settings.

    Raises what `run_server` does, and SettingsError when `settings` are not those of a worker.
    """
    check_worker(settings)
    listeners = [] if health_port is None else [bind(settings.host, health_port)]
    configure_logging(settings.log_format, settings.log_level)
    return _run(create_worker(settings), listeners, WORKER_END_SECONDS_MAX)


def run_server(settings: Settings, *, until_eof: bool = False) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code when all is closed.

    `until_eof` ties the server to whoever holds the other end of its standard input: it stops when that is
    closed, which the kernel does for a process that was killed.

    Raises CannotListen, DatabaseUnusable, EmbeddedPostgresError, BrokenChain,
    MasterKeyWrong, NoSubject.
    """
    listener = bind(settings.host, settings.port)
    # With port 0 only the socket knows the port; the sandbox carrier of this process is reached through it.
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    configure_logging(settings.log_format, settings.log_level)
    return _run(create_app(settings), [listener], END_SECONDS_MAX, until_eof)


def _run(
    app: FastAPI, listeners: list[socket.socket], end_seconds_max: float, until_eof: bool = False
) -> int:
    try:
        return asyncio.run(_serve(app, listeners, end_seconds_max, until_eof))
    except asyncio.CancelledError:
        return 0  # stopped while it was starting
    except LeaseLost as lost:
        log.error("not started: start it again", reason=str(lost))
        return EXIT_RESTART
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        # Two servers that start at once may both bind; the second one to listen is refused.
        host, port = listeners[0].getsockname()[:2]
        raise _cannot_listen(host, port, error) from error


async def _serve(
    app: FastAPI, listeners: list[socket.socket], end_seconds_max: float, until_eof: bool
) -> int:
    server = Server(app)
    serving = asyncio.current_task()
    assert serving is not None

    def stop() -> None:
        if not server.should_exit:
            _limit_end(lambda: app.state.runtime.exit_code if server.started else 0, end_seconds_max)
        if not server.started:
            serving.cancel()
        # The second signal: do not wait for connections.
        server.force_exit = server.should_exit
        server.should_exit = True

    if until_eof:
        _at_eof(sys.stdin.fileno(), lambda: None if server.should_exit else stop())
    with _signals(stop):
        async with app.router.lifespan_context(app):
            await server.serve(sockets=listeners)
            return int(app.state.runtime.exit_code)


@contextmanager
def _signals(action: Callable[[], None]) -> Iterator[None]:
    """Do `action` at SIGINT and SIGTERM; from the end of this on they mean nothing, as all is closed.

    Handlers of the loop's own would be taken back by it, to what kills the process.
    """
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(action))
    try:
        yield
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def _at_eof(descriptor: int, action: Callable[[], None]) -> None:
    """Do `action` when the other end of a pipe is closed. What comes through it means nothing."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            action()

    loop.add_reader(descriptor, look)


def _limit_end(exit_code: Callable[[], int], seconds: float) -> None:
    """End this process though it is not closed, should it still be there when it has had its time."""

    def cut() -> None:
        log.error("the end takes too long and is cut", seconds=seconds)
        end_process(exit_code() or EXIT_CUT)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()


def end_process(exit_code: int) -> NoReturn:
    """End this process now. Everything of ours is closed, but DBOS may have a thread that sleeps for up to a
    minute before it tries the database again, and the interpreter would wait for it."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def bind(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet: clients are refused, not kept waiting, until all is ready.

    Raises CannotListen.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> CannotListen:
    return CannotListen(f"cannot listen at {host} port {port}: {error.strerror or error}")
