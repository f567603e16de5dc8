"""A rebuild beside many writers, whose appends become visible out of order, loses and doubles nothing."""

import asyncio
from collections import Counter
from contextlib import suppress

import pytest

from eventstore.differences import Difference, diff
from eventstore.errors import FollowerBehind, TablesBusy
from eventstore.projections import Slot
from tests.conftest import Database
from tests.integration.eventstore.stores import append_by_hand, connect, everything
from tests.integration.eventstore.tallies import BY, NAME, Scene, scene

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

WRITERS = 4
APPENDS = 120


async def test_staging_equals_a_fold_of_the_log(database: Database) -> None:
    async with scene(database) as tally:
        await tally.write("before-1", events=700)
        async with tally.following():
            writing = [asyncio.create_task(_write(tally, name)) for name in range(WRITERS)]
            holding = [asyncio.create_task(_hold(database, name)) for name in range(2)]
            await tally.rebuilds.start(NAME, BY)
            await tally.rebuilds.pause(NAME, BY)
            await tally.rebuilds.resume(NAME, BY)
            await asyncio.gather(*writing, *holding)
            await tally.caught_up(Slot.LIVE)
            await tally.caught_up(Slot.STAGING)
        events = await everything(tally.store.read_all())
        counts = Counter(event.stream for event in events)
        last = {event.stream: event.position for event in events}
        folded = [f"({stream},{counts[stream]},{last[stream]})" for stream in sorted(counts)]
        folded.append(f"(1,{len(events)})")

        assert await tally.rows(Slot.STAGING.schema(NAME)) == folded
        assert await tally.rows("readmodels") == folded
        view = await tally.view()
        assert (view.live.parked, view.staging and view.staging.parked) == (None, None)


async def test_a_diff_among_writers_is_made_at_one_position(database: Database) -> None:
    found: list[Difference] = []
    async with scene(database) as tally:
        await tally.rebuilds.start(NAME, BY)
        async with tally.following():
            enough = asyncio.Event()
            writing = [asyncio.create_task(_write_until(enough, tally, name)) for name in range(WRITERS)]
            async with asyncio.timeout(60):
                while len({difference.position for difference in found}) < 3:
                    # A runner may be far behind for a moment, or long at a batch.
                    with suppress(FollowerBehind, TablesBusy):
                        found.append(await diff(tally.rebuilds, NAME, Slot.STAGING, full=True))
            enough.set()
            await asyncio.gather(*writing)

    assert {difference.same for difference in found} == {True}
    assert None not in {difference.position for difference in found}


async def _write_until(enough: asyncio.Event, tally: Scene, name: int) -> None:
    version = 0
    while not enough.is_set():
        await tally.write(f"w-{name}", version)
        version += 1


async def _write(tally: Scene, name: int) -> None:
    for version in range(APPENDS):
        await tally.write(f"w-{name}", version)


async def _hold(database: Database, name: int) -> None:
    """Appends that draw their positions early and are committed late, or not at all."""
    async with await connect(database.url) as connection:
        version = 0
        for number in range(APPENDS // 4):
            await connection.execute("begin")
            await append_by_hand(connection, f"h-{name}", version)
            await asyncio.sleep(0)
            version += number % 3 != 0
            await connection.execute("rollback" if number % 3 == 0 else "commit")
