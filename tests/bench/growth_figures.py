"""What is measured of a store of some size, and the plans of its hot reads."""

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from uuid_utils.compat import uuid7

from app.database import DatabaseUrls
from app.readmodels.sagas import SAGAS, SORT, SagaFilter, SagaList, SagaProjection
from domain.account import Deposit, OpenAccount
from domain.aggregates import CATALOG
from domain.money import Money
from eventstore import Appended, Batch, NewEvent
from eventstore.connections import store_pool
from eventstore.postgres import _ALL, _STREAM_FORWARDS, PostgresEventStore
from eventstore.projections import ProjectionRunner
from tests.integration.eventstore.stores import open_store
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler, Decision

READS = 200
APPENDS = 400
ACCOUNTS = 64
WRITERS = 8
LOAD_SECONDS = 8.0
CATCH_UP_SECONDS = 15.0
PAYLOAD = {"account_id": "a", "hold": "h", "money": {"amount": 1400, "currency": "USD"}, "note": "x" * 80}
METADATA = {"actor": "bench", "correlation_id": "c" * 36, "causation_id": "c" * 36, "command_id": "d" * 36}

_SIZES = """
    select c.relname, pg_relation_size(c.oid)
      from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
     where (n.nspname, c.relname) in (values ('eventstore', 'events'), ('eventstore', 'events_pkey'),
           ('eventstore', 'events_stream_version_key'), ('eventstore', 'events_by_id'),
           ('readmodels', 'sagas'))"""
_VACUUM = """
    select n_live_tup, n_ins_since_vacuum, autovacuum_count, autoanalyze_count, total_autovacuum_time,
           total_autoanalyze_time
      from pg_stat_user_tables where schemaname = 'eventstore' and relname = 'events'"""
_MORE_SAGAS = """
    insert into readmodels.sagas (saga_id, position, name, status, named_run, updated_at, summary)
    select lpad(to_hex(n), 10, '0'), n * %(step)s, name, 'completed', named_run, updated_at, summary
      from (select * from readmodels.sagas order by position limit 1) as one
     cross join generate_series(%(first)s::bigint, %(last)s::bigint) as n
        on conflict do nothing"""
_WRITTEN = "select pg_current_wal_insert_lsn() - '0/0', wal_fpi from pg_stat_wal"
_HOT = {
    "page of all": (_ALL, {"to": 2**62}),
    "page of a stream": (_STREAM_FORWARDS, {"after": 0, "to": 2**31 - 1}),
    "page of the list of sagas": (SAGAS.statement({}, SORT, 99)[0].decode(), {}),
    "page of the list by status": (
        SAGAS.statement({"status": "completed"}, SORT, 99)[0].decode(),
        {"status": "completed"},
    ),
    "page of the list by last change": (SAGAS.statement({}, "-updated", 99)[0].decode(), {}),
}


@dataclass
class Figures:
    """What was measured. Times in milliseconds, the median and the 99th of a hundred."""

    events: int
    appended: int = 0
    rows: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    """What is drawn: medians in milliseconds, rates a second, pages, bytes an event."""

    def text(self) -> str:
        lines = [f"== {self.events:,} events", *(f"{name:34} {value}" for name, value in self.rows.items())]
        return "\n".join(lines)


async def measure(
    urls: DatabaseUrls, owner: psycopg.Connection[Any], *, loaded: float, sagas: int
) -> Figures:
    ((events,),) = owner.execute("select count(*) from eventstore.events").fetchall()
    figures = Figures(events)
    rows = figures.rows
    rows["loaded, events/s"] = f"{loaded:,.0f}"
    figures.numbers["loaded"] = loaded
    rows["statistics before ANALYZE"] = str(owner.execute(_VACUUM).fetchall()[0])
    began = time.monotonic()
    owner.execute("vacuum (analyze) eventstore.events")
    rows["VACUUM ANALYZE by hand, s"] = f"{time.monotonic() - began:.1f}"
    async with open_store(urls.app) as store:
        await _reads(figures, store, owner)
        await _projection(figures, urls, store, owner, sagas)
        for name, size in owner.execute(_SIZES).fetchall():
            rows[f"size of {name}"] = f"{size / 2**20:,.0f} MB, {size / events:.0f} bytes an event"
            figures.numbers[f"size of {name}"] = size
        _plans(figures, owner, events)
        figures.appended = await _appends(figures, store, owner)
        figures.appended += await _steps(figures, store)
    # What was appended to measure counts as followed: the next size begins with copies of orders.
    owner.execute(
        "update eventstore.checkpoints set position = (select max(position) from eventstore.events)"
        " where subscription = 'sagas'"
    )
    return figures


async def _timed(figures: Figures, name: str, times: int, work: Callable[[], Awaitable[Any]]) -> None:
    for _ in range(5):
        await work()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    median = figures.numbers[name] = statistics.median(taken)
    figures.rows[f"{name}, ms"] = f"{median:.2f} (99 %: {taken[int(len(taken) * 0.99)]:.2f})"


