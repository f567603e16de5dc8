"""Two stores in one database: the same SQL under another schema name, and neither holds the other back."""

import re
from pathlib import Path

import pytest

import eventstore
from eventstore.schema_files import GRANTS_SUFFIX
from tests.conftest import Database
from tests.integration.eventstore.stores import append_by_hand, connect, value

pytestmark = pytest.mark.postgres

SQL = Path(eventstore.__file__).parent / "migrations" / "sql"


async def test_an_open_append_in_one_store_does_not_hold_back_the_other(database: Database) -> None:
    async with await connect(database.owner_url) as one, await connect(database.owner_url) as other:
        for path in sorted(SQL.glob("*.sql")):
            if path.name.endswith(GRANTS_SUFFIX):
                continue
            await one.execute(re.sub(r"\beventstore\b", "ledger", path.read_text()).encode())
        await one.execute("begin")
        held = await append_by_hand(one, "x-1", 0)
        newest = [await append_by_hand(other, "x-1", version, schema="ledger") for version in range(5)][-1]

        assert await value(other, "select ledger.safe_position()") == newest
        assert await value(other, "select eventstore.safe_position()") < held

        await one.execute("commit")
        await one.execute("begin")
        held = await append_by_hand(one, "x-1", 5, schema="ledger")

        assert await value(other, "select ledger.safe_position()") < held
        assert await value(other, "select eventstore.safe_position()") > 0


async def test_an_open_append_in_another_database_does_not_hold_this_one_back(database: Database) -> None:
    """Advisory locks are seen across databases in pg_locks; their keys are alike in all of them."""
    template = database.admin_url.replace(database.name, "postgres")
    async with (
        await connect(template) as elsewhere,
        await connect(database.url) as here,
        await connect(database.url) as reader,
    ):
        key = await value(reader, "select eventstore.position_key(0)")
        await elsewhere.execute("select pg_advisory_lock_shared(%s)", [key])
        position = await append_by_hand(here, "x-1", 0)

        assert await value(reader, "select eventstore.safe_position()") == position
