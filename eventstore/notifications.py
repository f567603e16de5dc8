"""Commits are told to the other processes, so that their followers look at once.

    commit  ->  tell()  ->  NOTIFY, in a transaction of its own after the commit  ->  all listeners

Never in the transaction of an append: NOTIFY makes commits wait for each other. Many commits are one notice,
and there are at most fifty a second. A notice may be lost, with its sender, its listener or their
connections: those who follow the log look from time to time anyway.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import psycopg
import structlog

from eventstore.connections import CONNECTION_KWARGS, Pool

CHANNEL: Final = "eventstore_commits"
REST_SECONDS: Final = 0.02
"""Between two notices of a process."""
RECONNECT_SECONDS: Final = 1.0
SILENCE_SECONDS: Final = 30.0
"""After so long without a notice the connection is asked whether it is still there."""

log = structlog.get_logger(__name__)


@dataclass
class Notifier:
    """Tells other processes that this one has committed. One for a process."""

    pool: Pool
    sender: str = field(default_factory=lambda: uuid4().hex)
    _told: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, _position: int = 0) -> None:
        """Something was committed; does not block."""
        self._told.set()

    async def run(self) -> None:
        """Send notices until cancelled. One that cannot be sent is left out."""
        while True:
            await self._told.wait()
            self._told.clear()
            try:
                async with self.pool.connection() as connection:
                    await connection.execute("select pg_notify(%s, %s)", [CHANNEL, self.sender])
            except psycopg.Error as error:
                log.info("commit not told", error=str(error))
            await asyncio.sleep(REST_SECONDS)


@dataclass
class Listener:
    """Hears the commits of other processes, on a connection of its own that no pooler may share.

    `on_commit` is called in the loop; also when a connection was made, as what was said before is lost.
    """

    url: str
    on_commit: Callable[[], None]
    deaf_to: str = ""
    """The sender of this process: who committed here has been woken already."""
    listening: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Listen until cancelled; connects again as often as it must."""
        while True:
            try:
                await self._listen()
            except psycopg.Error as error:
                log.info("not listening for commits", error=str(error))
            self.listening.clear()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        async with await _connect(self.url) as connection:
            await connection.execute(f"listen {CHANNEL}")
            self.listening.set()
            self.on_commit()
            while True:
                async for notice in connection.notifies(timeout=SILENCE_SECONDS):
                    if notice.payload != self.deaf_to:
                        self.on_commit()
                await connection.execute("select 1")


async def _connect(url: str) -> psycopg.AsyncConnection[Any]:
    kwargs = {key: value for key, value in CONNECTION_KWARGS.items() if key != "prepare_threshold"}
    return await psycopg.AsyncConnection.connect(
        url, application_name="saga-listener", connect_timeout=5, **kwargs
    )
