"""A database for the measurement alone: beside the configured one, gone afterwards.

Embedded: a server of its own in a folder of its own below the data directory. Given: a database of its own on
the same server, made and dropped by the owner's role, which must be allowed to.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import structlog
from psycopg import sql

from app import embedded
from app.settings import Settings

log = structlog.get_logger(__name__)

PREFIX = "saga_bench_"
DROP_SECONDS_MAX = 15.0


class CannotMakeDatabase(Exception):
    """The owner's role may not make a database, or cannot connect."""


@asynccontextmanager
async def bench_settings(settings: Settings, *, in_place: bool) -> AsyncIterator[Settings]:
    """The settings to measure with. Raises CannotMakeDatabase."""
    if in_place:
        yield settings
    elif settings.database_url is None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="bench-", dir=settings.data_dir))
        try:
            yield settings.model_copy(update={"data_dir": folder})
        finally:
            embedded.stop_if_unused(folder)
            shutil.rmtree(folder, ignore_errors=True)
    else:
        async with _database_beside(settings) as beside:
            yield beside


@asynccontextmanager
async def _database_beside(settings: Settings) -> AsyncIterator[Settings]:
    assert settings.database_url is not None
    owner = settings.owner_database_url or settings.database_url
    name = PREFIX + os.urandom(4).hex()
    urls = ("database_url", "owner_database_url", "database_direct_url")
    given = {url: getattr(settings, url) for url in urls}
    async with AsyncExitStack() as after:
        # Before it is made: Ctrl-C may come meanwhile.
        after.push_async_callback(_remove, settings.database_url, owner, name)
        try:
            await _make(owner, name)
        except CannotMakeDatabase:
            after.pop_all()
            raise
        yield settings.model_copy(update={url: _with(value, name) for url, value in given.items() if value})


async def _remove(app: str, owner: str, name: str) -> None:
    """Drop it as soon as nobody is connected any more: a thread that was at work may connect once more."""
    deadline = asyncio.get_running_loop().time() + DROP_SECONDS_MAX
    while True:
        for url in {app, owner}:
            await _end_sessions(url, name)
        if await _is_dropped(owner, name):
            return
        if asyncio.get_running_loop().time() > deadline:
            log.warning("the database is still in use; the next saga bench drops it", database=name)
            return


async def _make(owner: str, name: str) -> None:
    try:
        async with await psycopg.AsyncConnection.connect(owner, autocommit=True, connect_timeout=10) as admin:
            await _drop_left_behind(admin)
            await admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    except psycopg.Error as error:
        raise CannotMakeDatabase(
            f"cannot make a database beside the configured one ({' '.join(str(error).split())}); "
            "let the owner's role create databases, or measure with --in-place"
        ) from None


async def _end_sessions(url: str, name: str) -> None:
    """End what is left of the sessions of this role: DBOS keeps some until its objects are collected.

    Each role may do that to its own ones only, and dropping the database by force asks for all of them.
    """
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            """
            select pg_terminate_backend(pid) from pg_stat_activity
             where datname = %s and usename = current_user and pid <> pg_backend_pid()
            """,
            [name],
        )


async def _is_dropped(owner: str, name: str) -> bool:
    """Drop it; False when somebody is connected. The server waits some seconds for those who leave."""
    async with await psycopg.AsyncConnection.connect(owner, autocommit=True) as admin:
        try:
            await admin.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(name)))
        except psycopg.errors.ObjectInUse:
            return False
    return True


async def _drop_left_behind(admin: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    """Databases of measurements that were killed: nobody is connected to them."""
    cursor = await admin.execute(
        """
        select datname from pg_database
         where datname like %s and datdba = current_user::regrole
           and not exists (select from pg_stat_activity as a where a.datname = pg_database.datname)
        """,
        [PREFIX.replace("_", r"\_") + "%"],
    )
    for (name,) in await cursor.fetchall():
        await admin.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(str(name))))


def _with(url: str, database: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{database}"))
