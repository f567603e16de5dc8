"""The lease of an executor: a session lock that the server itself ends when the process does not answer.

It is pinged by the loop that runs the sagas, and the session ends when it is idle for too long: so a process
that is killed loses the lease at once, and one that hangs or whose host vanished loses it in ten seconds.
"""

import asyncio
import os
import socket
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Self

import psutil
import psycopg
import structlog
from uuid_utils.compat import uuid7

from app.positions import TIMELINE

Kind = Literal["server", "worker"]
"""With HTTP API, or without."""

LEASE_CLASS: Final = 0x5A6A_0003
PING_SECONDS: Final = 2.0
RECLAIM_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 0.5
FREE_SECONDS: Final = 2.0
"""How long the lease of a process on another host is free before that counts as dead: its connection may just
have been cut."""

# 10 s without a ping, or without an answer to the server's probes, end the session and with it the lease.
_SESSION: Final = """
set idle_session_timeout = '10s';
set statement_timeout = '5s';
set tcp_keepalives_idle = 3;
set tcp_keepalives_interval = 2;
set tcp_keepalives_count = 3;
set tcp_user_timeout = 8000;
"""
INSTANCE: Final = f"select pg_postmaster_start_time(), {TIMELINE}"

log = structlog.get_logger(__name__)


class LeaseLost(Exception):
    """This executor was declared dead, or could not get its lease back: it must not run on."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One life of the server: a restart changes the first part, a promotion the second."""

    started_at: datetime
    timeline: int

    @classmethod
    async def of(cls, connection: psycopg.AsyncConnection[Any]) -> Self:
        row = await (await connection.execute(INSTANCE)).fetchone()
        assert row is not None
        return cls(*row)


@dataclass
class Lease:
    """Says to the other executors that this one lives. Take it before DBOS starts, release it after.

    `timeline` is that of the server which holds it; `reclaims` how often it was claimed again.
    """

    url: str = field(repr=False)  # it may hold a password
    executor_id: str
    number: int
    _connection: psycopg.AsyncConnection[Any]
    timeline: int = 0
    reclaims: int = 0

    @classmethod
    async def take(cls, url: str, kind: Kind = "server", slots: int | None = None) -> Self:
        """A new lease, for a new executor. `url` must reach the server directly, without a pooler.

        `kind` and `slots` are for those who list executors.
        """
        connection = await connect(url)
        executor_id = f"{socket.gethostname()}-{uuid7()}"
        row = await (
            await connection.execute("select nextval('eventstore.executor_number_seq')::int")
        ).fetchone()
        assert row is not None
        lease = cls(url, executor_id, row[0], connection)
        # Locked before the row is there: a row with a free lease would be buried.
        if not await try_lock(connection, lease.number):
            raise LeaseLost(f"the lease {lease.number} is held by somebody else")
        await lease._register(kind, slots)
        return lease

    async def keep(self) -> None:
        """Ping until cancelled. Raises LeaseLost when this executor must not run on."""
        while True:
            try:
                await self._rest()
                await self._ping()
            except psycopg.Error as error:
                if not self._connection.closed:
                    log.warning("slow or refused ping", executor=self.executor_id, error=str(error))
                    continue  # the session lives, and with it the lease
                log.warning("lease lost, claiming it again", executor=self.executor_id, error=str(error))
                await self._reclaim()

    @property
    def held(self) -> bool:
        """Whether the session that holds it stands."""
        return not self._connection.closed

    async def release(self) -> None:
        """Say that this executor has ended, so that others need not wait."""
        await self._connection.close()

    async def _rest(self) -> None:
        """Until the next ping is due, or the server says something: mostly that the session has ended.

        Others see at once that the lease is free, so it is claimed again at once.
        """
        loop, spoken = asyncio.get_running_loop(), asyncio.Event()
        descriptor = self._connection.fileno()
        loop.add_reader(descriptor, spoken.set)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(spoken.wait(), PING_SECONDS)
        finally:
            loop.remove_reader(descriptor)

    async def _ping(self) -> None:
        cursor = await self._connection.execute(
            """
            update eventstore.executors set pinged_at = clock_timestamp()
             where number = %s and buried_at is null
            """,
            [self.number],
        )
        if cursor.rowcount == 0:
            raise LeaseLost(f"executor {self.executor_id} was declared dead")

    async def _reclaim(self) -> None:
        """Lock again on a new connection. The time while the server is away does not count: nobody else
        can take our runs then."""
        loop = asyncio.get_running_loop()
        refused_since: float | None = None
        while True:
            try:
                if await self._claim():
                    return
                refused_since = refused_since or loop.time()
            except psycopg.Error as error:
                log.info("lease not claimed yet", executor=self.executor_id, error=str(error))
            if refused_since is not None and loop.time() - refused_since > RECLAIM_SECONDS:
                raise LeaseLost(f"the lease of {self.executor_id} is held by somebody else")
            await asyncio.sleep(RETRY_SECONDS)

    async def _claim(self) -> bool:
        await self._connection.close()  # it may only have been slow, and would keep us from our own lease
        async with AsyncExitStack() as unless_locked:
            connection = await connect(self.url)
            unless_locked.push_async_callback(connection.close)
            if not await try_lock(connection, self.number):
                return False
            unless_locked.pop_all()
        self._connection = connection
        self.reclaims += 1
        await self._renew()
        return True

    async def _register(self, kind: Kind, slots: int | None) -> None:
        instance = await Instance.of(self._connection)
        self.timeline = instance.timeline
        process = psutil.Process()
        await self._connection.execute(
            """
            insert into eventstore.executors (number, executor_id, host_boot_id, pid, process_started_at,
                                              server_started_at, timeline, kind, host, slots)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [
                self.number,
                self.executor_id,
                host_boot_id(),
                process.pid,
                datetime.fromtimestamp(process.create_time(), UTC),
                instance.started_at,
                instance.timeline,
                kind,
                socket.gethostname(),
                slots,
            ],
        )

    async def _renew(self) -> None:
        instance = await Instance.of(self._connection)
        cursor = await self._connection.execute(
            """
            update eventstore.executors
               set pinged_at = clock_timestamp(), server_started_at = %s, timeline = %s
             where number = %s and buried_at is null
            """,
            [instance.started_at, instance.timeline, self.number],
        )
        if cursor.rowcount == 0:
            raise LeaseLost(f"executor {self.executor_id} was declared dead")
        self.timeline = instance.timeline


async def connect(url: str) -> psycopg.AsyncConnection[Any]:
    """A session that can hold a lease."""
    connection = await psycopg.AsyncConnection.connect(
        url,
        autocommit=True,
        application_name="saga-lease",
        connect_timeout=5,
        # Our side of the same: without an answer a ping must fail, not wait for ever.
        keepalives_idle=3,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=8000,
    )
    await connection.execute(_SESSION)
    return connection


async def try_lock(connection: psycopg.AsyncConnection[Any], number: int) -> bool:
    row = await (
        await connection.execute("select pg_try_advisory_lock(%s, %s)", [LEASE_CLASS, number])
    ).fetchone()
    return row == (True,)


def host_boot_id() -> str:
    """Names the place where process ids mean something: one boot of a host, one process namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()}/{psutil.boot_time():.0f}"


def lives(boot_id: str, pid: int, started_at: datetime) -> bool | None:
    """Whether the process is there, frozen perhaps; None when it is on another host."""
    if boot_id != host_boot_id():
        return None
    try:
        return abs(psutil.Process(pid).create_time() - started_at.timestamp()) <= 1
    except psutil.NoSuchProcess:
        return False