async def _reads(figures: Figures, store: PostgresEventStore, owner: psycopg.Connection[Any]) -> None:
    ((last,),) = owner.execute("select max(position) from eventstore.events").fetchall()
    journals = [
        row[0]
        for row in owner.execute(
            "select stream from eventstore.events where position = any(%s) and stream like 'saga-%%'",
            [[random.randrange(1, last) for _ in range(2_000)]],
        ).fetchall()
    ]

    async def journal() -> int:
        return len([event async for event in store.read_stream(random.choice(journals))])

    async def page() -> int:
        after = random.randrange(0, last)
        return len([event async for event in store.read_all(after, limit=1_000)])

    async def long_stream() -> int:
        return len([event async for event in store.read_stream("account-ana-7", limit=500)])

    await _timed(figures, "read a journal", READS, journal)
    await _timed(figures, "page of a long stream, 500", READS // 4, long_stream)
    await _timed(figures, "page of all events, 1,000", READS // 4, page)


async def _projection(
    figures: Figures,
    urls: DatabaseUrls,
    store: PostgresEventStore,
    owner: psycopg.Connection[Any],
    sagas: int,
) -> None:
    async with store_pool(urls.app, 4) as pool:
        runner = ProjectionRunner(pool, store, SagaProjection(EventCodec(CATALOG)), asyncio.Event())
        position = "select position from eventstore.checkpoints where subscription = 'sagas'"
        ((before,),) = owner.execute(position).fetchall()
        began = time.monotonic()
        following = asyncio.create_task(runner.run())
        while time.monotonic() - began < CATCH_UP_SECONDS:
            await asyncio.sleep(0.5)
            ((reached,),) = owner.execute(position).fetchall()
            if reached >= before and runner.trouble is None and await store.safe_position() == reached:
                break
        seconds = time.monotonic() - began
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        rate = figures.numbers["projection catches up"] = (reached - before) / seconds
        figures.rows["projection catches up, events/s"] = f"{rate:,.0f}"
        ((last,),) = owner.execute("select max(position) from eventstore.events").fetchall()
        owner.execute(_MORE_SAGAS, {"step": last // sagas, "first": 1, "last": sagas})
        owner.execute("analyze readmodels.sagas")
        # The rest of the log counts as followed: the next size begins here.
        owner.execute("update eventstore.checkpoints set position = %s where subscription = 'sagas'", [last])
        listing = SagaList(pool)
        await _timed(figures, "page of the list, 50", READS, listing_page(listing, SagaFilter()))
        done = SagaFilter(status="completed")
        await _timed(figures, "page of the list by status", READS, listing_page(listing, done))


def listing_page(listing: SagaList, wanted: SagaFilter) -> Callable[[], Awaitable[Any]]:
    return lambda: listing.page(wanted)


def _plans(figures: Figures, owner: psycopg.Connection[Any], events: int) -> None:
    """Every hot read descends an index; how many pages of 8 kB it touches, which no other work on the machine
    changes. Raises AssertionError."""
    for name, (query, given) in _HOT.items():
        parameters = {"after": events // 2, "limit": 100, "stream": "account-ana-7", **given}
        explain = f"explain (analyze, buffers, format json) {query}".encode()
        ((document,),) = owner.execute(explain, parameters).fetchall()
        plan = document[0]["Plan"]
        scans = sorted(set(_scans(plan)))
        assert "Seq Scan" not in " ".join(scans), f"{name}: {scans}"
        pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        figures.rows[f"{name}, 100 rows"] = f"{', '.join(scans)}; {pages} pages"
        figures.numbers[f"pages of {name}"] = pages


def _scans(plan: dict[str, Any]) -> list[str]:
    own = [f"{plan['Node Type']} {plan.get('Index Name', '')}"] if "Scan" in plan["Node Type"] else []
    return own + [scan for inner in plan.get("Plans", []) for scan in _scans(inner)]


async def _appends(figures: Figures, store: PostgresEventStore, owner: psycopg.Connection[Any]) -> int:
    done = 0
    start = owner.execute(_WRITTEN).fetchall()[0]

    async def one() -> None:
        nonlocal done
        await store.append([Batch(f"probe-{uuid7()}", 0, [NewEvent("Happened", PAYLOAD, METADATA)])])
        done += 1

    await _timed(figures, "append of one event", APPENDS, one)
    ending = time.monotonic() + LOAD_SECONDS
    before, began = done, time.monotonic()

    async def write() -> None:
        while time.monotonic() < ending:
            await one()

    await asyncio.gather(*(write() for _ in range(WRITERS)))
    end = owner.execute(_WRITTEN).fetchall()[0]
    pages = (end[1] - start[1]) / done
    wal = figures.numbers["WAL of an append"] = float(end[0] - start[0]) / done
    figures.rows["WAL of an append"] = f"{wal:,.0f} bytes, with {pages:.2f} full pages"
    rate = figures.numbers[f"appends of {WRITERS} writers"] = (done - before) / (time.monotonic() - began)
    figures.rows[f"appends, {WRITERS} writers, events/s"] = f"{rate:,.0f}"
    return done


async def _steps(figures: Figures, store: PostgresEventStore) -> int:
    """What a step of `execute` costs: a command decided, its event and a journal entry in one append."""
    handler = CommandHandler(store, EventCodec(CATALOG))
    money = Money(amount=1, currency="USD")
    appended = 0
    accounts = [f"probe-{uuid7()}" for _ in range(ACCOUNTS)]

    async def commit_alone(decision: Decision) -> Appended:
        return await store.append([decision.batch(METADATA)])

    for account in accounts:
        await handler.handle(OpenAccount(account_id=account, currency="USD"), commit_alone)

    async def step() -> None:
        nonlocal appended
        entry = Batch(f"entries-{uuid7()}", 0, [NewEvent("StepHappened", PAYLOAD, METADATA)])

        async def commit(decision: Decision) -> Appended:
            return await store.append([decision.batch(METADATA), entry])

        await handler.handle(Deposit(account_id=random.choice(accounts), money=money), commit)
        appended += 2

    await _timed(figures, "step", APPENDS, step)

    async def cold() -> None:
        await CommandHandler(store, handler.codec).load("account", random.choice(accounts))

    await _timed(figures, "load an aggregate", READS, cold)
    return appended + ACCOUNTS
