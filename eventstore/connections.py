"""How the event store sets up its Postgres connections, and which database errors pass by themselves."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
import psycopg
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool

TRANSIENT: Final = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
"""Lost connections, timeouts, deadlocks, a server that starts, stops or was demoted: a retry may help."""

Pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]
Configure = Callable[[psycopg.AsyncConnection[Any]], Awaitable[None]]

CONNECTION_KWARGS: Final[dict[str, Any]] = {
    "autocommit": True,
    # Plans are worth keeping from the second use on: the store has a handful of statements.
    "prepare_threshold": 1,
    # A host that vanished is noticed in about ten seconds, not in the two hours of the kernel's default.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""`kwargs` of a pool for the store that is not made by `store_pool`; it needs `configure` as well."""

# A client frozen inside a transaction holds back every reader of the store, so the server ends it.
# lock_timeout is above deadlock_timeout (1 s), or deadlocks would show as timeouts.
_SESSION_SETTINGS: Final = """
set lock_timeout = '2s';
set statement_timeout = '30s';
set idle_in_transaction_session_timeout = '10s';
set default_transaction_isolation = 'read committed';
set timezone = 'UTC';
"""


async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
    """Make a connection fit for the store: its timeouts, its clock in UTC, its JSON."""
    set_json_loads(orjson.loads, connection)
    await connection.execute(_SESSION_SETTINGS)


def store_pool(
    url: str, connections: int, configure: Configure = configure, timeout_seconds: float = 10.0
) -> Pool:
    """A pool of at most `connections` for the store; open it with `async with`.

    Who gets no connection within `timeout_seconds` is told that the store is unavailable.

    While the database is away the pool gives up early and is asked again: its own back-off would double the
    time of an outage.
    """
    return AsyncConnectionPool(
        url,
        min_size=1,
        max_size=connections,
        kwargs=CONNECTION_KWARGS,
        configure=configure,
        timeout=timeout_seconds,
        reconnect_timeout=1.5,
        open=False,
    )
