"""A projection is registered once: its tables, from its file, and a checkpoint that names its version.

A migration may have made the tables before. Until they have a checkpoint nothing has followed the log into
them, so they are made anew: in a new database they are those of this code, whatever the first migration made.
After that only a rebuild changes them.
"""

from collections.abc import Sequence

import sqlalchemy
from sqlalchemy import Connection, text

from app.readmodels.projections import tables_file
from eventstore.projections import LIVE_SCHEMA, Projection
from eventstore.schema_files import run_in_schema

# Asked first: an insert would wait for whoever is moving the checkpoint.
_KNOWN = text("select 1 from eventstore.checkpoints where subscription = :name")
_REGISTER = text(
    """
    insert into eventstore.checkpoints (subscription, position, kind, version, tables)
    values (:name, 0, 'projection', :version, :tables)
    on conflict (subscription) do nothing
    """
)
# Checkpoints from before there were versions: of the first one.
_NAME_TABLES = text(
    """
    update eventstore.checkpoints set tables = :tables
     where subscription = :name and version = :version and tables = '{}'
    """
)


def register_projections(engine: sqlalchemy.Engine, projections: Sequence[Projection]) -> None:
    """Register those that are new. The engine is the owner's."""
    for projection in projections:
        with engine.begin() as connection:
            _register(connection, projection)


def _register(connection: Connection, projection: Projection) -> None:
    row = {
        "name": projection.name,
        "version": projection.version,
        "tables": list(projection.tables),
    }
    known = connection.execute(_KNOWN, row).first() is not None
    if known or connection.execute(_REGISTER, row).rowcount == 0:
        connection.execute(_NAME_TABLES, row)
        return
    quote = connection.dialect.identifier_preparer.quote
    for table in projection.tables:
        connection.exec_driver_sql(f"drop table if exists {LIVE_SCHEMA}.{quote(table)}")
    run_in_schema(connection, tables_file(projection.name), LIVE_SCHEMA)
