"""The database: an embedded Postgres or a given one, its roles, and its migrations."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from dbos import DBOS
from psycopg import sql

from app import embedded
from app.embedded import EmbeddedPostgres
from app.guard import guarding
from app.readmodels.projections import projections_of
from app.readmodels.registration import register_projections
from app.settings import Settings
from domain.aggregates import CATALOG
from eventstore.schema_files import run_grants
from workflows.saga.codec import EventCodec

DATABASE: Final = "saga"
OWNER_ROLE: Final = "saga_owner"
APP_ROLE: Final = "saga_app"
VERSION_TABLE: Final = "saga_alembic_version"
MIGRATION_FOLDERS: Final = (
    "eventstore/migrations",
    "eventstore/audit/migrations",
    "workflows/saga/migrations",
    "app/privacy/migrations",
    "app/security/migrations",
    "app/migrations/versions",
)
GRANTS_FOLDERS: Final = (
    "eventstore/migrations/sql",
    "eventstore/migrations/sql_0004",
    "eventstore/audit/migrations/sql",
    "workflows/saga/migrations/sql",
    "app/privacy/migrations/sql",
    "app/security/migrations/sql",
    "app/security/migrations/sql_0002",
    "app/migrations/sql",
)
MIGRATION_LOCK: Final = 0x5A6A_0001
MIGRATION_TIMEOUT_SECONDS: Final = 120
POLL_SECONDS: Final = 0.05
SERVER_VERSION_MIN: Final = 14
ENCODING: Final = "UTF8"
RESTORING_SCHEMA: Final = "saga_restoring"
"""Its presence says that a restore has begun and not ended."""
ROOT: Final = Path(__file__).parent.parent


class DatabaseUnusable(Exception):
    """The database cannot be used as it is: unreachable, too old, or kept busy by another migration."""


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """One database, as libpq addresses: for the application, for its owner, and without a pooler between.

    They may hold passwords, so they are not in its repr.
    """

    app: str = field(repr=False)
    owner: str = field(repr=False)
    direct: str = field(repr=False)


def sqlalchemy_url(url: str) -> str:
    """The same address in the form that SQLAlchemy and DBOS want."""
    return "postgresql+psycopg://" + url.removeprefix("postgresql://")


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[DatabaseUrls]:
    """The addresses of a database that answers; an embedded server is kept up until the context ends, and
    started again if it is killed.

    Raises DatabaseUnusable, EmbeddedPostgresError.
    """
    if settings.database_url is not None:
        app = settings.database_url
        urls = DatabaseUrls(app, settings.owner_database_url or app, settings.database_direct_url or app)
        await check_server(urls)
        yield urls
        return
    server = await asyncio.to_thread(embedded.start, settings.data_dir)
    try:
        with guarding(server):
            yield await asyncio.to_thread(prepare_embedded, server)
    finally:
        server.close()  # in no thread: DBOS, when destroyed, has closed the loop's thread pool


async def check_server(urls: DatabaseUrls) -> None:
    """Raise DatabaseUnusable unless every address answers, the server is new enough, and text is UTF-8."""
    for url in dict.fromkeys((urls.app, urls.owner, urls.direct)):
        try:
            async with await psycopg.AsyncConnection.connect(url, connect_timeout=10) as connection:
                version = connection.info.server_version // 10_000
                encoding = connection.info.parameter_status("server_encoding")
        except psycopg.OperationalError as error:
            raise DatabaseUnusable(f"cannot connect to Postgres: {error}") from error
        if version < SERVER_VERSION_MIN:
            raise DatabaseUnusable(f"Postgres {SERVER_VERSION_MIN} or newer is needed, this is {version}")
        if encoding not in (ENCODING, None):  # a pooler may not say
            raise DatabaseUnusable(
                f"a database in {ENCODING} is needed, this one is in {encoding}: make another one with "
                f"CREATE DATABASE … ENCODING '{ENCODING}' TEMPLATE template0"
            )


def prepare_embedded(server: EmbeddedPostgres, database: str = DATABASE) -> DatabaseUrls:
    """Make sure that the roles and the database exist; the superuser is needed for nothing else."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        for role in (OWNER_ROLE, APP_ROLE):
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            names = sql.Identifier(database), sql.Identifier(OWNER_ROLE)
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
    app = server.url(role=APP_ROLE, database=database)
    return DatabaseUrls(app, server.url(role=OWNER_ROLE, database=database), app)


async def migrate(urls: DatabaseUrls) -> None:
    """Bring the schemas up to date: ours by Alembic, then DBOS's own. Many processes may do so at once.

    Given no address of the owner, a role that owns nothing only looks whether they are.
    Cancelled while another process migrates it gives up; its own migration comes to its end all the same.
    Raises DatabaseUnusable when another process is migrating for too long, and when they are not up to date
    and cannot be brought there.
    """
    given_up = threading.Event()
    try:
        await asyncio.to_thread(_migrate, urls, given_up)
    finally:
        given_up.set()


