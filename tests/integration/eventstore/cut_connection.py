"""A proxy before Postgres that can swallow an answer: the commit happened, the client never hears of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from psycopg import conninfo


class CutConnection:
    """Set `cut` and the next answer of the server is read to its end, dropped, and the connection closed."""

    def __init__(self, server_socket: str) -> None:
        self._server_socket = server_socket
        self.cut = False
        self.cuts = 0

    async def serve(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        reader, writer = await asyncio.open_unix_connection(self._server_socket)
        try:
            async with asyncio.TaskGroup() as tasks:
                requests = tasks.create_task(_copy(client_reader, writer))
                await self._answers(reader, client_writer)
                requests.cancel()
        finally:
            for each in (writer, client_writer):
                each.close()

    async def _answers(self, reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        while answer := await reader.read(65_536):
            if self.cut:
                self.cut = False
                self.cuts += 1
                return
            client_writer.write(answer)
            await client_writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def cut_connection(url: str, directory: Path) -> AsyncIterator[tuple[str, CutConnection]]:
    """The address of the proxy, and the proxy."""
    parts = conninfo.conninfo_to_dict(url)
    port = parts.get("port", "5432")
    proxy = CutConnection(f"{parts['host']}/.s.PGSQL.{port}")
    server = await asyncio.start_unix_server(proxy.serve, directory / f".s.PGSQL.{port}")
    yield conninfo.make_conninfo(url, host=str(directory)), proxy
    server.close()
