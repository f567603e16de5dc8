"""`saga doctor`: what is wrong with this installation, and what to do about it. Writes nothing.

findings   what a check says
database   the server, its settings, the migrations, the roles
cluster    executors, followers, sagas
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import psycopg
import sqlalchemy

from app.database import DatabaseUnusable, DatabaseUrls, open_database
from app.doctor import cluster, database
from app.doctor.findings import Finding
from app.settings import Settings
from eventstore.connections import TRANSIENT, store_pool

__all__ = ["Finding", "examine"]

CONNECTIONS: Final = 2
CONNECT_SECONDS_MAX: Final = 10.0

Check = Callable[[], Awaitable[list[Finding]]]


async def examine(settings: Settings) -> list[Finding]:
    """All checks, in an order in which the first error may explain the next ones.

    Raises EmbeddedPostgresError.
    """
    try:
        async with open_database(settings) as urls:
            return await _examine(urls)
    except DatabaseUnusable as error:
        do = "start Postgres, or correct SAGA_DATABASE_URL and its companions"
        return [Finding("database", "error", str(error), do)]


async def _examine(urls: DatabaseUrls) -> list[Finding]:
    found = [Finding("database", "ok", "every address answers")]
    async with store_pool(urls.app, CONNECTIONS, timeout_seconds=CONNECT_SECONDS_MAX) as pool:
        found += await _checked("server", lambda: database.server(pool))
        found += await _checked("clock", lambda: database.clock(pool))
        migrations = await _checked("migrations", lambda: database.migrations(urls))
        found += migrations
        if any(finding.level == "error" for finding in migrations):
            return found  # the tables that the others look at may not be there
        checks: dict[str, Check] = {
            "roles": lambda: database.roles(pool),
            "positions": lambda: database.positions(pool),
            "executors": lambda: cluster.executors(pool),
            "followers": lambda: cluster.followers(pool),
            "stuck sagas": lambda: cluster.stuck_sagas(pool),
            "runs": lambda: cluster.sagas_without_run(pool, urls.app, timedelta(seconds=30)),
        }
        for name, check in checks.items():
            found += await _checked(name, check)
    return found


async def _checked(name: str, check: Check) -> list[Finding]:
    """A check that cannot be made is a finding, and the others are made all the same."""
    try:
        return await check()
    except (*TRANSIENT, psycopg.Error, sqlalchemy.exc.SQLAlchemyError, TimeoutError) as error:
        do = "ask again; if it stays so, look at what the message says"
        return [Finding(name, "error", f"cannot be checked: {_line(error)}", do)]


def _line(error: Any) -> str:
    return " ".join(str(error).split()) or type(error).__name__
