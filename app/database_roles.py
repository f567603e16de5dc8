"""Separate roles in the database: an owner, the application, which owns nothing, and readers.

Who they are is in the settings: the owner's and the application's addresses have their names and passwords.
Everything may be done again, also while servers run. What somebody granted the application beside it is taken
back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from app.database import DatabaseUnusable, DatabaseUrls, migrate
from app.settings import Settings, SettingsError

RECORD: Final = ("eventstore.events", "eventstore.commands", "eventstore.seals")
"""What nobody may change; the application adds to it."""
CHANGES: Final = "UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"
READABLE: Final = ("eventstore", "readmodels")
"""Schemas of which the readers see every table: neither keys nor tokens, nor what DBOS keeps."""
_BOUND: Final = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"


@dataclass(frozen=True, slots=True)
class Roles:
    """Names, and passwords as the addresses have them."""

    database: str
    owner: str
    owner_password: str | None
    app: str
    app_password: str | None

    @property
    def readers(self) -> str:
        return f"{self.database}_readers"

    @classmethod
    def of(cls, settings: Settings) -> "Roles":
        """Raises SettingsError."""
        if settings.database_url is None or settings.owner_database_url is None:
            raise SettingsError(
                "--roles needs SAGA_DATABASE_URL, as the application, and SAGA_OWNER_DATABASE_URL; "
                "the embedded database has its roles"
            )
        app, owner = map(conninfo_to_dict, (settings.database_url, settings.owner_database_url))
        names = [part.get(key) for part in (app, owner) for key in ("user", "dbname")]
        if not all(names):
            raise SettingsError("both addresses must name a role and a database")
        if app["dbname"] != owner["dbname"] or app["user"] == owner["user"]:
            raise SettingsError("both addresses must be of one database, and of two roles")
        return cls(
            str(app["dbname"]),
            str(owner["user"]),
            _text(owner.get("password")),
            str(app["user"]),
            _text(app.get("password")),
        )


async def set_up_roles(settings: Settings) -> list[str]:
    """Make the roles and the database, migrate it, and grant what each needs; a line for each thing done.

    Raises SettingsError, DatabaseUnusable.
    """
    roles = Roles.of(settings)
    if settings.admin_database_url is None:
        raise SettingsError("--roles needs SAGA_ADMIN_DATABASE_URL, of a role that may make roles")
    assert settings.database_url is not None
    assert settings.owner_database_url is not None
    app = settings.database_url
    urls = DatabaseUrls(app, settings.owner_database_url, settings.database_direct_url or app)
    try:
        with psycopg.connect(settings.admin_database_url, autocommit=True, connect_timeout=10) as admin:
            done = [*_roles(admin, roles), *_database(admin, roles)]
        inside = psycopg.conninfo.make_conninfo(settings.admin_database_url, dbname=roles.database)
        with psycopg.connect(inside, autocommit=True, connect_timeout=10) as admin:
            done += _ownership(admin, roles)
        await migrate(urls)
        done.append("the schemas are up to date, and the application has what it needs")
        with psycopg.connect(urls.owner, connect_timeout=10) as owner:
            done += _grants(owner, roles)
    except psycopg.OperationalError as error:
        raise DatabaseUnusable(f"cannot connect to Postgres: {error}") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseUnusable(f"SAGA_ADMIN_DATABASE_URL may not do this: {error}") from error
    return done


def _roles(admin: psycopg.Connection[Any], roles: Roles) -> Iterator[str]:
    known = dict(admin.execute("select rolname, rolsuper from pg_roles").fetchall())
    for name, password in ((roles.owner, roles.owner_password), (roles.app, roles.app_password)):
        if known.get(name):
            raise DatabaseUnusable(f"role {name} is a superuser: no grant and no trigger binds it")
        verb = "ALTER" if name in known else "CREATE"
        _do(admin, f"{verb} ROLE {{}} LOGIN {_BOUND}", name)
        if password is not None:
            _set_password(admin, name, password)
        told = "" if password is None else ", its password is that of the address"
        yield f"role {name}: {'was there' if name in known else 'made'}{told}"
    if roles.readers not in known:
        _do(admin, f"CREATE ROLE {{}} NOLOGIN {_BOUND}", roles.readers)
    yield f"role {roles.readers}: {'was there' if roles.readers in known else 'made'}; grant it to who reads"
    for above in _roles_above(admin, roles.app):
        _do(admin, "REVOKE {} FROM {}", above, roles.app)


def _roles_above(admin: psycopg.Connection[Any], name: str) -> list[str]:
    """What the role is a member of, directly: nothing may come to it that way."""
    query = """select r.rolname from pg_auth_members as m join pg_roles as r on r.oid = m.roleid
                 join pg_roles as u on u.oid = m.member where u.rolname = %s"""
    return [above for (above,) in admin.execute(query, [name])]


def _set_password(admin: psycopg.Connection[Any], name: str, password: str) -> None:
    """Hashed here, so that the server's log never sees it."""
    hashed = admin.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(hashed))
    admin.execute(statement)


