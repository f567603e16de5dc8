"""After a restore positions go on behind a gap, which costs no reader anything."""

from typing import Any

import psycopg
import pytest

from app.positions import TIMELINE, History, LostPosition
from eventstore import Batch
from eventstore.connections import store_pool
from eventstore.restores import GAP_POSITIONS, note_restore
from tests.conftest import Database
from tests.integration.eventstore.stores import everything, happened, open_store

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SCANS = "select idx_scan from pg_stat_user_indexes where indexrelname = 'events_pkey'"


def value(connection: psycopg.Connection[Any], query: str) -> Any:
    [(found,)] = connection.execute(query.encode()).fetchall()
    return found


async def test_positions_go_on_behind_the_gap_also_when_the_sequence_was_not_restored(
    database: Database,
) -> None:
    async with open_store(database.url) as store:
        await store.append([Batch("a-1", 0, [happened(), happened()])])
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            owner.execute("select setval('eventstore.position_seq', 1)")
            restored = note_restore(owner)

        appended = await store.append([Batch("a-1", 2, [happened()])])

    assert (restored.last_position, restored.first_position) == (2, 2 + GAP_POSITIONS + 1)
    assert appended.position == restored.first_position


async def test_a_position_in_the_gap_is_lost_and_tokens_are_of_another_timeline(database: Database) -> None:
    async with store_pool(database.url, 1) as pool, open_store(database.url) as store:
        before = await History.of(pool)
        await store.append([Batch("a-1", 0, [happened(), happened()])])
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            old = value(owner, f"select {TIMELINE}")
            restored = note_restore(owner)
            new = value(owner, f"select {TIMELINE}")
        history = await History.of(pool)

    assert (before.timeline(1), history.timeline(1)) == (1, 1 + int(restored.restored_at.timestamp()))
    assert (old, new) == (before.timeline(old), history.timeline(old))
    for known in (0, 2, restored.first_position, restored.first_position + 5):
        assert history.known(known) == known
    for lost in (3, restored.first_position - 1):
        assert before.known(lost) == lost
        with pytest.raises(LostPosition) as refused:
            history.known(lost)
        assert refused.value.last_position == 2


async def test_a_category_is_read_across_the_gap_in_a_few_looks(database: Database) -> None:
    async with open_store(database.url) as store:
        await store.append([Batch("a-1", 0, [happened()]), Batch("b-1", 0, [happened()])])
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            note_restore(owner)
        await store.append([Batch("b-1", 1, [happened()]), Batch("a-1", 1, [happened()])])
        with psycopg.connect(database.admin_url, autocommit=True) as admin:
            before = value(admin, SCANS)

            found = await everything(store.read_all(0, category="a"))

            assert [event.version for event in found] == [1, 2]
            assert [event async for event in store.read_all(0, category="none")] == []
            admin.execute("select pg_stat_clear_snapshot()")
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        assert value(admin, SCANS) - before < 100  # windows alone would be 43,000
