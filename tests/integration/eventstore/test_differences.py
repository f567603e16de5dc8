"""Diff: what is served against other tables of the same projection."""

import pytest

from eventstore.differences import Difference, diff
from eventstore.errors import FollowerBehind, FollowerConflict
from eventstore.projections import Slot
from eventstore.promotion import CATCH_UP_EVENTS
from eventstore.table_differences import SAMPLE_ROWS, SHOWN_MAX
from tests.conftest import Database
from tests.integration.eventstore.stores import connect
from tests.integration.eventstore.tallies import BY, NAME, Scene, Tally, scene

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

STAGING = Slot.STAGING.schema(NAME)


async def compare(tally: Scene, *, full: bool = True) -> Difference:
    return await diff(tally.rebuilds, NAME, Slot.STAGING, full=full)


async def change(tally: Scene, statement: str) -> None:
    async with await connect(tally.database.owner_url) as connection:
        await connection.execute(statement.encode())


async def rebuilt(tally: Scene, streams: int) -> None:
    for number in range(streams):
        await tally.write(f"x-{number:05}")
    await tally.rebuilds.start(NAME, BY)
    await tally.catch_up(tally.live)
    await tally.catch_up(tally.side(Slot.STAGING))


async def test_keys_that_one_side_has_and_rows_that_differ_are_told(database: Database) -> None:
    async with scene(database) as tally:
        await rebuilt(tally, 4)
        await change(tally, "delete from readmodels.tally where stream = 'x-00001'")
        await change(tally, f"delete from {STAGING}.tally where stream = 'x-00002'")
        await change(tally, f"update {STAGING}.tally set events = 7 where stream = 'x-00003'")

        for full in (True, False):
            found = await compare(tally, full=full)

            rows, total = found.tables
            assert not found.same
            assert (rows.only_live, rows.only_other) == ([["x-00002"]], [["x-00001"]])
            [differing] = rows.differing
            assert (differing.key, differing.columns) == (["x-00003"], {"events": [1, 7]})
            assert (rows.rows_live, rows.rows_other) == (4, 4)
            assert total.same
            assert found.position is not None


async def test_the_one_that_is_behind_takes_in_the_rest_first(database: Database) -> None:
    async with scene(database) as tally:
        await rebuilt(tally, 3)
        await tally.write("more-1", events=CATCH_UP_EVENTS)
        await tally.catch_up(tally.live)
        assert (await compare(tally)).same

        last = await tally.write("more-2", events=2)
        await tally.catch_up(tally.side(Slot.STAGING))
        found = await compare(tally)
        assert (found.same, found.position) == (True, last)
        assert (await tally.view()).live.lag.events == 0


async def test_one_that_is_far_behind_is_not_compared(database: Database) -> None:
    async with scene(database) as tally:
        await tally.rebuilds.start(NAME, BY)
        await tally.write("x-1", events=CATCH_UP_EVENTS + 1)
        await tally.catch_up(tally.live)

        with pytest.raises(FollowerBehind):
            await compare(tally)


async def test_one_that_cannot_be_brought_there_is_compared_as_it_is(database: Database) -> None:
    async with scene(database) as old:
        await old.write("x-1")
        await old.catch_up(old.live)
    async with scene(database, Tally(version=2)) as new:
        await new.rebuilds.start(NAME, BY)
        await new.catch_up(new.side(Slot.STAGING))

        found = await compare(new)

        assert (found.same, found.position) == (False, None)
        assert (found.position_live, found.position_other) == (1, 2)
        assert found.tables[0].only_other == [[f"projection-{NAME}"]]


async def test_columns_and_tables_that_one_side_has_are_told(database: Database) -> None:
    async with scene(database) as tally:
        await rebuilt(tally, 2)
        await change(tally, f"alter table {STAGING}.tally add column note text")

        found = await compare(tally)

        assert not found.same
        assert found.tables[0].columns_only_other == ["note"]
        assert found.tables[0].differing == []


async def test_of_many_differences_some_are_shown_and_all_are_counted(database: Database) -> None:
    async with scene(database) as tally:
        await rebuilt(tally, 3)
        for schema, events in (("readmodels", 1), (STAGING, 2)):
            rows = f"select 'many-' || n, {events}, n from generate_series(1, {3 * SAMPLE_ROWS}) as n"
            await change(tally, f"insert into {schema}.tally {rows}")

        full, sample = await compare(tally), await compare(tally, full=False)

        assert full.tables[0].differing_count == 3 * SAMPLE_ROWS
        assert len(full.tables[0].differing) == SHOWN_MAX
        assert 0 < sample.tables[0].differing_count <= 2 * SAMPLE_ROWS
        assert len(sample.tables[0].differing) == SHOWN_MAX


async def test_without_other_tables_there_is_nothing_to_compare(database: Database) -> None:
    async with scene(database) as tally:
        await tally.catch_up(tally.live)
        with pytest.raises(FollowerConflict, match="no rebuild"):
            await compare(tally)
