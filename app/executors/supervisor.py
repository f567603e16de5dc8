"""The supervisor: resumes the runs of executors that are dead, and our own runs that nobody runs.

An executor is dead when its process is gone, or its lease stays free: a connection that was only cut is made
again at once. When the server itself was restarted, or could not be reached from here, every lease is free
for a moment, and each executor gets ten seconds to claim it again. Before a run is resumed it is counted: a
saga that is resumed again without a new step outcome is resumed alone, and in the end made stuck.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from itertools import compress
from typing import Any, Final

import psycopg
import structlog
from psycopg.rows import class_row

from app.executors.lease import (
    FREE_SECONDS,
    LEASE_CLASS,
    RECLAIM_SECONDS,
    Instance,
    Lease,
    connect,
    lives,
    try_lock,
)
from eventstore import StoreUnavailable
from eventstore.connections import Pool
from eventstore.tasks import end
from workflows.saga.dbos_runs import DbosRuns, PendingRun
from workflows.saga.engine import SagaEngine
from workflows.saga.runs import run_number
from workflows.saga.state import read_state

SCAN_SECONDS: Final = 0.5
ORPHAN_SCAN_SECONDS: Final = 15.0
ORPHAN_AGE_SECONDS: Final = 30.0
RESUME_CHUNK: Final = 10
ATTEMPTS_MAX: Final = 5
SUSPECT_PATIENCE_SECONDS: Final = 5.0
SUSPECT_POLL_SECONDS: Final = 0.03

_COLUMNS: Final = """
    number, executor_id, host_boot_id, pid, process_started_at, server_started_at, timeline,
    extract(epoch from clock_timestamp() - pinged_at)::float8 as silent_seconds
"""
_FREE: Final = f"""
    select {_COLUMNS} from eventstore.executors as e
     where buried_at is null and number <> %(own)s
       and not exists (
           select from pg_locks where locktype = 'advisory' and granted and objsubid = 2
              and database = (select oid from pg_database where datname = current_database())
              and classid = %(class)s::int8::oid and objid = e.number::int8::oid)
     order by number
"""
_BURIED: Final = f"""
    select {_COLUMNS} from eventstore.executors where executor_id = any(%s) and buried_at is not null
"""
_COUNT: Final = """
    insert into saga.attempts as a (saga_id, last_outcome, attempts) values (%(saga)s, %(outcome)s, 1)
    on conflict (saga_id) do update set last_outcome = excluded.last_outcome, updated_at = clock_timestamp(),
        attempts = case when a.last_outcome = excluded.last_outcome then a.attempts + 1 else 1 end
    where %(again)s or a.last_outcome <> excluded.last_outcome
    returning attempts
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FreeLease:
    """An executor that is not buried and whose lease nobody holds."""

    number: int
    executor_id: str
    host_boot_id: str
    pid: int
    process_started_at: datetime
    server_started_at: datetime
    timeline: int
    silent_seconds: float

    @property
    def instance(self) -> Instance:
        return Instance(self.server_started_at, self.timeline)


