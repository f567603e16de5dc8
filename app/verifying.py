"""`saga verify` on this installation's database."""

from collections.abc import Callable

import psycopg

from app.database import DatabaseUnusable, open_database
from app.settings import Settings
from eventstore import StoreUnavailable, UnsafeReader
from eventstore.audit.findings import Report
from eventstore.audit.verification import Scope, verify
from eventstore.connections import CONNECTION_KWARGS, TRANSIENT, configure

Progress = Callable[[int, int, int], None]
"""Called with a position, the position where the log ends, and the last block that was verified."""


async def verify_log(settings: Settings, scope: Scope, progress: Progress) -> Report:
    """What is wrong with the log, read on a connection that cannot write.

    Raises DatabaseUnusable, EmbeddedPostgresError, StoreUnavailable, UnsafeReader, LookupError.
    """
    async with open_database(settings) as urls:
        try:
            async with await psycopg.AsyncConnection.connect(urls.direct, **CONNECTION_KWARGS) as connection:
                await configure(connection)
                # One statement looks at every stream: that takes as long as the log is.
                await connection.execute("set statement_timeout = 0")
                await connection.execute("set default_transaction_read_only = on")
                return await verify(connection, scope, progress)
        except psycopg.errors.ObjectNotInPrerequisiteState as error:
            raise UnsafeReader(str(error)) from error
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise DatabaseUnusable("the database has no seals: run saga migrate") from error
        except TRANSIENT as error:
            raise StoreUnavailable(str(error)) from error
