"""Verification says when the database does not guard the log any more, though nothing was changed yet."""

from typing import LiteralString

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.errors import InsufficientPrivilege

from eventstore.audit.verification import Scope, verify
from eventstore.connections import configure
from tests.conftest import Database
from tests.integration.audit.logs import fill, seal_all, verified

pytestmark = pytest.mark.postgres

WEAKENED: dict[LiteralString, str] = {
    "alter table eventstore.events disable trigger immutable": "is not ENABLE ALWAYS ('D')",
    "alter table eventstore.seals enable trigger immutable": "is not ENABLE ALWAYS ('O')",
    "drop trigger immutable on eventstore.commands": "has no trigger that refuses changes",
    """create or replace function eventstore.refuse_change() returns trigger language plpgsql
       as 'begin return null; end'""": "does not refuse every change",
    """drop trigger immutable on eventstore.events;
       create trigger immutable before delete on eventstore.events
           for each statement execute function eventstore.refuse_change();
       alter table eventstore.events enable always trigger immutable""": "does not refuse every change",
    "grant update on eventstore.events to saga_app": "a right too many: UPDATE for saga_app",
    "grant update (data) on eventstore.events to saga_app": "a right too many: UPDATE for saga_app",
    "grant delete on eventstore.seals to public": "a right too many: DELETE for everybody",
    "alter table eventstore.events enable row level security": "rules or policies",
    "create rule hide as on delete to eventstore.events do instead nothing": "rules or policies",
    "alter table eventstore.seals set unlogged": "no ordinary, logged table",
    "alter sequence eventstore.position_seq cache 10": "has CACHE 10",
    "select setval('eventstore.position_seq', 2)": "behind the events",
}


@pytest.mark.parametrize("weakening", WEAKENED)
async def test_a_guard_that_is_gone_is_found(database: Database, weakening: LiteralString) -> None:
    await fill(database, 2)
    await seal_all(database)
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        admin.execute(weakening)

    report = await verified(database)

    assert not report.ok
    assert any(WEAKENED[weakening] in finding.detail for finding in report.findings)


async def test_another_trigger_is_a_warning(database: Database) -> None:
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        admin.execute(
            """create function meddle() returns trigger language plpgsql as 'begin return new; end';
               create trigger meddling before insert on eventstore.events
                   for each row execute function meddle()"""
        )

    report = await verified(database)

    assert report.ok
    assert [(each.kind, each.warning) for each in report.findings] == [("unprotected", True)]


async def test_a_role_that_owns_the_tables_is_told_so(database: Database) -> None:
    async with await AsyncConnection.connect(database.owner_url, autocommit=True) as owner:
        await configure(owner)
        report = await verify(owner, Scope())

    assert report.ok
    assert len(report.findings) == 3
    assert all("this role owns" in finding.detail for finding in report.findings)


async def test_the_application_may_add_seals_and_change_none(
    database: Database, subtests: pytest.Subtests
) -> None:
    await fill(database, 2)
    await seal_all(database)
    changes: list[LiteralString] = [
        "update eventstore.seals set root = hash",
        "delete from eventstore.seals",
        "truncate eventstore.seals",
    ]
    for url in (database.url, database.owner_url):
        async with await AsyncConnection.connect(url, autocommit=True) as connection:
            for change in changes:
                with subtests.test(change), pytest.raises(InsufficientPrivilege):
                    await connection.execute(change)
