"""Runs the SQL files of a migration, in order of their numbers."""

from pathlib import Path

from sqlalchemy import Connection

GRANTS_SUFFIX = "_grants.sql"


def run_schema_files(connection: Connection, directory: Path, app_role: str | None) -> None:
    """Run all SQL files of `directory`; those that grant rights only when there is an application role."""
    verbatim = connection.execution_options(no_parameters=True)  # a % in SQL is no placeholder
    for path in sorted(directory.glob("*.sql")):
        sql = path.read_text(encoding="utf-8")
        if path.name.endswith(GRANTS_SUFFIX):
            if app_role is None:
                continue
            sql = sql.replace("{app_role}", connection.dialect.identifier_preparer.quote(app_role))
        verbatim.exec_driver_sql(sql)
