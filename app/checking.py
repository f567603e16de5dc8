"""`saga check` on this installation's database: twice, the second time in a process with another hash seed.

python -m app.checking     one pass; a line of JSON for its progress now and then, the last one the report
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import psycopg

from app.database import DatabaseUnusable, DatabaseUrls, open_database
from app.privacy.forgetting import CATEGORY as DECISIONS_ABOUT_PERSONS
from app.remotes import remote_calls
from app.settings import Settings
from domain.aggregates import CATALOG
from eventstore.appender import Appender
from eventstore.connections import configure, store_pool
from eventstore.decisions import CATEGORIES as DECISIONS_ABOUT_FOLLOWERS
from eventstore.postgres import PostgresEventStore
from workflows.saga import Registry
from workflows.saga.check import Check
from workflows.saga.codec import EventCodec
from workflows.sagas import SAGAS

_DECISIONS: Final = frozenset[str]({*DECISIONS_ABOUT_FOLLOWERS, DECISIONS_ABOUT_PERSONS})
LINE_BYTES_MAX: Final = 64 * 1024 * 1024

Progress = Callable[[int, int, int], None]
"""Called with the number of the pass, a position, and the position where the log ends."""
Json = dict[str, Any]


class CheckFailed(Exception):
    """The check itself came to no end."""


async def check_twice(settings: Settings, progress: Progress) -> Json:
    """What either pass found.

    Raises CheckFailed, DatabaseUnusable, EmbeddedPostgresError, StoreUnavailable, BrokenChain.
    """
    async with open_database(settings) as urls:
        first = await check_once(settings, urls, lambda position, end: progress(1, position, end))
        second = await _check_elsewhere(urls, lambda position, end: progress(2, position, end))
    known = [_identity(finding) for finding in first["findings"]]
    more = [finding for finding in second["findings"] if _identity(finding) not in known]
    findings = [*first["findings"], *more]
    return {**first, "ok": not findings, "findings": findings}


async def check_once(settings: Settings, urls: DatabaseUrls, progress: Callable[[int, int], None]) -> Json:
    """One pass here, on connections that cannot write.

    Raises DatabaseUnusable, StoreUnavailable, BrokenChain.
    """
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(store_pool(urls.app, 2, configure=_read_only))
        store = PostgresEventStore(pool, Appender(pool))
        registry = Registry(SAGAS, await remote_calls(stack, settings))
        try:
            report = await Check(store, EventCodec(CATALOG), registry, decisions=_DECISIONS).run(progress)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise DatabaseUnusable("the database has no event store: run saga migrate") from error
    return report.document()


async def _read_only(connection: psycopg.AsyncConnection[Any]) -> None:
    await configure(connection)
    await connection.execute("set default_transaction_read_only = on")


async def _check_elsewhere(urls: DatabaseUrls, progress: Callable[[int, int], None]) -> Json:
    """The same in a child process, in which sets of strings have another order."""
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "app.checking"),
        env={**os.environ, "PYTHONHASHSEED": seed, "SAGA_DATABASE_URL": urls.app},
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX,
    )
    report: Json | None = None
    try:
        assert child.stdout is not None, "it was asked for"
        async for line in child.stdout:
            told = json.loads(line)
            report = told.get("report")
            if report is None:
                progress(told["position"], told["end"])
    finally:
        if child.returncode is None and report is None:
            child.terminate()
        ended = await child.wait()
    if report is None:
        raise CheckFailed(f"the second pass ended with {ended} and no report")
    return report


def _identity(finding: Json) -> str:
    """Without what depends on the order of sets of strings."""
    return json.dumps([finding[name] for name in ("kind", "saga_id", "step", "recorded", "position")])


def main() -> None:
    """One pass, told in lines of JSON on standard output."""

    def tell(document: Json) -> None:
        sys.stdout.write(json.dumps(document) + "\n")
        sys.stdout.flush()

    async def run() -> None:
        settings = Settings.load()
        async with open_database(settings) as urls:
            report = await check_once(
                settings, urls, lambda position, end: tell({"position": position, "end": end})
            )
        tell({"report": report})

    asyncio.run(run())


if __name__ == "__main__":
    main()
