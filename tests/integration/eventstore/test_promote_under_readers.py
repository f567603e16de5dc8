"""Promote and return while readers read: no error, no mixture of old and new, never back in the log."""

import asyncio
from dataclasses import dataclass, field

import pytest

from eventstore.projections import Slot
from tests.conftest import Database
from tests.integration.eventstore.stores import connect
from tests.integration.eventstore.tallies import BY, NAME, Scene, Tally, scene

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ROUNDS = 6
# The tables of a version all have its factor: a mixture would show as sums that differ.
LOOK = """
    select (select sum(events) from readmodels.tally), (select events from readmodels.tally_total),
           (select max(last) from readmodels.tally)"""


@dataclass
class Reader:
    database: Database
    looks: int = 0
    wrong: list[str] = field(default_factory=list)
    stopped: bool = False

    async def read(self) -> None:
        latest = 0
        async with await connect(self.database.url) as connection:
            connection.prepare_threshold = 1  # plans that outlive the swap
            while not self.stopped:
                cursor = await connection.execute(LOOK)
                rows, total, last = await cursor.fetchone() or (0, 0, 0)
                self.looks += 1
                if rows != total:
                    self.wrong.append(f"{rows} in one table, {total} in the other")
                if last < latest:
                    self.wrong.append(f"went back from {latest} to {last}")
                latest = last


async def test_readers_see_all_of_the_old_or_all_of_the_new(database: Database) -> None:
    async with scene(database) as old:
        await old.write("x-0", events=20)
        await old.catch_up(old.live)
    async with scene(database, Tally(version=2, factor=1000)) as new:
        await new.rebuilds.start(NAME, BY)
        await new.catch_up(new.side(Slot.STAGING))
        await new.promotion.promote(NAME, BY)
        readers = [Reader(database) for _ in range(3)]
        reading = [asyncio.create_task(reader.read()) for reader in readers]
        async with new.following():
            writing = asyncio.create_task(_write(new))
            for _ in range(ROUNDS):
                await new.rebuilds.start(NAME, BY)
                await new.promotion.promote(NAME, BY, wait_seconds=60)
                await new.promotion.return_(NAME, BY, wait_seconds=60)
                for reader in readers:
                    await _looks_again(reader)
            writing.cancel()
            await asyncio.wait([writing])
        for reader in readers:
            reader.stopped = True
        await asyncio.gather(*reading)

        assert [reader.wrong for reader in readers] == [[], [], []]
        assert (
            await new.decisions()
            == ["RebuildStarted", "Promoted"] + [*["RebuildStarted", "Promoted", "Returned"]] * ROUNDS
        )


async def test_a_reader_that_does_not_end_is_not_waited_for(database: Database) -> None:
    """Nor do other readers wait behind it for longer than a moment."""
    async with scene(database) as tally:
        await tally.write("x-0")
        await tally.catch_up(tally.live)
        await tally.rebuilds.start(NAME, BY)
        await tally.catch_up(tally.side(Slot.STAGING))
        async with await connect(database.url) as slow, await connect(database.url) as other:
            await slow.execute("begin")
            await slow.execute(LOOK)
            promoting = asyncio.create_task(tally.promotion.promote(NAME, BY, wait_seconds=60))
            await other.execute("set statement_timeout = '5s'")
            for _ in range(20):
                await other.execute(LOOK)
            assert not promoting.done()

            await slow.execute("commit")
            await promoting

        assert (await tally.view()).staging is None


async def _write(tally: Scene) -> None:
    number = 0
    while True:
        number += 1
        await tally.write(f"w-{number}", events=2)


async def _looks_again(reader: Reader) -> None:
    """Until it has looked after this."""
    before = reader.looks
    async with asyncio.timeout(60):
        while reader.looks < before + 2 and not reader.stopped:  # noqa: ASYNC110 - it is no Event
            await asyncio.sleep(0.002)
