"""What a superuser changes with all triggers off is found, and it is said where."""

from typing import LiteralString

import pytest

from tests.conftest import Database
from tests.integration.audit.logs import fill, kinds, only, seal_all, tampering, verified

pytestmark = pytest.mark.postgres

# Appends of two events each: positions 1 to 12 are in blocks of four. 0 is burnt, so they begin with 1.
CHANGES: dict[str, LiteralString] = {
    "data": "data = jsonb_set(data, '{n}', '99')",
    "metadata": 'metadata = \'{"actor": "bob"}\'',
    "type": "type = 'Never'",
    "schema version": "schema_version = 2",
    "event id": "event_id = gen_random_uuid()",
    "time": "recorded_at = recorded_at + interval '1 microsecond'",
    "stream": "stream = 'c-1', version = 1",
    "commit position": "commit_position = 8",
    "how a number is written": "data = jsonb_set(data, '{n}', '3.0')",
}


async def test_a_log_that_nobody_touched_is_sound(database: Database) -> None:
    await fill(database)
    await seal_all(database)

    report = await verified(database)

    assert report.findings == []
    assert (report.last_block, report.events, report.commands, report.last_position) == (3, 12, 3, 12)


@pytest.mark.parametrize("changed", CHANGES)
async def test_a_changed_event_is_found(database: Database, changed: str) -> None:
    await fill(database)
    await seal_all(database)
    async with tampering(database) as admin:
        await admin.execute(f"update eventstore.events set {CHANGES[changed]} where position = 6".encode())

    report = await verified(database)

    found = only(report, "changed")
    assert not report.ok
    assert (found.position, found.block) == (6, 2)
    assert found.place == ("c-1@1" if changed == "stream" else "b-1@3")


@pytest.mark.parametrize("position", [1, 5, 6, 8, 12])
async def test_a_removed_event_is_found_between_its_neighbours(database: Database, position: int) -> None:
    await fill(database)
    await seal_all(database)
    async with tampering(database) as admin:
        await admin.execute("delete from eventstore.events where position = %s", [position])

    report = await verified(database)

    found = only(report, "removed")
    assert found.between is not None
    assert (found.position, found.block) == (position, (position + 3) // 4)
    before = f"position {position - 1} (" if position > 1 else "the block before"
    after = f"position {position + 1} (" if position < 12 else "the block after"
    assert found.between[0].startswith(before)
    assert found.between[1].startswith(after)


async def test_a_removed_block_of_events_is_found_event_by_event(database: Database) -> None:
    await fill(database)
    await seal_all(database)
    async with tampering(database) as admin:
        await admin.execute("delete from eventstore.events where position between 5 and 8")

    report = await verified(database)

    removed = [finding.position for finding in report.findings if finding.kind == "removed"]
    assert removed == [5, 6, 7, 8]
    assert "versions 3 to 4 of a-1 are missing before position 9" in [each.detail for each in report.findings]


async def test_an_event_put_into_a_gap_is_found(database: Database) -> None:
    await fill(database, 3)
    async with tampering(database) as admin:
        await admin.execute("select nextval('eventstore.position_seq')")  # an append that was rolled back
    await fill(database, 3, first=4)
    await seal_all(database)
    async with tampering(database) as admin:
        await admin.execute(
            """insert into eventstore.events
               select 7, 7, 'c-1', 1, gen_random_uuid(), type, 1, data, metadata, recorded_at
                 from eventstore.events where position = 6"""
        )

    report = await verified(database)

    found = only(report, "inserted")
    assert (found.position, found.place, found.block) == (7, "c-1@1", 2)
    assert found.between == ("position 6 (b-1@3)", "position 8 (a-1@4)")


async def test_two_events_that_changed_places_are_found(database: Database) -> None:
    await fill(database)
    await seal_all(database)
    async with tampering(database) as admin:
        await admin.execute("update eventstore.events set position = -1 where position = 6")
        await admin.execute(
            "update eventstore.events set position = 6, commit_position = 6 where position = 10"
        )
        await admin.execute(
            "update eventstore.events set position = 10, commit_position = 10 where position = -1"
        )

    report = await verified(database)

    assert [each.position for each in report.findings if each.kind == "changed"] == [6, 10]
    assert "b-1@5 has position 6, its predecessor 8" in [each.detail for each in report.findings]


async def test_command_ids_are_sealed_too(database: Database) -> None:
    await fill(database)
    await seal_all(database)
    async with tampering(database) as admin:
        await admin.execute("update eventstore.commands set fingerprint = 'x' where command_id = 'command-1'")
        await admin.execute("delete from eventstore.commands where command_id = 'command-3'")
        await admin.execute(
            """insert into eventstore.commands
               select 'command-x', stream, first_version, last_version, fingerprint, 9, recorded_at
                 from eventstore.commands where command_id = 'command-5'"""
        )

    report = await verified(database)

    assert (only(report, "changed").place, only(report, "changed").block) == ("command id command-1", 1)
    assert (only(report, "removed").position, only(report, "removed").block) == (6, 2)
    assert (only(report, "inserted").place, only(report, "inserted").position) == ("command id command-x", 9)
    assert kinds(report) == {"changed", "removed", "inserted"}
