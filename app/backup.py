"""A dump of the whole database in one file, and the restore of one into an empty database.

A restore is finished only when positions were burnt (eventstore/restores.py): until then a schema says so,
and no server starts. Killed anywhere, it is run again: it begins anew, or finishes what is left.
"""

import asyncio
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from alembic.util import CommandError
from psycopg import sql

from app import postgres_tools
from app.database import (
    RESTORING_SCHEMA,
    DatabaseUnusable,
    DatabaseUrls,
    migrate,
    migration_lock,
    open_database,
    upgrade,
)
from app.executors.lease import LEASE_CLASS
from app.postgres_tools import ToolFailed
from app.settings import Settings
from eventstore.diagnosis import SEQUENCE, faults_of_sequence
from eventstore.restores import Restore, note_restore

_OUR_SCHEMA: Final = "eventstore"
_IN_USE: Final = f"""
    select n.nspname from pg_namespace as n
     where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'public', '{RESTORING_SCHEMA}')
     union
    select 'public.' || c.relname from pg_class as c where c.relnamespace = to_regnamespace('public')
     order by 1"""
_LEASES: Final = f"""
    select count(*) from pg_locks where locktype = 'advisory' and granted and objsubid = 2
       and database = (select oid from pg_database where datname = current_database())
       and classid = {LEASE_CLASS}::int8::oid"""


class CannotBackUp(Exception):
    """What was asked for would overwrite something, or there is nothing to be asked for."""


@dataclass(frozen=True, slots=True)
class Dumped:
    """A dump that is safe on the disk."""

    file: Path
    bytes: int


async def dump(settings: Settings, file: Path) -> Dumped:
    """Dump the whole database, as of one moment, while servers run.

    Raises CannotBackUp, ToolFailed, DatabaseUnusable, EmbeddedPostgresError.
    """
    async with open_database(settings) as urls:
        return await asyncio.to_thread(_dump, urls, file)


def _dump(urls: DatabaseUrls, file: Path) -> Dumped:
    if os.path.lexists(file):
        raise CannotBackUp(f"{file} exists already")
    with psycopg.connect(urls.owner) as connection:
        version = connection.info.server_version // 10_000
        if _OUR_SCHEMA not in _in_use(connection):
            raise CannotBackUp("there is nothing to dump: no server has ever run on this database")
    program = postgres_tools.fitting("pg_dump", version)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # for our eyes only
    except OSError as error:
        raise CannotBackUp(f"cannot write to {file.parent}: {error.strerror}") from error
    os.close(descriptor)
    try:
        postgres_tools.run(program, "--format=custom", "--file", name, url=urls.owner)
        keep(Path(name), file)
    finally:
        Path(name).unlink(missing_ok=True)
    return Dumped(file, file.stat().st_size)


def keep(written: Path, file: Path) -> None:
    """Give what was written its name, durably, unless the name is taken. Raises CannotBackUp."""
    with written.open("rb") as content:
        os.fsync(content.fileno())
    try:
        os.link(written, file)  # unlike a renaming it never replaces
    except FileExistsError:
        raise CannotBackUp(f"{file} exists already") from None
    except OSError as error:
        raise CannotBackUp(f"cannot write {file}: {error.strerror}") from error
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


async def restore(settings: Settings, file: Path | None) -> Restore:
    """Restore a dump into an empty database; without a file, finish one that was made by other means.

    Raises CannotBackUp, ToolFailed, DatabaseUnusable, EmbeddedPostgresError.
    """
    async with open_database(settings) as urls:
        given_up = threading.Event()
        try:
            restored = await asyncio.to_thread(_restore, urls, file, given_up)
        finally:
            given_up.set()
        await migrate(urls)  # grants: those of the dump may name roles that are not here
    return restored


def _restore(urls: DatabaseUrls, file: Path | None, given_up: threading.Event) -> Restore:
    with (
        migration_lock(urls.owner, given_up),
        psycopg.connect(urls.owner, autocommit=True) as owner,
    ):
        used, ours = _in_use(owner), sql.Identifier(RESTORING_SCHEMA)
        begun = owner.execute("select to_regnamespace(%s)", [RESTORING_SCHEMA]).fetchone() != (None,)
        if file is None:
            _check_restored(owner, used)
        elif not begun and used:
            raise CannotBackUp(f"the database is not empty, it has {used[0]}: restore into a new one")
        owner.execute(sql.SQL("create schema if not exists {}").format(ours))
        if file is not None and _OUR_SCHEMA not in used:
            try:
                _fill(urls, owner.info.server_version // 10_000, file)
            except ToolFailed:
                owner.execute(sql.SQL("drop schema {}").format(ours))  # nothing was restored: it is as before
                raise
        try:
            upgrade(urls.owner)
        except CommandError as error:
            raise DatabaseUnusable(f"the dump is of a newer version of this program: {error}") from error
        with owner.transaction():
            noted = note_restore(owner)
            owner.execute(sql.SQL("drop schema {}").format(ours))
        if faults := faults_of_sequence(owner.execute(SEQUENCE).fetchall()):
            raise DatabaseUnusable("; ".join(faults))
        return noted


def _fill(urls: DatabaseUrls, version: int, file: Path) -> None:
    """All of the dump or nothing of it."""
    program = postgres_tools.fitting("pg_restore", version)
    contents = postgres_tools.run(program, "--list", str(file))
    if f" SCHEMA - {_OUR_SCHEMA} " not in contents:
        raise ToolFailed(f"{file} is a dump of another program: it has no schema {_OUR_SCHEMA}")
    options = ("--single-transaction", "--no-owner", "--no-privileges")
    postgres_tools.run(program, *options, str(file), url=urls.owner)


def _check_restored(owner: psycopg.Connection[Any], used: list[str]) -> None:
    if _OUR_SCHEMA not in used:
        raise CannotBackUp("nothing was restored into this database: name the file of a dump")
    if owner.execute(_LEASES).fetchone() != (0,):
        raise CannotBackUp("a server runs on this database: stop it, positions are burnt while none does")


def _in_use(connection: psycopg.Connection[Any]) -> list[str]:
    """What makes the database no empty one."""
    return [str(row[0]) for row in connection.execute(_IN_USE.encode()).fetchall()]
