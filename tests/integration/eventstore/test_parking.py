"""A follower that cannot take in an event is parked before it, and nothing else waits."""

import asyncio

import pytest

from eventstore import Batch, NewEvent
from eventstore.errors import FollowerConflict, FollowerOutdated, FollowerParked, FollowerUnknown, PoisonEvent
from eventstore.parking import ATTEMPTS_MAX, retry, skip
from eventstore.projections import ProjectionRunner, Slot
from tests.conftest import Database
from tests.integration.eventstore.stores import connect, happened
from tests.integration.eventstore.subscribers import NAME as LISTENER
from tests.integration.eventstore.subscribers import Refusing, Seen, subscribed
from tests.integration.eventstore.tallies import BY, NAME, POISON, Scene, Tally, scene

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


async def poisoned(tally: Scene) -> int:
    """Three events, of which the second is poison; gives its position."""
    await tally.write("x-1")
    appended = await tally.store.append([Batch("x-2", 0, [NewEvent(POISON, {})])])
    await tally.write("x-3")
    return appended.position


async def until_parked(runner: ProjectionRunner) -> None:
    for _ in range(2 * ATTEMPTS_MAX):
        try:
            await runner.advance()
        except PoisonEvent:
            continue
        except FollowerParked:
            return
    raise AssertionError("it is not parked")


async def test_what_comes_before_the_event_is_taken_in(database: Database) -> None:
    async with scene(database) as tally:
        at = await poisoned(tally)

        await until_parked(tally.live)

        assert await tally.rows("readmodels") == ["(x-1,1,1)", "(1,1)"]
        parked = (await tally.view()).live.parked
        assert parked is not None
        assert (parked.position, parked.type, parked.stream, parked.attempts) == (at, POISON, "x-2", 3)
        assert parked.reason == "ValueError: what is that?"
        with pytest.raises(FollowerParked, match="parked before Poison at position 2"):
            await tally.live.advance()
        assert await tally.decisions() == ["Parked"]


async def test_other_runners_do_not_try_what_is_parked(database: Database) -> None:
    async with scene(database) as tally:
        other = ProjectionRunner(tally.pool, tally.store, tally.projection)
        await other.advance()  # it runs already
        await poisoned(tally)
        await until_parked(tally.live)

        with pytest.raises(FollowerParked):
            await other.advance()

        parked = (await tally.view()).live.parked
        assert parked is not None
        assert parked.attempts == ATTEMPTS_MAX


async def test_retry_takes_the_event_in_when_the_code_can(database: Database) -> None:
    async with scene(database) as tally:
        await poisoned(tally)
        await until_parked(tally.live)
        tally.projection.poisonous = False
        with pytest.raises(FollowerParked):
            await tally.live.advance()

        await retry(tally.pool, NAME, BY)
        await tally.catch_up(tally.live)

        assert (await tally.rows("readmodels"))[-1] == "(1,5)"  # two decisions are events, too
        assert (await tally.view()).live.state == "following"
        assert await tally.decisions() == ["Parked", "Retried"]


async def test_skip_leaves_out_that_event_and_no_other(database: Database) -> None:
    async with scene(database) as tally:
        at = await poisoned(tally)
        await until_parked(tally.live)

        await skip(tally.pool, NAME, BY, at)
        await tally.catch_up(tally.live)

        streams = [row.split(",")[0].strip("(") for row in await tally.rows("readmodels")]
        assert streams == [f"projection-{NAME}", "x-1", "x-3", "1"]
        assert at not in tally.projection.applied


async def test_of_two_operators_one_skips_and_the_other_is_told(database: Database) -> None:
    async with scene(database) as tally:
        at = await poisoned(tally)
        await until_parked(tally.live)

        asked = [skip(tally.pool, NAME, BY, at) for _ in range(3)]
        answers = await asyncio.gather(*asked, return_exceptions=True)

        assert sum(isinstance(answer, FollowerConflict) for answer in answers) == 2
        assert await tally.decisions() == ["Parked", "Skipped"]
        with pytest.raises(FollowerConflict):
            await retry(tally.pool, NAME, BY)
        with pytest.raises(FollowerUnknown):
            await retry(tally.pool, "nobody", BY)


