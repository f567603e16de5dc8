"""Seals that are changed, removed or rewritten: the chain says so, or an anchor kept elsewhere does."""

from typing import LiteralString

import pytest

from eventstore.audit.anchors import Anchor
from eventstore.audit.hashes import NO_BLOCK
from eventstore.audit.verification import Scope
from tests.conftest import Database
from tests.integration.audit.logs import anchor_of, fill, kinds, only, seal_all, tampering, verified

pytestmark = pytest.mark.postgres

CHANGES: dict[str, LiteralString] = {
    "entries": "entries = overlay(entries placing decode('00', 'hex') from 20 for 1)",
    "fewer entries": "entries = substring(entries for 41)",
    "torn entries": "entries = substring(entries for 40)",
    "no entries": "entries = ''",
    "root": "root = sha256(root)",
    "hash": "hash = sha256(hash)",
    "previous": "previous = sha256(previous)",
    "time": "sealed_at = sealed_at - interval '1 day'",
    "first position": "first_position = 6",
    "negative position": "first_position = -1",
    "algorithm": "algorithm = 7",
    "count": "records = 99",
}
UNCHANGED = "update eventstore.events set data = jsonb_set(data, '{n}', '99') where position = 6"


@pytest.mark.parametrize("changed", CHANGES)
async def test_a_changed_seal_is_found(database: Database, changed: str) -> None:
    await fill(database)
    await seal_all(database)
    async with tampering(database) as admin:
        await admin.execute(f"update eventstore.seals set {CHANGES[changed]} where block = 2".encode())

    report = await verified(database)

    assert not report.ok
    assert 2 in {finding.block for finding in report.findings if finding.kind == "seal"}


@pytest.mark.parametrize("block", [1, 2])
async def test_a_missing_block_is_found(database: Database, block: int) -> None:
    await fill(database)
    await seal_all(database)
    async with tampering(database) as admin:
        await admin.execute("delete from eventstore.seals where block = %s", [block])

    report = await verified(database)

    assert f"block {block} is missing before block {block + 1}" in [each.detail for each in report.findings]


async def test_a_block_that_was_sealed_anew_breaks_the_chain_after_it(database: Database) -> None:
    await fill(database)
    await seal_all(database)
    async with tampering(database) as admin:
        await admin.execute(UNCHANGED)
        await admin.execute("create table later as select * from eventstore.seals where block = 3")
        await admin.execute("delete from eventstore.seals where block >= 2")
        await admin.execute("select eventstore.seal_block_v1(4)")
        await admin.execute("insert into eventstore.seals select * from later")

    report = await verified(database)

    found = only(report, "seal")
    assert (found.block, found.detail) == (3, "block 3 does not follow block 2: one of them was rewritten")


async def test_events_and_seals_rewritten_alike_are_found_by_an_anchor(database: Database) -> None:
    await fill(database)
    await seal_all(database)
    anchor = await anchor_of(database)
    async with tampering(database) as admin:
        await admin.execute(UNCHANGED)
        await admin.execute("truncate eventstore.seals")
    await seal_all(database)

    believed, anchored = await verified(database), await verified(database, Scope(anchors=[anchor]))

    assert believed.findings == []  # nothing in the database speaks against it
    found = only(anchored, "anchor")
    assert (found.block, found.position, kinds(anchored)) == (3, 12, {"anchor"})


async def test_a_sound_log_agrees_with_its_anchors(database: Database) -> None:
    await fill(database, 2)
    await seal_all(database)
    early = await anchor_of(database)
    await fill(database, 4, first=3)
    await seal_all(database)

    report = await verified(database, Scope(anchors=[early, await anchor_of(database)]))

    assert (report.findings, report.anchors) == ([], 2)


async def test_seals_removed_at_the_end_are_found_by_an_anchor(database: Database) -> None:
    await fill(database)
    await seal_all(database)
    anchor = await anchor_of(database)
    async with tampering(database) as admin:
        await admin.execute("delete from eventstore.seals where block = 3")

    report = await verified(database, Scope(anchors=[anchor]))

    assert only(report, "anchor").detail.endswith(
        "the chain ends with block 2: seals were removed at its end"
    )
    assert report.unsealed_events == 4


async def test_events_removed_with_the_seals_after_them_are_found_by_an_anchor(database: Database) -> None:
    await fill(database)
    await seal_all(database)
    anchor = await anchor_of(database)
    async with tampering(database) as admin:
        await admin.execute("delete from eventstore.seals where block = 3")
        await admin.execute("delete from eventstore.events where position > 8")
        await admin.execute("delete from eventstore.commands where position > 8")

    report = await verified(database, Scope(anchors=[anchor]))

    assert kinds(report) == {"anchor"}


async def test_verification_goes_on_from_a_block(database: Database) -> None:
    await fill(database)
    await seal_all(database)
    async with tampering(database) as admin:
        await admin.execute("update eventstore.events set type = 'Never' where position in (2, 6)")

    report = await verified(database, Scope(from_block=2))

    assert only(report, "changed").position == 6
    assert (report.from_block, report.last_block, report.events) == (2, 3, 8)
    with pytest.raises(LookupError, match="no block 8"):
        await verified(database, Scope(from_block=9))


async def test_the_block_before_the_first_one_is_compared_with_its_anchor(database: Database) -> None:
    await fill(database, 2)
    await seal_all(database)
    anchor = await anchor_of(database)
    await fill(database, 4, first=3)
    await seal_all(database)
    other = Anchor(anchor.block, anchor.position, NO_BLOCK)

    sound = await verified(database, Scope(2, [anchor]))
    rewritten = await verified(database, Scope(2, [other]))
    unmet = await verified(database, Scope(3, [anchor]))

    assert (sound.findings, sound.anchors) == ([], 1)
    assert only(rewritten, "anchor").block == 1
    assert (unmet.ok, only(unmet, "anchor").warning) == (True, True)


async def test_archived_positions_may_be_missing(database: Database) -> None:
    await fill(database)
    await seal_all(database)
    async with tampering(database) as admin:
        await admin.execute("delete from eventstore.events where position <= 4")
        await admin.execute("delete from eventstore.commands where position <= 4")

    report = await verified(database, Scope(archived=[(1, 4)]))

    assert (report.findings, report.archived) == ([], 5)
