"""Runs SQL files: those of a migration, and those that say what the application role may do."""

from pathlib import Path

from sqlalchemy import Connection

GRANTS_SUFFIX = "_grants.sql"


def run_schema_files(connection: Connection, directory: Path) -> None:
    """Run all SQL files of `directory` in order of their numbers, but for the grants."""
    for path in sorted(directory.glob("*.sql")):
        if not path.name.endswith(GRANTS_SUFFIX):
            _run(connection, path.read_text(encoding="utf-8"))


def run_in_schema(connection: Connection, path: Path, schema: str) -> None:
    """Run an SQL file that names no schema, in `schema`."""
    quoted = connection.dialect.identifier_preparer.quote(schema)
    _run(connection, f"set local search_path to {quoted}, pg_catalog")
    _run(connection, path.read_text(encoding="utf-8"))
    _run(connection, "set local search_path to default")


def run_grants(connection: Connection, directory: Path, app_role: str) -> None:
    """Grant the application role its rights. Nothing is lost by doing it again."""
    role = connection.dialect.identifier_preparer.quote(app_role)
    for path in sorted(directory.glob(f"*{GRANTS_SUFFIX}")):
        _run(connection, path.read_text(encoding="utf-8").replace("{app_role}", role))


def _run(connection: Connection, sql: str) -> None:
    connection.execution_options(no_parameters=True).exec_driver_sql(sql)  # a % in SQL is no placeholder