async def test_an_event_that_is_too_large_for_an_index_is_poison(database: Database) -> None:
    """The database calls it operational, as it does a broken connection; but it does not pass."""
    async with scene(database) as tally:
        async with await connect(database.owner_url) as connection:
            await connection.execute("alter table readmodels.tally add column filler text default ''")
            await connection.execute("create index on readmodels.tally ((stream || filler))")
            noise = "(select string_agg(md5(n::text), '') from generate_series(1, 2000) as n)"
            await connection.execute(
                f"""
                create function public.fill() returns trigger language plpgsql as
                $$ begin new.filler := {noise}; return new; end $$;
                create trigger fill before insert on readmodels.tally
                    for each row execute function public.fill()
                """.encode()
            )
        await tally.write("x-1")

        await until_parked(tally.live)

        parked = (await tally.view()).live.parked
        assert parked is not None
        assert parked.reason.startswith("ProgramLimitExceeded")


async def test_a_rebuild_parks_alone_and_is_skipped_alone(database: Database) -> None:
    async with scene(database) as tally:
        await poisoned(tally)
        tally.projection.poisonous = False
        await tally.catch_up(tally.live)
        await tally.rebuilds.start(NAME, BY)
        tally.projection.poisonous = True
        staging = tally.side(Slot.STAGING)

        await until_parked(staging)

        await tally.catch_up(tally.live)
        view = await tally.view()
        assert view.staging is not None
        assert (view.live.state, view.staging.state) == ("following", "parked")
        with pytest.raises(FollowerConflict, match="parked before Poison"):
            await tally.promotion.promote(NAME, BY)
        await skip(tally.pool, staging.name, BY)
        await tally.catch_up(staging)
        await tally.promotion.promote(NAME, BY)


async def test_a_subscription_parks_and_no_other_does(database: Database) -> None:
    refusing, seen = Refusing("x-2", ValueError("no such SKU")), Seen()
    async with (
        scene(database) as tally,
        subscribed(database, tally.store, refusing) as sick,
        subscribed(database, tally.store, seen, name="another") as well,
    ):
        await tally.write("x-1")
        at = await tally.write("x-2")
        await tally.write("x-3")
        for attempt in range(1, ATTEMPTS_MAX + 1):
            with pytest.raises(PoisonEvent if attempt < ATTEMPTS_MAX else FollowerParked):
                await sick.advance()
        await well.advance()

        view = await tally.standings.one(LISTENER)
        assert view.live.parked is not None
        assert (view.kind, view.live.parked.position) == ("subscription", at)
        assert view.live.parked.reason == "ValueError: no such SKU"
        assert seen.streams[:3] == ["x-1", "x-2", "x-3"]
        assert (await tally.standings.one("another")).live.state == "following"
        await skip(tally.pool, LISTENER, BY)
        await sick.advance()

    assert refusing.streams[:2] == ["x-1", "x-3"]


async def test_tables_of_another_version_are_left_alone(database: Database) -> None:
    async with scene(database) as old:
        await old.write("x-1")
        await old.catch_up(old.live)
    async with scene(database, Tally(version=2, factor=1000)) as new:
        await new.store.append([Batch("x-2", 0, [happened()])])

        with pytest.raises(FollowerOutdated, match="version 1, this code has 2"):
            await new.live.advance()

        assert await new.rows("readmodels") == ["(x-1,1,1)", "(1,1)"]
        view = await new.view()
        assert (view.needs_rebuild, view.live.followed, view.live.lag.events) == (True, False, 1)
    async with scene(database) as old:  # a server of the version before follows them on
        await old.catch_up(old.live)
        assert (await old.rows("readmodels"))[-1] == "(1,2)"
