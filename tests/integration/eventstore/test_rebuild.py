"""A rebuild fills new tables beside those that are served; promoting it swaps them."""

import asyncio

import pytest

from eventstore.errors import FollowerBehind, FollowerConflict, FollowerUnknown, OwnerNeeded
from eventstore.projections import Slot
from eventstore.promotion import CATCH_UP_EVENTS, Promotion
from eventstore.rebuild import Rebuilds
from tests.conftest import Database
from tests.integration.eventstore.stores import connect
from tests.integration.eventstore.tallies import BY, NAME, TABLES, Tally, scene

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

LIVE = "readmodels"
STAGING = Slot.STAGING.schema(NAME)
PREVIOUS = Slot.PREVIOUS.schema(NAME)


async def test_staging_is_filled_beside_what_is_served_and_equals_it_in_the_end(
    database: Database,
) -> None:
    async with scene(database) as tally:
        for number in range(5):
            await tally.write(f"x-{number}", events=number + 1)
        await tally.catch_up(tally.live)
        served = await tally.rows(LIVE)

        await tally.rebuilds.start(NAME, BY)
        assert await tally.rows(STAGING) == []
        await tally.write("x-more")
        await tally.catch_up(tally.side(Slot.STAGING))

        assert await tally.rows(LIVE) == served
        await tally.catch_up(tally.live)
        assert await tally.rows(STAGING) == await tally.rows(LIVE)
        assert len(served) == 6


async def test_promote_serves_the_new_tables_and_keeps_the_old_ones(database: Database) -> None:
    async with scene(database) as old:
        last = await old.write("x-1", events=3)
        await old.catch_up(old.live)
    async with scene(database, Tally(version=2, factor=10)) as new:
        await new.rebuilds.start(NAME, BY)
        await new.catch_up(new.side(Slot.STAGING))

        await new.promotion.promote(NAME, BY)

        assert (await new.rows(LIVE))[:1] == [f"(projection-{NAME},10,{last + 1})"]
        assert f"(x-1,30,{last})" in await new.rows(LIVE)
        assert await new.rows(PREVIOUS) == [f"(x-1,3,{last})", "(1,3)"]
        view = await new.view()
        assert (view.live.version, view.needs_rebuild, view.staging) == (2, False, None)
        assert view.previous is not None
        assert (view.previous.version, view.previous.followed) == (1, False)
        assert await new.decisions() == ["RebuildStarted", "Promoted"]


async def test_promote_takes_in_the_last_events_itself(database: Database) -> None:
    """What is served never goes back in the log."""
    async with scene(database) as tally:
        await tally.write("x-1")
        await tally.rebuilds.start(NAME, BY)
        await tally.catch_up(tally.side(Slot.STAGING))
        await tally.write("x-2", events=CATCH_UP_EVENTS - 1)
        await tally.catch_up(tally.live)
        before = await tally.rows(LIVE)

        await tally.promotion.promote(NAME, BY)

        assert await tally.rows(LIVE) == before


async def test_promote_waits_for_a_rebuild_that_is_far_behind_and_then_gives_up(database: Database) -> None:
    async with scene(database) as tally:
        await tally.write("x-1", events=CATCH_UP_EVENTS)
        await tally.rebuilds.start(NAME, BY)
        await tally.write("x-2")
        await tally.catch_up(tally.live)

        with pytest.raises(FollowerBehind):
            await tally.promotion.promote(NAME, BY, wait_seconds=0.3)

        waiting = asyncio.create_task(tally.promotion.promote(NAME, BY))
        await tally.catch_up(tally.side(Slot.STAGING))
        await waiting
        assert (await tally.view()).staging is None


async def test_return_loses_no_event_that_came_since(database: Database) -> None:
    async with scene(database) as tally:
        await tally.write("x-1")
        await tally.catch_up(tally.live)
        await tally.rebuilds.start(NAME, BY)
        await tally.catch_up(tally.side(Slot.STAGING))
        await tally.promotion.promote(NAME, BY)
        await tally.write("x-2", events=4)
        await tally.catch_up(tally.live)
        expected = await tally.rows(LIVE)

        await tally.promotion.return_(NAME, BY)

        assert await tally.rows(LIVE) == expected
        await tally.promotion.return_(NAME, BY)  # and back
        await tally.catch_up(tally.live)
        assert [row for row in await tally.rows(LIVE) if row.startswith("(x-")] == expected[1:3]
        assert await tally.decisions() == ["RebuildStarted", "Promoted", "Returned", "Returned"]


