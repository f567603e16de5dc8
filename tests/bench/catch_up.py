"""How fast each read model takes in the log, against one SELECT that only reads the same events.

python -m tests.bench.catch_up [--events 50000] [--rounds 3] [--only sagas] [--profile] [--directory DIR]

Copies of one real order, its saga's journal and the whole history of its accounts and stock, in a Postgres of
its own with the settings of the embedded one (fsync on), below DIR, gone afterwards. Medians of the rounds,
and the spread. Each read model begins with empty tables and goes on as in a server, in batches with a rest
between them.
"""

import argparse
import asyncio
import cProfile
import pstats
import statistics
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import args_row
from psycopg.types.string import TextLoader

from app.database import DatabaseUrls, migrate, prepare_embedded
from app.readmodels.projections import projections_of
from domain.aggregates import CATALOG
from eventstore import RecordedEvent
from eventstore.connections import Pool, store_pool
from eventstore.postgres import _ALL, PostgresEventStore
from eventstore.projections import LIVE_SCHEMA, REST_SECONDS, Projection, ProjectionRunner
from eventstore.reader import COLUMNS
from tests.bench.growth import fill_template, load, order_events, server
from tests.integration.eventstore.stores import open_store
from workflows.saga.codec import EventCodec

BAR = 0.3
"""Of the rate at which one SELECT reads."""
READ, READ_AS_TEXT = "SELECT", "the same, JSON as text"
_AS_TEXT = f"select {', '.join(COLUMNS)} from eventstore.events order by position"
_BEGIN_ANEW = "update eventstore.checkpoints set position = 0 where subscription = %s"


async def seconds_to_read(pool: Pool, events: int) -> float:
    """One SELECT of all events, into the objects that a projection is given."""
    began = time.perf_counter()
    async with pool.connection() as connection:
        cursor = connection.cursor(row_factory=args_row(RecordedEvent))
        await cursor.execute(_ALL.encode(), {"after": 0, "to": events, "limit": events})
        assert len(await cursor.fetchall()) == events
    return time.perf_counter() - began


async def seconds_to_read_as_text(pool: Pool, events: int) -> float:
    """The least that reading them can cost in Python: tuples whose JSON nobody has looked into."""
    began = time.perf_counter()
    async with pool.connection() as connection:
        cursor = connection.cursor()
        cursor.adapters.register_loader("jsonb", TextLoader)
        await cursor.execute(_AS_TEXT.encode())
        assert len(await cursor.fetchall()) == events
    return time.perf_counter() - began


async def seconds_to_catch_up(
    pool: Pool, store: PostgresEventStore, owner: psycopg.Connection[Any], projection: Projection, events: int
) -> float:
    """A read model from empty tables to the end of the log."""
    for table in projection.tables:
        owner.execute(sql.SQL("truncate {}").format(sql.Identifier(LIVE_SCHEMA, table)))
    owner.execute(_BEGIN_ANEW, [projection.name])
    runner = ProjectionRunner(pool, store, projection)
    began = time.perf_counter()
    while await runner.advance():  # noqa: ASYNC110 - as `follow` does it
        await asyncio.sleep(REST_SECONDS)
    seconds = time.perf_counter() - began
    assert await runner.position() == events
    return seconds


async def measure(
    urls: DatabaseUrls, owner: psycopg.Connection[Any], events: int, rounds: int, only: str | None
) -> dict[str, list[float]]:
    """Seconds by name, round by round: what else the machine does falls on all of them."""
    projections = [each for each in projections_of(EventCodec(CATALOG)) if only in (None, each.name)]
    names = (READ, READ_AS_TEXT, *(each.name for each in projections))
    taken: dict[str, list[float]] = {name: [] for name in names}
    async with open_store(urls.app) as store, store_pool(urls.app, 4) as pool:
        await seconds_to_read(pool, events)
        for _ in range(rounds):
            taken[READ].append(await seconds_to_read(pool, events))
            taken[READ_AS_TEXT].append(await seconds_to_read_as_text(pool, events))
            for projection in projections:
                taken[projection.name].append(
                    await seconds_to_catch_up(pool, store, owner, projection, events)
                )
    return taken


def report(taken: dict[str, list[float]], events: int) -> None:
    """Rates, and their ratios to each of the two SELECTs."""
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    for name, seconds in taken.items():
        spread = f"({events / max(seconds):,.0f} to {events / min(seconds):,.0f})"
        ratios = [medians[reading] / medians[name] for reading in (READ, READ_AS_TEXT)]
        under = "" if ratios[0] >= BAR else f"   below {BAR}"
        rate = events / medians[name]
        print(f"{name:24} {rate:9,.0f} events/s {spread:20} {ratios[0]:6.2f} {ratios[1]:6.2f}{under}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--directory", type=Path, default=Path("/tmp"))
    asked = parser.parse_args(arguments)
    with server(asked.directory) as running:
        urls = prepare_embedded(running)
        asyncio.run(migrate(urls))
        template = asyncio.run(order_events(complete=True))
        with psycopg.connect(urls.owner, autocommit=True) as owner:
            size = fill_template(owner, template, all_owned=True)
            events = asked.events // size * size
            load(owner, size, range(1, events // size + 1))
            owner.execute("vacuum (analyze) eventstore.events")
            profile = cProfile.Profile() if asked.profile else None
            with profile or nullcontext():
                taken = asyncio.run(measure(urls, owner, events, asked.rounds, asked.only))
    report(taken, events)
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
