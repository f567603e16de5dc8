"""What is measured, each in a closed loop: a client asks again when it has its answer.

sagas       from the request to the end of a saga of five commands, start and DBOS's rows included
appends     one event to a stream of its own, one transaction of its own
projection  events that a read model takes in when it is built anew
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from uuid_utils.compat import uuid7

from app.bench.saga import BENCH, COMMANDS, CURRENCY, Bench
from app.runtime import Runtime
from domain.account import AccountOpened
from eventstore import Batch
from eventstore.decisions import Author
from eventstore.projections import ProjectionRunner, Slot

END_SECONDS_MAX: Final = 60.0
READ_MODEL: Final = "accounts"
BY: Final = Author("saga bench", "measured")

Ask = Callable[[], Awaitable[None]]


class MeasurementFailed(Exception):
    """What was measured did not do what it should."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a second, and how long one took, in milliseconds: the median and the 99th of a hundred."""

    clients: int
    per_second: float
    p50_ms: float
    p99_ms: float


async def closed_loop(ask: Ask, clients: int, seconds: float) -> Rate:
    """`clients` that ask for `seconds`, after a tenth of that time that does not count."""
    clock = time.perf_counter
    begin = clock() + seconds / 10
    end = begin + seconds
    took: list[float] = []
    last = end

    async def client() -> None:
        nonlocal last
        while (asked := clock()) < end or not took:  # however slow it is, one is measured
            await ask()
            answered = clock()
            if asked >= begin and (answered <= end or not took):
                took.append(answered - asked)
                last = max(last, answered)

    await asyncio.gather(*(client() for _ in range(clients)))
    hundredths = statistics.quantiles(took, n=100) if len(took) > 1 else took * 99
    return Rate(clients, len(took) / (last - begin), statistics.median(took) * 1000, hundredths[98] * 1000)


async def sagas(runtime: Runtime, clients: int, seconds: float) -> Rate:
    """Sagas a second. Raises MeasurementFailed."""

    async def run_one() -> None:
        started = await runtime.engine.start(BENCH.name, Bench(account=f"bench-{uuid7()}"), direct=True)
        saga = await runtime.engine.wait(started.saga.saga_id, END_SECONDS_MAX, known=started.saga)
        if saga.status != "completed" or len(saga.steps) != COMMANDS:
            raise MeasurementFailed(f"saga {saga.saga_id} is {saga.status}: {saga.error}")

    return await closed_loop(run_one, clients, seconds)


async def appends(runtime: Runtime, writers: int, seconds: float) -> Rate:
    """Appends of one event a second."""

    async def append_one() -> None:
        key = f"bench-{uuid7()}"
        event = runtime.codec.encode(AccountOpened(account_id=key, currency=CURRENCY), {"actor": BY.actor})
        await runtime.store.append([Batch(f"account-{key}", 0, [event])])

    return await closed_loop(append_one, writers, seconds)


async def projection(runtime: Runtime) -> float:
    """Events a second that a read model takes in from the first one on, in tables beside those served."""
    projection = next(each for each in runtime.projections if each.projection.name == READ_MODEL).projection
    await runtime.rebuilds.start(READ_MODEL, BY)
    try:
        runner = ProjectionRunner(runtime.pool, runtime.store, projection, slot=Slot.STAGING)
        end = await runtime.store.safe_position()
        began, done = time.perf_counter(), 0
        while done < end:
            if not await runner.advance():
                await asyncio.sleep(0.01)  # another runner of this process is at it
            done = await runner.position()
        took = time.perf_counter() - began
        events = await _events(runtime)
    finally:
        await runtime.rebuilds.discard(READ_MODEL, BY)
    return events / took


async def _events(runtime: Runtime) -> int:
    async with runtime.pool.connection() as connection:
        cursor = await connection.execute("select count(*) from eventstore.events")
        row = await cursor.fetchone()
    return int(row[0]) if row else 0
