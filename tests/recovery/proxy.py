"""A TCP proxy before a Postgres that listens at a socket: the tests cut its connections and close its port.

Servers reach it under a name, which a test may also let be unknown for a while.
"""

import asyncio
import os
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

from tests.acceptance.server import free_port
from tests.conftest import Database

NAME: Final = "database.test"
RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: what is closed is reset, not ended politely."""
CHUNK_BYTES: Final = 65_536

T = TypeVar("T")


@dataclass
class Proxy:
    """Everything is done in a thread of its own; the methods may be called from any other."""

    upstream: str
    port: int = field(default_factory=free_port)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _clients: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None

    def open_port(self) -> None:
        self._do(self._open())

    def close_port(self) -> None:
        """Nobody gets in; who is in stays."""
        self._do(self._close())

    def cut(self) -> int:
        """Reset every connection; how many there were."""
        return self._do(self._cut())

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port, reuse_address=True)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _cut(self) -> int:
        cut = list(self._clients)
        for client in cut:
            reset(client)
        return len(cut)

    async def _end(self) -> None:
        await self._cut()
        passing = asyncio.all_tasks() - {asyncio.current_task()}
        for each in passing:
            each.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self._clients.add(client)
        try:
            answers, server = await asyncio.open_unix_connection(self.upstream)
        except OSError:
            self._clients.discard(client)
            reset(client)
            return
        try:
            with suppress(asyncio.CancelledError):  # the end of the proxy, and nobody waits for this task
                await asyncio.gather(pump(reader, server), pump(answers, client))
        finally:
            self._clients.discard(client)
            server.transport.abort()


def reset(client: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.transport.abort()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()


@contextmanager
def proxied(database: Database) -> Iterator[tuple[Proxy, Database]]:
    """The same database, through a proxy; `admin_url` goes past it. Its servers need `Names`."""
    [folder] = parse_qs(urlsplit(database.url).query)["host"]
    proxy = Proxy(str(Path(folder) / ".s.PGSQL.5432"))
    thread = threading.Thread(target=proxy._loop.run_forever, daemon=True)
    thread.start()
    proxy.open_port()

    def through(url: str) -> str:
        parts = urlsplit(url)
        return parts._replace(netloc=f"{parts.username}@{NAME}:{proxy.port}", query="").geturl()

    try:
        yield (
            proxy,
            replace(database, url=through(database.url), owner_url=through(database.owner_url)),
        )
    finally:
        proxy.close_port()
        proxy._do(proxy._end())
        proxy._loop.call_soon_threadsafe(proxy._loop.stop)
        thread.join()
        proxy._loop.close()


@dataclass(frozen=True)
class Names:
    """A resolver that knows NAME unless there is a file at `unknown`."""

    unknown: Path = Path("/nonexistent")

    def __call__(self) -> None:
        resolve: Callable[..., Any] = socket.getaddrinfo

        def resolving(host: Any, *arguments: Any, **options: Any) -> Any:
            if host != NAME:
                return resolve(host, *arguments, **options)
            if os.path.exists(self.unknown):
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            return resolve("127.0.0.1", *arguments, **options)

        socket.getaddrinfo = resolving