def _migrate(urls: DatabaseUrls, given_up: threading.Event) -> None:
    with psycopg.connect(urls.app) as connection:
        app_role: str | None = connection.info.user
        if urls.owner == urls.app and not _may_migrate(connection):
            refuse_half_restored(urls.app)
            _check_applied(connection)
            return
    with migration_lock(urls.owner, given_up) as owner_role:
        if app_role == owner_role:
            app_role = None  # one role is both: there is nothing to grant
        refuse_half_restored(urls.owner)
        try:
            upgrade(urls.owner)
            register_projections(_engine(urls.owner), projections_of(EventCodec(CATALOG)))
            if app_role is not None:
                _grant(urls.owner, app_role)
            DBOS.migrate(sqlalchemy_url(urls.owner), application_role=app_role)
        except CommandError as error:
            raise DatabaseUnusable(
                f"the database was migrated by a newer version of this program: {error}"
            ) from error
        except sqlalchemy.exc.ProgrammingError as error:
            if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege):
                raise
            raise DatabaseUnusable(
                f"role {owner_role} may not migrate, set SAGA_OWNER_DATABASE_URL: {error.orig}"
            ) from error


def _may_migrate(connection: psycopg.Connection[Any]) -> bool:
    """False where the tables are there and another role's: that one migrates, before the servers start."""
    owned = connection.execute(
        "select pg_has_role(relowner, 'USAGE') from pg_class where oid = to_regclass(%s)",
        [f"public.{VERSION_TABLE}"],
    ).fetchone()
    return owned is None or owned == (True,)


def _check_applied(connection: psycopg.Connection[Any]) -> None:
    """Raise DatabaseUnusable unless the schemas are those of this code."""
    do = "run saga migrate with this version of the program, as the owner of the tables"
    try:
        rows = connection.execute(f"select version_num from public.{VERSION_TABLE}".encode()).fetchall()
        registered = connection.execute("select subscription from eventstore.checkpoints").fetchall()
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseUnusable(f"{do}, or set SAGA_OWNER_DATABASE_URL: {error}") from error
    script = ScriptDirectory.from_config(migration_config())
    there, known = {version for (version,) in rows}, {each.revision for each in script.walk_revisions()}
    if newer := there - known:
        raise DatabaseUnusable(
            f"the database was migrated by a newer version of this program: {', '.join(sorted(newer))}"
        )
    projections = {each.name for each in projections_of(EventCodec(CATALOG))}
    missing = (set(script.get_heads()) - there) | (projections - {name for (name,) in registered})
    if missing:
        raise DatabaseUnusable(f"{', '.join(sorted(missing))} not applied: {do}")


def refuse_half_restored(owner_url: str) -> None:
    """Raise DatabaseUnusable while a restore is not finished."""
    with psycopg.connect(owner_url) as connection:
        if connection.execute("SELECT to_regnamespace(%s)", [RESTORING_SCHEMA]).fetchone() != (None,):
            raise DatabaseUnusable(
                "the restore into this database has not come to its end: run saga restore again"
            )


def upgrade(owner_url: str, revision: str = "heads") -> None:
    """Bring our own schemas to `revision`. The caller sees to it that nobody else does meanwhile."""
    config = migration_config()
    with _engine(owner_url).connect() as connection:
        config.attributes.update(connection=connection, version_table=VERSION_TABLE)
        command.upgrade(config, revision)


def migration_config() -> Config:
    """Where our migrations are, for Alembic."""
    config = Config()
    folders = [str(ROOT / folder) for folder in MIGRATION_FOLDERS]
    config.set_main_option("script_location", _literal(str(ROOT / "app/migrations")))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", _literal("\n".join(folders)))
    return config


def _grant(owner_url: str, app_role: str) -> None:
    """Also when nothing was to migrate: the application may come with another role than before."""
    with _engine(owner_url).begin() as connection:
        for folder in GRANTS_FOLDERS:
            run_grants(connection, ROOT / folder, app_role)
        quoted = connection.dialect.identifier_preparer.quote(app_role)
        connection.exec_driver_sql(f"grant select on public.{VERSION_TABLE} to {quoted}")


def _engine(owner_url: str) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(sqlalchemy_url(owner_url), poolclass=sqlalchemy.NullPool)


def _literal(value: str) -> str:
    """`value` with no meaning for configparser's interpolation."""
    return value.replace("%", "%%")


@contextmanager
def migration_lock(owner_url: str, given_up: threading.Event) -> Iterator[str]:
    """One migration at a time; gives the owner's role. Raises DatabaseUnusable.

    Polled, not waited for inside Postgres: DBOS's migrations build indexes CONCURRENTLY, which waits for
    every open statement, one that waits for this lock included.
    """
    with psycopg.connect(owner_url, autocommit=True) as connection:
        deadline = time.monotonic() + MIGRATION_TIMEOUT_SECONDS
        while connection.execute("SELECT pg_try_advisory_lock(%s)", [MIGRATION_LOCK]).fetchone() != (True,):
            if time.monotonic() > deadline:
                raise DatabaseUnusable(f"another process migrates for {MIGRATION_TIMEOUT_SECONDS} s")
            if given_up.wait(POLL_SECONDS):
                raise DatabaseUnusable("another process migrates, and nobody waits for it here any more")
        yield connection.info.user
