"""The product's store in a test database, operated at instants of virtual time.

Real are the append functions of the event store, of the kernel and of DBOS, the appender with its group
commit and its retries, the pages of a read, the connections. What is not real is the clock (clock.sql).
"""

import asyncio
from asyncio import events
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import namedtuple_row

from eventstore import Appended, Batch, CommandId, RecordedEvent, StoreUnavailable
from eventstore.appender import Appender
from eventstore.connections import store_pool
from eventstore.postgres import PostgresEventStore
from eventstore.snapshots import Dump, PostgresSnapshots, Snapshot
from eventstore.tasks import end

T = TypeVar("T")

Offer = tuple[str, str, Dump]
"""A snapshot: its stream, the fingerprint of its code, what gives it."""

CLOCK = Path(__file__).with_name("clock.sql")
SEARCH_PATH = "-c search_path=simulation,pg_catalog"
PAGE_EVENTS = 5
"""So few that most reads of a journal need several pages."""
LOOKS_MAX = 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_SESSIONS = """
select pg_terminate_backend(pid, 10000) from pg_stat_activity
 where datname = current_database() and usename = 'saga_app'"""
_ENQUEUE = """
select dbos.enqueue_workflow(workflow_name => 'saga', queue_name => 'sagas',
                             positional_args => array[]::json[], workflow_id => %s)"""
_RUNS = """
select w.workflow_uuid as id, w.status, w.name as workflow, w.queue_name as queue, w.priority,
       w.application_version as version, w.application_name as application,
       w.delay_until_epoch_ms as delayed_until,
       i.inputs::json -> 'positionalArgs' ->> 0 as argument
  from dbos.workflow_status as w join dbos.workflow_input as i using (workflow_uuid)
 where starts_with(w.workflow_uuid, %s)"""


@dataclass
class Append:
    """What somebody wants appended."""

    batches: Sequence[Batch]
    command: CommandId | None
    attachment: Mapping[str, Any] | None


@dataclass
class RealStore:
    """One database with the product's store on it. Its loop runs only while somebody waits for an answer."""

    store: PostgresEventStore
    hand: psycopg.Connection[Any]
    loop: asyncio.AbstractEventLoop
    worlds: Iterator[int] = field(default_factory=lambda: count(1))
    calls: int = 0
    items: int = 0
    breaks: int = 0

    def wait_for(self, operation: Coroutine[Any, Any, T]) -> T:
        """The result of an operation, which takes no virtual time."""
        outer = events._get_running_loop()
        events._set_running_loop(None)
        try:
            return self.loop.run_until_complete(operation)
        finally:
            events._set_running_loop(outer)

    def set_clock(self, now: datetime) -> None:
        """Set the clock of the database."""
        self.hand.execute("select setval('simulation.clock', %s)", [(now - EPOCH) // MICROSECOND])

    def append(self, appends: Sequence[Append]) -> list[Appended | BaseException]:
        """Append all at once: they queue up at the appender, which sends them in as few calls as it can."""
        self.calls, self.items = self.calls + 1, self.items + len(appends)

        async def all_of_them() -> list[Appended | BaseException]:
            asked = (
                self.store.append(each.batches, command=each.command, attachment=each.attachment)
                for each in appends
            )
            return await asyncio.gather(*asked, return_exceptions=True)

        return self.wait_for(all_of_them())

    def read_stream(self, stream: str, **limits: Any) -> list[RecordedEvent]:
        return self.wait_for(collect(self.store.read_stream(stream, **limits)))

    def read_snapshot(self, stream: str, fingerprint: str, to: int | None) -> list[Snapshot | RecordedEvent]:
        return self.wait_for(collect(self.store.snapshots.read(stream, fingerprint, to=to)))

    def see_to(self, snapshots: Sequence[Offer | str]) -> None:
        """Keep those that are offered, and discard those of a stream, in this order."""
        self.wait_for(_see_to(self.store.snapshots, snapshots))

    def read_all(self, after: int, **limits: Any) -> list[RecordedEvent]:
        return self.wait_for(collect(self.store.read_all(after, **limits)))

    def now(self) -> datetime:
        return self.wait_for(self.store.now())

    def safe_position(self) -> int:
        return self.wait_for(self.store.safe_position())

    def runs(self, prefix: str) -> dict[str, dict[str, Any]]:
        """What DBOS's tables say of the runs whose ids begin so."""
        return {row.id: row._asdict() for row in self.hand.execute(_RUNS, [prefix])}

    def enqueue(self, run: str) -> None:
        """DBOS's own function, without any append."""
        self.hand.execute(_ENQUEUE, [run])

    def break_connections(self) -> None:
        """End the sessions of the store. The readers' is used at once, that of appends with the next one."""
        self.breaks += 1
        self.hand.execute(_SESSIONS)
        for _ in range(LOOKS_MAX):
            with suppress(StoreUnavailable):
                self.now()
                return
        raise AssertionError("the store does not come back")


@contextmanager
def real_store(url: str, admin_url: str) -> Iterator[RealStore]:
    """The store on a database, whose clock becomes virtual; `admin_url` is its superuser's."""
    loop, stack = asyncio.new_event_loop(), AsyncExitStack()
    with psycopg.connect(admin_url, autocommit=True, row_factory=namedtuple_row) as hand:
        hand.execute(CLOCK.read_bytes())
        store = loop.run_until_complete(_open(make_conninfo(url, options=SEARCH_PATH), stack))
        try:
            yield RealStore(store, hand, loop)
        finally:
            loop.run_until_complete(stack.aclose())
            loop.close()


async def _open(url: str, stack: AsyncExitStack) -> PostgresEventStore:
    appends = await stack.enter_async_context(store_pool(url, 1))
    reads = await stack.enter_async_context(store_pool(url, 1))
    appender = Appender(appends, function=("saga", "append_items"))
    stack.push_async_callback(appender.close)
    store = PostgresEventStore(reads, appender, page_events=PAGE_EVENTS)
    keeping = asyncio.create_task(store.snapshots.run())
    stack.push_async_callback(end, keeping)
    await asyncio.sleep(0)  # it runs: what is offered from now on is kept
    return store


async def _see_to(snapshots: PostgresSnapshots, waiting: Sequence[Offer | str]) -> None:
    for each in waiting:
        if isinstance(each, str):
            await snapshots.settled()
            await snapshots.discard(each)
        else:
            snapshots.offer(*each)
    await snapshots.settled()


async def collect(read: AsyncIterator[T]) -> list[T]:
    """All that it gives."""
    return [each async for each in read]
