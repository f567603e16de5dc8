"""A toy projection, its tables and all that follows the log into them, on a test database."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection

from eventstore import Batch, RecordedEvent
from eventstore.checkpoints import Checkpoint
from eventstore.connections import Pool, store_pool
from eventstore.decisions import Author
from eventstore.postgres import PostgresEventStore
from eventstore.projections import ProjectionRunner, Slot
from eventstore.promotion import Promotion
from eventstore.rebuild import Rebuilds
from eventstore.side_runners import SideRunners
from eventstore.standings import FollowerView, Standings
from eventstore.tasks import end
from tests.conftest import Database
from tests.integration.eventstore.stores import connect, happened, open_store, until

NAME = "tally"
BY = Author(actor="ana", reason="a test")
TABLES = """
create table tally (
    stream text    not null collate "C" primary key,
    events integer not null,
    last   bigint  not null
);
create index tally_by_last on tally (last);
create table tally_total (
    id     integer not null primary key,
    events bigint  not null
);
"""
POISON = "Poison"


@dataclass
class Tally:
    """Counts events: of each stream in one table, of all in another. Both always agree."""

    version: int = 1
    factor: int = 1
    poisonous: bool = True
    name: str = NAME
    tables: Sequence[str] = ("tally", "tally_total")
    applied: list[int] = field(default_factory=list)

    async def apply(self, connection: AsyncConnection[Any], events: Sequence[RecordedEvent]) -> None:
        for event in events:
            if event.type == POISON and self.poisonous:
                raise ValueError("what is that?")
        async with connection.cursor() as cursor:
            await cursor.executemany(
                """
                insert into tally values (%s, %s, %s) on conflict (stream)
                    do update set events = tally.events + excluded.events, last = excluded.last
                """,
                [(event.stream, self.factor, event.position) for event in events],
            )
            await cursor.execute(
                """
                insert into tally_total values (1, %(n)s) on conflict (id)
                    do update set events = tally_total.events + excluded.events
                """,
                {"n": self.factor * len(events)},
            )
        self.applied.extend(event.position for event in events)


@dataclass
class Scene:
    """A store, a projection that is served, and what operators do with it."""

    database: Database
    store: PostgresEventStore
    pool: Pool
    projection: Tally
    live: ProjectionRunner
    sides: SideRunners
    rebuilds: Rebuilds
    promotion: Promotion
    standings: Standings

    async def view(self) -> FollowerView:
        return await self.standings.one(NAME)

    async def write(self, stream: str, version: int = 0, events: int = 1) -> int:
        appended = await self.store.append([Batch(stream, version, [happened() for _ in range(events)])])
        return appended.position

    async def rows(self, schema: str) -> list[str]:
        """All rows, as text, in the order of their keys."""
        async with await connect(self.database.owner_url) as connection:
            rows = await connection.execute(
                f"""
                select t::text from (select * from {schema}.tally order by stream) as t
                union all select t::text from {schema}.tally_total as t
                """.encode()
            )
            return [row[0] for row in await rows.fetchall()]

    async def decisions(self) -> list[str]:
        events = self.store.read_stream(f"projection-{NAME}")
        return [event.type.removeprefix("Projection") async for event in events]

    async def catch_up(self, runner: ProjectionRunner) -> None:
        while await runner.advance():
            pass

    async def catch_up_after_a_death(self, runner: ProjectionRunner) -> None:
        """The same beside a session that has died, which has its locks until the server hears of it."""

        async def there() -> bool:
            await self.catch_up(runner)
            tables = getattr(await self.view(), runner.slot)
            return tables is not None and tables.lag.events == 0

        await until(there)

    def side(self, slot: Slot) -> ProjectionRunner:
        return ProjectionRunner(self.pool, self.store, self.projection, slot=slot)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Everything is followed until the context ends, as in a server."""
        tasks = [asyncio.create_task(self.live.run()), asyncio.create_task(_look(self.sides))]
        try:
            yield
        finally:
            for task in tasks:
                await end(task)
            await self.sides.close()

    async def caught_up(self, slot: Slot = Slot.STAGING) -> None:
        """Wait until the side has come to where the log ends."""

        async def there() -> bool:
            tables = getattr(await self.view(), slot)
            return tables is not None and tables.lag.events == 0

        await until(there)


async def _look(sides: SideRunners) -> None:
    while True:
        await sides.look()
        await asyncio.sleep(0.02)


@asynccontextmanager
async def scene(database: Database, projection: Tally | None = None) -> AsyncIterator[Scene]:
    """The projection's tables are there and served, at the start of the log; a second scene finds them."""
    tally = projection or Tally()
    await _register(database, tally)
    async with open_store(database.url) as store, store_pool(database.url, 4) as pool:
        projections = {NAME: tally}
        rebuilds = Rebuilds(database.owner_url, "saga_app", store, projections, lambda _: TABLES)
        yield Scene(
            database,
            store,
            pool,
            tally,
            ProjectionRunner(pool, store, tally),
            SideRunners(pool, store, projections),
            rebuilds,
            Promotion(rebuilds),
            Standings(pool, store, {NAME: tally.version}),
        )


async def _register(database: Database, tally: Tally) -> None:
    async with await connect(database.owner_url) as connection:
        new = await Checkpoint(NAME).begin(connection, 0, "projection", tally.version, tally.tables)
        if new:
            await connection.execute(f"set search_path to readmodels;{TABLES}".encode())
            await connection.execute("grant all on all tables in schema readmodels to saga_app")
