"""An answer is as of the position that it tells, also when other tables are promoted at that moment."""

import asyncio

import pytest

from app.positions import Position
from app.readmodels.reading import ReadModel, View
from eventstore.errors import TablesBusy
from eventstore.projections import Slot
from tests.conftest import Database
from tests.integration.eventstore.stores import until
from tests.integration.eventstore.tallies import BY, NAME, Scene, scene

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ROUNDS = 8


async def taken_in(view: View) -> tuple[int, int]:
    """How many events the rows count, and how many there are up to the position that is told."""
    cursor = await view.connection.execute(
        """
        select (select coalesce(sum(events), 0) from readmodels.tally),
               (select count(*) from eventstore.events where position <= %s)""",
        [view.position.position],
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


async def test_who_has_read_the_position_reads_the_tables_that_it_is_of(database: Database) -> None:
    async with scene(database) as tally:
        await tally.rebuilds.start(NAME, BY)
        await tally.catch_up(tally.side(Slot.STAGING))
        await tally.write("x-0", events=5)
        await tally.catch_up(tally.live)

        async with ReadModel(tally.pool, NAME).view(Position(0), 0, asyncio.Event()) as view:
            with pytest.raises(TablesBusy):
                await tally.promotion.promote(NAME, BY, wait_seconds=0)
            counted, there = await taken_in(view)
        await tally.promotion.promote(NAME, BY)

    assert counted == there


async def test_what_was_written_is_read_through_promotions_and_returns(database: Database) -> None:
    seen: list[tuple[int, int]] = []

    async def write_and_read(tally: Scene, writer: int) -> None:
        number = 0
        while True:
            number += 1
            position = await tally.write(f"w-{writer}.{number}", events=2)
            async with ReadModel(tally.pool, NAME).view(Position(position), 20, asyncio.Event()) as view:
                seen.append(await taken_in(view))

    async with scene(database) as tally, tally.following():
        clients = [asyncio.create_task(write_and_read(tally, writer)) for writer in range(3)]
        for _ in range(ROUNDS):
            await tally.rebuilds.start(NAME, BY)
            await tally.promotion.promote(NAME, BY, wait_seconds=30)
            await tally.promotion.return_(NAME, BY, wait_seconds=30)
            await another(seen)
        for client in clients:
            client.cancel()
        await asyncio.wait(clients)

    assert [pair for pair in seen if pair[0] != pair[1]] == []
    assert len(seen) > len(clients)
    assert [client for client in clients if not client.cancelled()] == []


async def another(seen: list[tuple[int, int]]) -> None:
    """Wait until somebody has read once more: a fast server promotes quicker than they read."""
    before = len(seen)

    async def has_come() -> bool:
        return len(seen) > before

    await until(has_come)
