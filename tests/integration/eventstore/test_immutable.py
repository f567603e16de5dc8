"""What was recorded stays as it is, and the application role can change no definition."""

from typing import LiteralString

import pytest
from psycopg.errors import InsufficientPrivilege

from tests.conftest import Database
from tests.integration.eventstore.stores import append_by_hand, connect, value

pytestmark = pytest.mark.postgres

CHANGES: list[LiteralString] = [
    "update eventstore.events set data = '{}'",
    "delete from eventstore.events",
    "truncate eventstore.events",
    "update eventstore.events set data = '{}' where false",
    "update eventstore.commands set fingerprint = ''",
    "delete from eventstore.commands",
    "truncate eventstore.commands",
]
DEFINITIONS: list[LiteralString] = [
    "alter table eventstore.events add column extra int",
    "alter table eventstore.events disable trigger immutable",
    "alter table eventstore.events drop constraint events_stream_version_key",
    "drop trigger immutable on eventstore.events",
    "drop table eventstore.events",
    "drop schema eventstore cascade",
    "alter sequence eventstore.position_seq cache 10",
    "select setval('eventstore.position_seq', 1)",
    "drop function eventstore.safe_position()",
    "create or replace function eventstore.safe_position() returns bigint language sql return 0",
    "create table eventstore.mine (n int)",
    "create table saga.mine (n int)",
    "set session_replication_role = replica",
]


async def test_the_owner_cannot_change_what_was_recorded(
    database: Database, subtests: pytest.Subtests
) -> None:
    async with await connect(database.owner_url) as owner:
        await append_by_hand(owner, "x-1", 0)
        for change in CHANGES:
            with subtests.test(change), pytest.raises(InsufficientPrivilege, match="never changed"):
                await owner.execute(change)
        assert await value(owner, "select count(*) from eventstore.events") == 1


async def test_replication_mode_is_no_way_around(database: Database, subtests: pytest.Subtests) -> None:
    async with await connect(database.admin_url) as admin:
        await admin.execute("set session_replication_role = replica")
        for change in CHANGES:
            with subtests.test(change), pytest.raises(InsufficientPrivilege, match="never changed"):
                await admin.execute(change)


async def test_the_application_has_no_right_to_change(database: Database, subtests: pytest.Subtests) -> None:
    async with await connect(database.url) as application:
        for change in CHANGES:
            with subtests.test(change), pytest.raises(InsufficientPrivilege, match="permission denied"):
                await application.execute(change)
        for definition in DEFINITIONS:
            with subtests.test(definition), pytest.raises(InsufficientPrivilege):
                await application.execute(definition)


async def test_the_application_owns_nothing(database: Database) -> None:
    async with await connect(database.url) as application:
        owned = await value(
            application,
            """select (select count(*) from pg_class where relowner = current_user::regrole)
                    + (select count(*) from pg_proc where proowner = current_user::regrole)
                    + (select count(*) from pg_namespace where nspowner = current_user::regrole)""",
        )
    assert owned == 0


async def test_the_application_may_keep_its_working_rows(database: Database) -> None:
    statements: list[LiteralString] = [
        "insert into eventstore.snapshots (stream, fingerprint, version, state) values ('x', 'f', 1, '{}')",
        "update eventstore.snapshots set version = 2",
        "delete from eventstore.snapshots",
        "insert into eventstore.checkpoints (subscription, position) values ('s', 0)",
        "update eventstore.checkpoints set position = 1 where subscription = 's'",
        "delete from eventstore.checkpoints where subscription = 's'",
        """insert into eventstore.executors
               (executor_id, host_boot_id, pid, process_started_at, server_started_at, timeline)
           values ('e', 'b', 1, now(), now(), 1)""",
        "update eventstore.executors set buried_at = now()",
        "delete from eventstore.executors",
        "insert into saga.attempts (saga_id, last_outcome, attempts) values ('s', 0, 1)",
        "update saga.attempts set attempts = 2",
        "delete from saga.attempts",
    ]
    async with await connect(database.url) as application:
        for statement in statements:
            assert (await application.execute(statement)).rowcount == 1, statement