async def test_previous_tables_of_another_version_are_returned_to_as_they_are(
    database: Database,
) -> None:
    async with scene(database) as old:
        await old.write("x-1")
        await old.catch_up(old.live)
    async with scene(database, Tally(version=2)) as new:
        await new.rebuilds.start(NAME, BY)
        await new.catch_up(new.side(Slot.STAGING))
        await new.promotion.promote(NAME, BY)
        with pytest.raises(FollowerConflict, match="stale"):
            await new.promotion.return_(NAME, BY)

        await new.promotion.return_(NAME, BY, stale=True)

        assert await new.rows(LIVE) == ["(x-1,1,1)", "(1,1)"]
        assert (await new.view()).needs_rebuild
    async with scene(database) as old_again:  # the old code is deployed: it goes on from there
        await old_again.catch_up(old_again.live)
        assert "(x-1,1,1)" in await old_again.rows(LIVE)
        assert len(await old_again.rows(LIVE)) == 3


async def test_one_that_is_paused_stands_still_until_it_is_resumed(database: Database) -> None:
    async with scene(database) as tally:
        await tally.write("x-1")
        await tally.rebuilds.start(NAME, BY)
        staging = tally.side(Slot.STAGING)

        await tally.rebuilds.pause(NAME, BY)
        assert not await staging.advance()
        assert await tally.rows(STAGING) == []
        with pytest.raises(FollowerConflict, match="paused"):
            await tally.rebuilds.pause(NAME, BY)

        await tally.rebuilds.resume(NAME, BY)
        assert await staging.advance()
        with pytest.raises(FollowerConflict, match="following"):
            await tally.rebuilds.resume(NAME, BY)
        assert await tally.decisions() == ["RebuildStarted", "RebuildPaused", "RebuildResumed"]


async def test_one_that_is_discarded_leaves_nothing(database: Database) -> None:
    async with scene(database) as tally:
        await tally.rebuilds.start(NAME, BY)
        await tally.rebuilds.discard(NAME, BY)

        with pytest.raises(FollowerConflict, match="no rebuild"):
            await tally.rebuilds.discard(NAME, BY)
        assert (await tally.view()).staging is None
        await tally.rebuilds.start(NAME, BY)  # and there is room for another


async def test_what_somebody_built_on_the_tables_is_not_dropped_with_them(database: Database) -> None:
    async with scene(database) as tally:
        await tally.catch_up(tally.live)
        await tally.rebuilds.start(NAME, BY)
        async with await connect(database.owner_url) as connection:
            await connection.execute(f"create view public.report as select * from {STAGING}.tally".encode())

            with pytest.raises(FollowerConflict, match="view report depends on"):
                await tally.rebuilds.discard(NAME, BY)

            assert (await tally.view()).staging is not None
            await connection.execute("drop view public.report")
        await tally.rebuilds.discard(NAME, BY)


async def test_of_two_operators_at_once_one_is_told(database: Database) -> None:
    async with scene(database) as tally:
        await tally.catch_up(tally.live)

        asked = [tally.rebuilds.start(NAME, BY) for _ in range(4)]
        answers = await asyncio.gather(*asked, return_exceptions=True)

        assert sorted(type(answer).__name__ for answer in answers) == ["FollowerConflict"] * 3 + ["NoneType"]
        asked = [tally.promotion.promote(NAME, BY) for _ in range(3)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["FollowerConflict"] * 2 + ["NoneType"]
        assert await tally.decisions() == ["RebuildStarted", "Promoted"]


async def test_decisions_are_events_that_say_who_and_why(database: Database) -> None:
    async with scene(database) as tally:
        await tally.catch_up(tally.live)
        await tally.rebuilds.start(NAME, BY)

        [event] = [event async for event in tally.store.read_stream(f"projection-{NAME}")]

        assert event.data == {
            "follower": NAME,
            "from_version": 1,
            "to_version": 1,
            "actor": "ana",
            "reason": "a test",
        }


async def test_a_role_that_may_not_make_tables_is_told_which_setting_helps(database: Database) -> None:
    async with scene(database) as tally:
        await tally.catch_up(tally.live)
        powerless = Rebuilds(
            database.url, "saga_app", tally.store, {NAME: tally.projection}, lambda _: TABLES
        )

        with pytest.raises(OwnerNeeded, match="SAGA_OWNER_DATABASE_URL"):
            await powerless.start(NAME, BY)


async def test_what_nobody_knows_is_unknown(database: Database) -> None:
    async with scene(database) as tally:
        with pytest.raises(FollowerUnknown, match="no projection 'nobody'"):
            await tally.rebuilds.start("nobody", BY)
        with pytest.raises(FollowerUnknown):
            await Promotion(tally.rebuilds).promote("nobody", BY)
