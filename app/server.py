"""One server process: the socket first, then the application, then an orderly end."""

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NoReturn

import structlog
import uvicorn
from fastapi import FastAPI

from app.logging import configure_logging
from app.main import create_app
from app.settings import Settings

STOP_SECONDS_MAX: Final = 4
"""How long requests that are under way may still take. The runs have as long again (app/runtime.py)."""
END_SECONDS_MAX: Final = 15.0
"""How long the whole end may take. A database that hangs holds threads and cancelled queries for longer; what
is cut is resumed elsewhere, as after a kill."""
EXIT_CUT: Final = 1

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


def run_server(settings: Settings, *, until_eof: bool = False) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code when all is closed.

    `until_eof` ties the server to whoever holds the other end of its standard input: it stops when that is
    closed, which the kernel does for a process that was killed.

    Raises CannotListen, DatabaseUnusable, EmbeddedPostgresError, LeaseLost, BrokenChain,
    MasterKeyWrong, NoSubject.
    """
    listener = bind(settings.host, settings.port)
    # With port 0 only the socket knows the port; the sandbox carrier of this process is reached through it.
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    configure_logging(settings.log_format, settings.log_level)
    try:
        return asyncio.run(_serve(settings, listener, until_eof))
    except asyncio.CancelledError:
        return 0  # stopped while it was starting
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        # Two servers that start at once may both bind; the second one to listen is refused.
        raise _cannot_listen(settings.host, settings.port, error) from error


async def _serve(settings: Settings, listener: socket.socket, until_eof: bool) -> int:
    app = create_app(settings)
    server = Server(app)
    serving = asyncio.current_task()
    assert serving is not None

    def stop() -> None:
        if not server.should_exit:
            _limit_end(lambda: app.state.runtime.exit_code if server.started else 0)
        if not server.started:
            serving.cancel()
        # The second signal: do not wait for connections.
        server.force_exit = server.should_exit
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    if until_eof:
        _at_eof(sys.stdin.fileno(), lambda: None if server.should_exit else stop())
    async with app.router.lifespan_context(app):
        await server.serve(sockets=[listener])
        return int(app.state.runtime.exit_code)


def _at_eof(descriptor: int, action: Callable[[], None]) -> None:
    """Do `action` when the other end of a pipe is closed. What comes through it means nothing."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            action()

    loop.add_reader(descriptor, look)


def _limit_end(exit_code: Callable[[], int]) -> None:
    """End this process though it is not closed, should it still be there when it has had its time."""

    def cut() -> None:
        log.error("the end takes too long and is cut", seconds=END_SECONDS_MAX)
        end_process(exit_code() or EXIT_CUT)

    timer = threading.Timer(END_SECONDS_MAX, cut)
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
