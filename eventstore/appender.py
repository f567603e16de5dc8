"""Group commit: all appends of a process go through one queue, one connection, one call in flight.

append()  ->  queue  ->  batch: what queued up while the last call ran, at most 64 items, no stream twice
          ->  one call of the append function, one transaction  ->  each waiter gets its own outcome

No timer: with one client a batch has one item. A lost connection leaves the whole batch in doubt; it is sent
again with the same event ids, and the function recognises what it had committed.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from tenacity import AsyncRetrying, before_sleep_log, retry_if_exception_type, wait_random_exponential

from eventstore.connections import TRANSIENT, Pool
from eventstore.documents import Item, document, outcome
from eventstore.errors import InvalidAppend, StoreUnavailable, WrongExpectedVersion
from eventstore.events import Appended
from eventstore.tasks import end

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AppenderLimits:
    """Bounds of a batch, of the queue, and of the time that a batch may stay in doubt."""

    batch_items: int = 64
    batch_bytes: int = 4 * 1024 * 1024
    waiting_items: int = 10_000
    scanned_items: int = 1_000
    connect_seconds: float = 2.0
    give_up_after_seconds: float = 30.0


DEFAULT_LIMITS = AppenderLimits()


@dataclass(frozen=True, slots=True)
class _Waiter:
    item: Item
    answer: asyncio.Future[Appended]

    def resolve(self, result: Appended | BaseException) -> None:
        if self.answer.done():  # cancelled: the append happened all the same, nobody wants to know
            return
        if isinstance(result, BaseException):
            self.answer.set_exception(result)
        else:
            self.answer.set_result(result)


class Appender:
    """Appends items through one database function. Give it a pool of its own, of one connection: its plans
    stay warm, and readers that use up the other pool cannot hold appends back.

    `function` is the SQL function, schema and name. `on_commit` is called in the loop after every call that
    appended something, with the last position; it must neither block nor raise. Nor may `on_batch`, which is
    told after every answered call how many appends were in it, and how many of them lost their race.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        function: tuple[str, str] = ("eventstore", "append_items"),
        limits: AppenderLimits = DEFAULT_LIMITS,
        on_commit: Callable[[int], None] | None = None,
        on_batch: Callable[[int, int], None] = lambda _items, _lost: None,
    ) -> None:
        self._pool = pool
        self._statement = sql.SQL("select {}(%s)").format(sql.Identifier(*function)).as_string()
        self._limits = limits
        self._on_commit = on_commit
        self._on_batch = on_batch
        self._waiting: deque[_Waiter] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._closed = False
        self._retrying = AsyncRetrying(
            retry=retry_if_exception_type(TRANSIENT),
            wait=wait_random_exponential(multiplier=0.02, max=1),
            before_sleep=before_sleep_log(logger, logging.WARNING),
            reraise=True,
        )

    async def append(self, item: Item) -> Appended:
        """Append one item. A caller cancelled while the call is in flight does not know whether it happened.

        Raises WrongExpectedVersion, CommandIdReused, AppendRefused, InvalidAppend, or StoreUnavailable when
        the database did not answer in time.
        """
        if self._closed:
            raise StoreUnavailable("the appender is closed")
        if len(self._waiting) >= self._limits.waiting_items:
            raise StoreUnavailable(f"{len(self._waiting)} appends are waiting already")
        waiter = _Waiter(item, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all(), name="eventstore-appender")
        return await waiter.answer

    async def close(self, patience_seconds: float | None = None) -> None:
        """Refuse new appends and wait for those that are queued, but no longer than `patience_seconds`: what
        is left then fails with StoreUnavailable."""
        self._closed = True
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=patience_seconds)
            await end(self._sending)

    async def _send_all(self) -> None:
        batch: list[_Waiter] = []
        try:
            while batch := self._next_batch():
                await self._send(batch)
        finally:  # nobody waits for ever, even when this task is cancelled
            self._fail((*batch, *self._drain()), StoreUnavailable("the appender was stopped"))

    def _next_batch(self) -> list[_Waiter]:
        """What can be sent together: first come, first served, and in each stream strictly so."""
        batch: list[_Waiter] = []
        deferred: list[_Waiter] = []
        taken: set[str] = set()
        size_bytes = 0
        while self._waiting and len(batch) < self._limits.batch_items:
            if len(deferred) >= self._limits.scanned_items:
                break
            waiter = self._waiting[0]
            if batch and size_bytes + waiter.item.size_bytes > self._limits.batch_bytes:
                break
            self._waiting.popleft()
            if waiter.answer.done():
                continue
            keys = waiter.item.keys
            if taken.isdisjoint(keys):
                batch.append(waiter)
                size_bytes += waiter.item.size_bytes
            else:
                deferred.append(waiter)
            taken |= keys  # of a deferred item too: a later one must not overtake it in another stream
        self._waiting.extendleft(reversed(deferred))
        return batch

    async def _send(self, batch: Sequence[_Waiter]) -> None:
        try:
            results = await self._call_until_known([waiter.item for waiter in batch])
        except (*TRANSIENT, TimeoutError) as error:
            # Those that wait would wait as long again, one batch after the other.
            unavailable = StoreUnavailable(f"no answer within {self._limits.give_up_after_seconds} s")
            unavailable.__cause__ = error
            self._fail((*batch, *self._drain()), unavailable)
        except Exception as error:
            if len(batch) > 1:  # one poison item must not cost the others anything
                for waiter in batch:
                    await self._send([waiter])
            else:
                self._fail(batch, _final(error))
        else:
            self._deliver(batch, results)

    async def _call_until_known(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        async with asyncio.timeout(self._limits.give_up_after_seconds):
            try:
                return await self._call(items)
            except TRANSIENT:
                return await self._retrying(self._call, items)

    async def _call(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        parameter = Jsonb(document(items), dumps=orjson.dumps)
        async with self._pool.connection(self._limits.connect_seconds) as connection:
            cursor = await connection.execute(self._statement, (parameter,))
            row = await cursor.fetchone()
        results: list[dict[str, Any]] = row[0] if row is not None else []
        return results

    def _deliver(self, batch: Sequence[_Waiter], results: Iterable[dict[str, Any]]) -> None:
        by_number = {row["n"]: row for row in results}
        last = lost = 0
        for number, waiter in enumerate(batch):
            result = outcome(waiter.item, by_number[number])
            if isinstance(result, Appended) and not result.duplicate:
                last = max(last, result.position)
            lost += isinstance(result, WrongExpectedVersion)
            waiter.resolve(result)
        if last and self._on_commit is not None:
            self._on_commit(last)
        self._on_batch(len(batch), lost)

    def _drain(self) -> list[_Waiter]:
        drained = list(self._waiting)
        self._waiting.clear()
        return drained

    @staticmethod
    def _fail(waiters: Iterable[_Waiter], error: Exception) -> None:
        for waiter in waiters:
            waiter.resolve(error)


def _final(error: Exception) -> Exception:
    """What the database cannot store is the fault of its caller; anything else is a bug and stays."""
    if isinstance(error, psycopg.DataError):
        invalid = InvalidAppend(str(error))
        invalid.__cause__ = error
        return invalid
    return error
