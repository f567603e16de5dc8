"""A projection whose connection breaks between any two statements ends as a fold of the log, to the byte."""

from contextlib import suppress
from itertools import count

import psycopg
import pytest

from eventstore.checkpoints import Checkpoint
from eventstore.projections import ProjectionRunner, Slot
from tests.conftest import Database
from tests.integration.eventstore.dying import Death, When, dying_pool
from tests.integration.eventstore.stores import connect, until
from tests.integration.eventstore.tallies import BY, NAME, scene

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

EVENTS = 3


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_batch_that_breaks_off_anywhere_is_taken_in_once(database: Database, when: When) -> None:
    async with scene(database) as tally:
        for number in count(1):
            await tally.write(f"x-{number}", events=EVENTS)
            death = Death(number, when)
            async with dying_pool(database.url, death) as pool:
                runner = ProjectionRunner(pool, tally.store, tally.projection)
                death.armed = True
                with suppress(psycopg.OperationalError):
                    await runner.advance()
            if not death.happened:
                break  # one more exchange than there are
            await tally.catch_up_after_a_death(tally.live)

            totals = await tally.rows("readmodels")
            assert totals[-1] == f"(1,{EVENTS * number})"
            assert all(f",{EVENTS}," in row for row in totals[:-1])
            assert len(totals) == number + 1

        assert number > 8
        await tally.catch_up(tally.live)
        assert (await tally.view()).live.parked is None


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_rebuild_that_breaks_off_anywhere_equals_what_is_served(
    database: Database, when: When
) -> None:
    async with scene(database) as tally:
        await tally.catch_up(tally.live)
        await tally.rebuilds.start(NAME, BY)
        for number in count(1):
            await tally.write(f"x-{number}", events=EVENTS)
            death = Death(number, when)
            async with dying_pool(database.url, death) as pool:
                runner = ProjectionRunner(pool, tally.store, tally.projection, slot=Slot.STAGING)
                death.armed = True
                with suppress(psycopg.OperationalError):
                    await runner.advance()
            if not death.happened:
                break
            await nobody_leads(runner, database)
        await tally.catch_up_after_a_death(tally.side(Slot.STAGING))
        await tally.catch_up(tally.live)

        assert await tally.rows(Slot.STAGING.schema(NAME)) == await tally.rows("readmodels")
        assert number > 8


async def nobody_leads(runner: ProjectionRunner, database: Database) -> None:
    """Wait until the server has heard of the death: the next one would stand by before it comes so far."""
    async with await connect(database.url) as connection:
        await until(lambda: Checkpoint(runner.name).lead(connection))