@dataclass
class Supervisor:
    """Looks after the runs of the cluster from one executor. Any number may do so at once."""

    pool: Pool
    lease: Lease
    runs: DbosRuns
    engine: SagaEngine
    _instance: Instance | None = None
    _apart_until: float = float("-inf")
    _reclaims: int = 0
    _free_since: dict[int, float] = field(default_factory=dict)
    _orphans: dict[str, float] = field(default_factory=dict)
    _burying: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _one_suspect: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take_over(self) -> None:
        """Resume the runs of every executor that is dead."""
        now = asyncio.get_running_loop().time()
        try:
            instance, free = await self._look()
        except Exception:
            self._apart_until = float("inf")
            self._free_since.clear()
            raise
        if self._instance is None:
            self._apart_until = now
        elif (
            instance != self._instance
            or self._apart_until == float("inf")
            or self.lease.reclaims != self._reclaims
        ):
            self._apart_until = now + RECLAIM_SECONDS
        self._instance, self._reclaims = instance, self.lease.reclaims
        self._free_since = {other.number: self._free_since.get(other.number, now) for other in free}
        for other in free:
            if self._is_dead(other, instance, now):
                self._bury_soon(other)

    async def _look(self) -> tuple[Instance, list[FreeLease]]:
        async with self.pool.connection() as connection:
            instance = await Instance.of(connection)
            cursor = connection.cursor(row_factory=class_row(FreeLease))
            await cursor.execute(_FREE, {"own": self.lease.number, "class": LEASE_CLASS})
            return instance, await cursor.fetchall()

    async def close(self) -> None:
        """Leave what is not buried yet to the supervisors of other executors."""
        await asyncio.gather(*map(end, self._burying.values()))

    def _is_dead(self, other: FreeLease, instance: Instance, now: float) -> bool:
        alive = lives(other.host_boot_id, other.pid, other.process_started_at)
        if alive is False:
            return True
        free_for = now - self._free_since[other.number]
        if other.instance != instance:  # it took its lease before the restart
            return free_for > RECLAIM_SECONDS
        if now < self._apart_until or not self.lease.held:  # what cut us off may have cut it off
            return False
        if other.silent_seconds > RECLAIM_SECONDS:  # its session was ended because it did not answer
            return True
        return alive is None and free_for > FREE_SECONDS

    def _bury_soon(self, dead: FreeLease) -> None:
        """In a task of its own: the suspects of one executor must not keep another's runs waiting."""
        if dead.number not in self._burying:
            self._burying[dead.number] = asyncio.create_task(self._try_bury(dead))

    async def _try_bury(self, dead: FreeLease) -> None:
        try:
            await self._bury(dead)
        except Exception as error:
            log.warning("executor not buried, will try again", executor=dead.executor_id, error=str(error))
        finally:
            del self._burying[dead.number]

    async def _bury(self, dead: FreeLease) -> None:
        """Resume the runs of a dead executor, holding its lease so that nobody else does, nor it itself."""
        async with await connect(self.lease.url) as connection:
            if not await try_lock(connection, dead.number):
                return
            pinging = asyncio.create_task(_ping(connection))
            try:
                resumed = await self._resume_all(dead.executor_id)
            finally:
                await end(pinging)
            await connection.execute(
                "update eventstore.executors set buried_at = clock_timestamp() where number = %s",
                [dead.number],
            )
        log.info("executor buried", executor=dead.executor_id, runs_resumed=resumed)

    async def _resume_all(self, executor_id: str) -> int:
        seen: set[str] = set()
        suspects: list[PendingRun] = []
        while pending := [run for run in await self.runs.pending_of(executor_id) if run.run_id not in seen]:
            chunk = pending[:RESUME_CHUNK]
            seen |= {run.run_id for run in chunk}
            counted = [await self._count(run, again=False) for run in chunk]
            fresh = list(compress(chunk, counted))
            suspects += [run for run in chunk if run not in fresh]
            await self.runs.resume(fresh)
        for run in suspects:
            async with self._one_suspect:
                await self._resume_alone(run)
        return len(seen)

    async def _resume_alone(self, run: PendingRun) -> None:
        """One suspect at a time: if it kills the process again, no other saga is suspected with it.

        It is counted only now: a suspect that never got its turn has not failed once more.
        """
        await self._count(run)
        await self.runs.resume([run])
        try:
            async with asyncio.timeout(SUSPECT_PATIENCE_SECONDS):
                while await self.runs.active([run.run_id]):  # noqa: ASYNC110 - it may end in another process
                    await asyncio.sleep(SUSPECT_POLL_SECONDS)
        except TimeoutError:
            log.warning("suspect run takes long; the next one is resumed beside it", run_id=run.run_id)

    async def _count(self, run: PendingRun, *, again: bool = True) -> bool:
        """Count an attempt; a saga without progress becomes stuck, and its resumed run ends at once.

        Without `again` only a first attempt since the last step outcome is counted. Whether it was counted.
        """
        outcomes = await self._outcomes(run)
        async with self.pool.connection() as connection:
            cursor = await connection.execute(
                _COUNT, {"saga": run.saga_id, "outcome": outcomes, "again": again}
            )
            row = await cursor.fetchone()
        if row is None:
            return False
        attempts = int(row[0])
        if attempts > ATTEMPTS_MAX and outcomes >= 0:
            error = f"resumed {attempts - 1} times without a new step outcome"
            await self.engine.halt(run.saga_id, run_number(run.run_id), error)
        return True

    async def _outcomes(self, run: PendingRun) -> int:
        """The saga's progress; -1 when its journal cannot be read, which must not hold up the other runs."""
        try:
            state = await read_state(self.engine.store, self.engine.codec, run.saga_id)
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("journal cannot be read", saga_id=run.saga_id)
            return -1
        return -1 if state is None else state.outcomes

    async def resume_orphans(self) -> None:
        """Resume runs that DBOS believes under way here and that nobody runs: they gave up, or were cut."""
        now = asyncio.get_running_loop().time()
        pending = await self.runs.pending_of(self.lease.executor_id)
        lost = {run.run_id: run for run in pending if run.run_id not in self.runs.under_way}
        self._orphans = {run_id: self._orphans.get(run_id, now) for run_id in lost}
        for run_id, since in list(self._orphans.items()):
            if now - since >= ORPHAN_AGE_SECONDS:
                await self._count(lost[run_id])
                await self.runs.resume([lost[run_id]])
                del self._orphans[run_id]
                log.info("orphan resumed", run_id=run_id)

    async def resume_strays(self) -> None:
        """Resume runs that an executor took although it was buried already: it was frozen, and woke up."""
        holders = {run.executor_id for run in await self.runs.pending()} - {self.lease.executor_id}
        async with self.pool.connection() as connection:
            cursor = connection.cursor(row_factory=class_row(FreeLease))
            await cursor.execute(_BURIED, [list(holders)])
            buried = await cursor.fetchall()
        for other in buried:
            self._bury_soon(other)


async def _ping(connection: psycopg.AsyncConnection[Any]) -> None:
    """Keep the session from being idle for too long while its lock is needed."""
    while True:
        await asyncio.sleep(2)
        await connection.execute("select 1")
