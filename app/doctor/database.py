"""The server, its settings and clock, the migrations, what the application's role may."""

import asyncio
import time
from typing import Any, Final

import psycopg
from alembic.script import ScriptDirectory

from app.database import VERSION_TABLE, DatabaseUrls, migration_config
from app.doctor.findings import Finding
from eventstore.connections import Pool
from eventstore.diagnosis import open_appends, sequence_faults

CLOCK_SECONDS_MAX: Final = 2.0
CONNECTIONS_USED_MAX: Final = 0.8
OPEN_SECONDS_MAX: Final = 30.0

_SERVER: Final = """
    select current_setting('server_version') as version, pg_is_in_recovery() as standby,
           current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
           current_setting('synchronous_commit') as synchronous_commit,
           (select count(*) from pg_stat_activity where backend_type = 'client backend') as used,
           current_setting('max_connections')::int as most
"""
_ROLE: Final = """
    select current_user,
           (select rolsuper from pg_roles where rolname = current_user),
           has_table_privilege('eventstore.events', 'update, delete, truncate'),
           has_table_privilege('eventstore.events', 'select')
           and has_table_privilege('eventstore.executors', 'insert')
           and has_schema_privilege('dbos', 'usage')
"""


async def server(pool: Pool) -> list[Finding]:
    """Whether a commit is durable, and whether there is room for connections."""
    row = await _row(pool, _SERVER)
    version, standby, fsync, pages, commit, used, most = row
    found = [Finding("server", "ok", f"Postgres {version}")]
    if standby:
        found.append(Finding("server", "error", "it is a standby, which takes no writes", "use the primary"))
    if "off" in (fsync, pages):
        do = "switch both on: a crash of the host may destroy the database"
        found.append(Finding("server", "error", f"fsync is {fsync}, full_page_writes is {pages}", do))
    if commit in ("off", "local"):
        do = "set it to on: a crash loses what clients were promised"
        found.append(Finding("server", "warning", f"synchronous_commit is {commit}", do))
    if used > most * CONNECTIONS_USED_MAX:
        do = "lower SAGA_DATABASE_CONNECTIONS, raise max_connections, or look at pg_stat_activity"
        found.append(Finding("connections", "warning", f"{used} of {most} are in use", do))
    else:
        found.append(Finding("connections", "ok", f"{used} of {most} are in use"))
    return found


async def clock(pool: Pool) -> list[Finding]:
    """Deadlines are the database's; logs and timers of this host are not."""
    async with pool.connection() as connection:
        before = time.time()
        cursor = await connection.execute("select extract(epoch from clock_timestamp())::float8")
        row = await cursor.fetchone()
        after = time.time()
    assert row is not None
    offset = row[0] - (before + after) / 2
    says = f"the database's clock is {offset:+.3f} s from this host's"
    if abs(offset) > CLOCK_SECONDS_MAX + (after - before):
        do = "let both hosts keep their time by NTP: logs and DBOS's timers are off by so much"
        return [Finding("clock", "warning", says, do)]
    return [Finding("clock", "ok", says)]


async def migrations(urls: DatabaseUrls) -> list[Finding]:
    """Whether the schemas are those of this code."""
    script = ScriptDirectory.from_config(migration_config())
    known = {each.revision for each in await asyncio.to_thread(lambda: list(script.walk_revisions()))}
    async with await psycopg.AsyncConnection.connect(urls.owner, connect_timeout=10) as connection:
        cursor = await connection.execute("select to_regclass(%s) is not null", [f"public.{VERSION_TABLE}"])
        if await cursor.fetchone() != (True,):
            return [Finding("migrations", "error", "the database was never migrated", "run saga migrate")]
        cursor = await connection.execute(f"select version_num from public.{VERSION_TABLE}".encode())
        there = {version for (version,) in await cursor.fetchall()}
    if newer := there - known:
        says = f"this version of the program does not know {', '.join(sorted(newer))}"
        return [Finding("migrations", "error", says, "run the newer version that migrated the database")]
    if missing := set(script.get_heads()) - there:
        says = f"{', '.join(sorted(missing))} not applied"
        return [Finding("migrations", "error", says, "run saga migrate with this version of the program")]
    return [Finding("migrations", "ok", f"at {', '.join(sorted(there))}")]


async def roles(pool: Pool) -> list[Finding]:
    """Whether the application's role may what it needs, and no more."""
    name, is_superuser, may_change, may_work = await _row(pool, _ROLE)
    found = []
    if not may_work:
        do = "run saga migrate as the owner of the tables (SAGA_OWNER_DATABASE_URL): it grants what is needed"
        found.append(Finding("roles", "error", f"{name} may not use the tables", do))
    if is_superuser or may_change:
        why = "is a superuser" if is_superuser else "may change events"
        do = "use a role that owns nothing: saga migrate --roles"
        found.append(Finding("roles", "warning", f"{name}, as which the application works, {why}", do))
    return found or [Finding("roles", "ok", f"{name} may add events and change none")]


async def positions(pool: Pool) -> list[Finding]:
    """Whether the order of the log is sound, and whether somebody holds its readers back."""
    faults = await sequence_faults(pool)
    found = [Finding("positions", "error", fault, "stop all servers until it is mended") for fault in faults]
    for append in await open_appends(pool):
        seconds = append.open_for.total_seconds() if append.open_for else 0.0
        if seconds > OPEN_SECONDS_MAX:
            says = f"process {append.pid} of the database appended {seconds:.0f} s ago and has not ended"
            do = f"no reader passes position {append.position}: select pg_terminate_backend({append.pid})"
            found.append(Finding("positions", "error", says, do))
    return found or [Finding("positions", "ok", "the sequence is sound, nobody holds readers back")]


async def _row(pool: Pool, query: str) -> tuple[Any, ...]:
    async with pool.connection() as connection:
        row: tuple[Any, ...] | None = await (await connection.execute(query.encode())).fetchone()
    assert row is not None
    return row