def _database(admin: psycopg.Connection[Any], roles: Roles) -> Iterator[str]:
    there = admin.execute("select 1 from pg_database where datname = %s", [roles.database]).fetchone()
    if there is None:
        # A template of a server with another encoding would pass that on.
        made = "CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0"
        _do(admin, made, roles.database, roles.owner)
    else:
        _do(admin, "ALTER DATABASE {} OWNER TO {}", roles.database, roles.owner)
    for role in (roles.app, roles.readers):
        _do(admin, "GRANT CONNECT ON DATABASE {} TO {}", roles.database, role)
    _do(admin, "REVOKE ALL ON DATABASE {} FROM PUBLIC", roles.database)
    _do(admin, "REVOKE CREATE, TEMPORARY ON DATABASE {} FROM {}", roles.database, roles.app)
    yield f"database {roles.database}: {'was there' if there else 'made'}; only these roles may connect"


def _ownership(admin: psycopg.Connection[Any], roles: Roles) -> Iterator[str]:
    """Of a database that one role had alone: what the application owns goes to the owner."""
    elsewhere = """select datname from pg_database join pg_roles as r on r.oid = datdba
                    where r.rolname = %s and datname <> %s"""
    if others := admin.execute(elsewhere, [roles.app, roles.database]).fetchall():
        raise DatabaseUnusable(f"role {roles.app} owns other databases, such as {others[0][0]}: take another")
    owned = "select exists (select from pg_class join pg_roles as r on r.oid = relowner where r.rolname = %s)"
    if admin.execute(owned, [roles.app]).fetchone() == (True,):
        yield f"what {roles.app} owned is {roles.owner}'s"
    _do(admin, "REASSIGN OWNED BY {} TO {}", roles.app, roles.owner)
    _do(admin, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    _do(admin, "REVOKE ALL ON SCHEMA public FROM {}", roles.app)
    _do(admin, "GRANT ALL ON SCHEMA public TO {}", roles.owner)
    for table in RECORD:
        if admin.execute("select to_regclass(%s)", [table]).fetchone() != (None,):
            _do(admin, f"REVOKE {CHANGES} ON {table} FROM {{}}", roles.app)
    yield f"{roles.app} owns nothing, and may change and remove nothing in {', '.join(RECORD)}"


def _grants(owner: psycopg.Connection[Any], roles: Roles) -> Iterator[str]:
    for schema in READABLE:
        _do(owner, f"GRANT USAGE ON SCHEMA {schema} TO {{}}", roles.readers)
        _do(owner, f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {{}}", roles.readers)
        later = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {{}}"
        _do(owner, later, roles.readers)
    yield f"{roles.readers} may read all of {' and '.join(READABLE)}, and nothing else"
    for table in RECORD:
        asked = "select has_table_privilege(%s, %s, %s)"
        if owner.execute(asked, [roles.app, table, CHANGES]).fetchone() != (False,):
            raise DatabaseUnusable(f"{roles.app} may still change {table}: who granted that?")


def _do(connection: psycopg.Connection[Any], statement: str, *names: str) -> None:
    """`statement` has only words of ours; names come quoted."""
    text: Any = statement
    connection.execute(sql.SQL(text).format(*map(sql.Identifier, names)))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
