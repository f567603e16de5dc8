"""An operator's decision that breaks off between any two statements has happened as a whole, or has not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count

import psycopg
import pytest

from eventstore.checkpoints import Connection
from eventstore.connections import CONNECTION_KWARGS, configure
from eventstore.errors import FollowerConflict
from eventstore.projections import Slot
from eventstore.promotion import Promotion
from eventstore.rebuild import Rebuilds
from tests.conftest import Database
from tests.integration.eventstore.dying import Death, When, dying_class
from tests.integration.eventstore.stores import connect, value
from tests.integration.eventstore.tallies import BY, NAME, TABLES, Scene, Tally, scene

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

SCHEMAS = (
    "select array_agg(nspname::text order by nspname) from pg_namespace where nspname like 'readmodels%%'"
)


@dataclass(frozen=True)
class DyingRebuilds(Rebuilds):
    """Its connection breaks."""

    death: Death | None = None

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[Connection]:
        assert self.death is not None
        connecting = dying_class(self.death).connect(self.owner_url, **CONNECTION_KWARGS)
        async with await connecting as connection:
            await configure(connection)
            self.death.armed = True
            yield connection
            self.death.armed = False


def dying(tally: Scene, death: Death) -> DyingRebuilds:
    projections = {NAME: tally.projection}
    url = tally.database.owner_url
    return DyingRebuilds(url, "saga_app", tally.store, projections, lambda _: TABLES, death)


async def schemas(tally: Scene) -> list[str]:
    async with await connect(tally.database.owner_url) as connection:
        names: list[str] = await value(connection, SCHEMAS)
        return names


async def check_whole(tally: Scene) -> None:
    """Each slot with a checkpoint has its tables in its schema, at that checkpoint; no other is there."""
    view = await tally.view()
    slots = [slot for slot in Slot if getattr(view, slot) is not None]
    assert await schemas(tally) == sorted(slot.schema(NAME) for slot in slots)
    for slot in slots:
        total = (await tally.rows(slot.schema(NAME)))[-1:]
        position = getattr(view, slot).lag.position
        async with await connect(tally.database.url) as connection:
            events = await value(
                connection, "select count(*) from eventstore.events where position <= %s", position
            )
        assert total == ([f"(1,{events})"] if events else [])


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_start_that_breaks_off(database: Database, when: When) -> None:
    async with scene(database) as tally:
        await tally.write("x-1", events=2)
        await tally.catch_up(tally.live)
        for number in count(1):
            death = Death(number, when)
            with suppress(psycopg.OperationalError):
                await dying(tally, death).start(NAME, BY)
            await check_whole(tally)
            with suppress(FollowerConflict):  # it had happened
                await tally.rebuilds.start(NAME, BY)
            await tally.rebuilds.discard(NAME, BY)
            if not death.happened:
                break
        assert number > 8


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_promotion_and_a_return_that_break_off(database: Database, when: When) -> None:
    """Among them those that take in the last events themselves."""
    async with scene(database, Tally()) as tally:
        await tally.write("x-0", events=2)
        await tally.catch_up(tally.live)
        for number in count(1):
            promoting, returning = Death(number, when), Death(number, when)
            await tally.rebuilds.start(NAME, BY)
            await tally.catch_up(tally.side(Slot.STAGING))
            await tally.write(f"x-{number}", events=2)
            await tally.catch_up(tally.live)

            with suppress(psycopg.OperationalError):
                await Promotion(dying(tally, promoting)).promote(NAME, BY)
            await check_whole(tally)
            with suppress(FollowerConflict):
                await tally.promotion.promote(NAME, BY)

            await tally.write(f"y-{number}", events=2)
            await tally.catch_up(tally.live)
            with suppress(psycopg.OperationalError):
                await Promotion(dying(tally, returning)).return_(NAME, BY)
            await check_whole(tally)
            if not promoting.happened and not returning.happened:
                break
        assert number > 15
