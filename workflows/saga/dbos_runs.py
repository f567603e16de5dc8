"""Runs as DBOS workflows: DBOS starts each run once per id, and keeps the row of a run that did not end.

A run makes no DBOS call: the journal is the only log. So all that is used of DBOS is its queue, its delayed
rows, and the row that says that a run is under way. What leaves a run is an outcome or a BaseException;
DBOS records an Exception as the final ERROR and would never start the run again.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from math import ceil
from typing import Any, Final

import psycopg
import sqlalchemy
import structlog
from dbos import DBOS, DBOSClient, DBOSConfig, SetWorkflowID, WorkflowStatus
from dbos import error as dbos_error
from uuid_utils.compat import uuid7

from workflows.saga.dbos_rows import ACTIVE
from workflows.saga.dbos_schedules import SCHEDULED, keep_schedules
from workflows.saga.definition import Registry, SagaDefinition
from workflows.saga.direct import Moves, Request, RunExists, counted
from workflows.saga.errors import RunGivenUp
from workflows.saga.limits import Limits
from workflows.saga.runs import (
    APPLICATION,
    APPLICATION_VERSION,
    QUEUE,
    queue_of,
    run_number,
    saga_of,
)
from workflows.saga.state import SagaState
from workflows.saga.view import SagaView, view

DBOS_THREADS: Final = 4
DBOS_CONNECTIONS: Final = 8
HAND_OVER_SECONDS_MAX: Final = 2.0
THREADS_SECONDS_MAX: Final = 1.0
"""How long the end waits for DBOS's threads when the runs have ended or had their time."""
LISTENER_SECONDS: Final = 0.1
"""How often the thread that stands in for DBOS's listener looks whether it should end."""
RETIRED_POLLING_SECONDS: Final = 1.0
LIST_LIMIT: Final = 20_000
"""More than any executor has slots."""

Execute = Callable[[str, int, str, SagaState | None], Awaitable[SagaState | None]]
"""Advances a saga: `execute(saga id, run number, execution id, state if it is known)`; what it came to."""

Workflow = Callable[[str], Coroutine[Any, Any, None]]
"""What DBOS runs: it is given the id of the saga."""

StartScheduled = Callable[[str, datetime], Awaitable[None]]
"""Starts the saga of this name whose time has come."""

log = structlog.get_logger(__name__)


class RunBroken(RunGivenUp):
    """An unforeseen error left the runner. The row stays; the supervisor counts how often it is resumed."""


@dataclass(frozen=True, slots=True)
class PendingRun:
    """A run that an executor has taken from its queue and not ended."""

    run_id: str
    saga_id: str
    executor_id: str
    queue: str


@dataclass(frozen=True, slots=True)
class _Direct:
    """How a saga that begins here is requested, and who waits for that."""

    request: Request
    answer: asyncio.Future[SagaView]

    async def requested(self) -> SagaState | None:
        """None when it could not be: whoever waits is told why, and the run looks into the journal."""
        try:
            state = await self.request()
        except Exception as error:
            if not self.answer.done():
                self.answer.set_exception(error)
            return None
        except BaseException:  # this process stops
            self.give_up()
            raise
        if not self.answer.done():
            self.answer.set_result(view(state))
        return state

    def give_up(self) -> None:
        """Nothing begins here any more: who asked must ask in the other way."""
        if not self.answer.done():
            self.answer.set_exception(RunExists("this process stops"))


@dataclass
class DbosRuns:
    """DBOS of this process. There is one to a process: DBOS keeps its instance in a global.

    `names` are those of sagas that may have runs though `registry` defines them no more: DBOS cannot start a
    run of a name it does not know.
    """

    url: str = field(repr=False)  # it may hold a password
    executor_id: str
    registry: Registry
    names: Collection[str]
    execute: Execute
    start_scheduled: StartScheduled
    slots: int = 64
    polling_interval_seconds: float = 0.05
    moves: Moves = field(default_factory=Moves)
    under_way: Counter[str] = field(default_factory=Counter)
    _functions: dict[str, Workflow] = field(default_factory=dict)
    _direct: dict[str, _Direct] = field(default_factory=dict)
    _taking: bool = False

    async def launch(self) -> None:
        """Start to take runs from the queues, on the running event loop."""
        engine = _engine(self.url)
        # Before the launch: DBOS looks for new queues once a second, and takes runs by the limits it finds.
        queues = await self._register_queues(engine)
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self.url,
            "system_database_engine": engine,
            "executor_id": self.executor_id,
            "application_version": APPLICATION_VERSION,
            "max_executor_threads": DBOS_THREADS,
            # No run waits for a notification. DBOS ends its listener by closing the connection under it; when
            # the descriptor's number is used again at once the thread waits on, and DBOS ten seconds for it.
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": LISTENER_SECONDS,
            "run_migrations": False,
            "log_level": "WARNING",
        }
        DBOS(config=config)
        for name in {*self.names, *(definition.name for definition in self.registry)}:
            self._functions[name] = DBOS.workflow(name=name)(self._workflow(name))
        DBOS.workflow(name=SCHEDULED)(self._scheduled())
        DBOS.listen_queues(queues)
        DBOS.launch()
        self._taking = True

    def takes(self, definition: SagaDefinition) -> bool:
        """Whether a saga of this kind may begin here and now: it has no limits of its own, a slot is free."""
        busy = len(self.under_way) + len(self._direct)
        return self._taking and definition.lane.queue == QUEUE and busy < self.slots

    async def begin(self, definition: SagaDefinition, saga_id: str, request: Request) -> SagaView:
        """As DirectRuns says."""
        if saga_id in self._direct:
            raise RunExists(saga_id)
        direct = self._direct[saga_id] = _Direct(request, asyncio.get_running_loop().create_future())
        try:
            with SetWorkflowID(saga_id, workflow_id_reuse_policy="reject"):
                await DBOS.start_workflow_async(self._functions[definition.name], saga_id)
        except BaseException as error:  # also who asked is gone: the place is free again
            self._direct.pop(saga_id, None)
            # DBOS ends under those who have just come in: its row may have been written, or not.
            ends = isinstance(error, Exception) and not self._taking
            if ends or isinstance(error, dbos_error.DBOSWorkflowIDInUseError):
                raise RunExists(saga_id) from error
            raise
        return await direct.answer

    async def _register_queues(self, engine: sqlalchemy.Engine) -> list[str]:
        """Tell DBOS of every queue that may hold runs of ours and of its limits, and of the schedules."""
        client = _client(engine)
        try:
            known = [queue.name for queue in await client.list_queues_async()]
            # One that was left when its saga lost its limits may hold runs, and an executor of the version
            # before adds to it: it is emptied, now and later, without limits.
            retired = {name: Limits() for name in known if name.startswith(queue_of(""))}
            queues = {QUEUE: Limits()} | retired | self._own_queues()
            for name, limits in queues.items():
                slots = (self.slots, limits.per_executor, limits.concurrency)
                await client.register_queue_async(
                    name,
                    global_concurrency=limits.concurrency,
                    worker_concurrency=min(count for count in slots if count is not None),
                    limiter={"limit": limits.rate.count, "period": limits.rate.seconds}
                    if limits.rate
                    else None,
                    polling_interval_sec=self._polling_seconds(name),
                    on_conflict="always_update",
                )
            await keep_schedules(client, self.registry)
        finally:
            client.destroy()
        return list(queues)

    def _own_queues(self) -> dict[str, Limits]:
        return {saga.lane.queue: saga.limits for saga in self.registry if saga.lane.queue != QUEUE}

    def _polling_seconds(self, queue: str) -> float:
        in_use = queue == QUEUE or queue in self._own_queues()
        return self.polling_interval_seconds if in_use else RETIRED_POLLING_SECONDS

    async def destroy(self, patience_seconds: float) -> None:
        """Take no more runs, at once; give those under way some time to end, then cut them.

        Once the stopping flag is up they end at their next append. What is cut is resumed elsewhere.
        """
        self._taking = False
        patience = ceil(patience_seconds) if self.under_way else 0  # DBOS would wait a second for nothing
        end = partial(DBOS.destroy, workflow_completion_timeout_sec=patience)
        loop = asyncio.get_running_loop()
        # It blocks while its threads end, and those may wait for this loop. In an outage one may sleep for up
        # to a minute before it tries the database again: nobody waits for that.
        thread = ThreadPoolExecutor(1)
        ending = loop.run_in_executor(thread, end)
        thread.shutdown(wait=False)
        try:
            await asyncio.wait_for(ending, patience + THREADS_SECONDS_MAX)
        except TimeoutError:
            log.warning("threads of DBOS are left behind")
        for direct in self._direct.values():
            direct.give_up()
        if self.under_way:
            log.warning("runs were cut", runs=len(self.under_way))
        # DBOS had put its own in place of the loop's, and has shut it down.
        loop.set_default_executor(ThreadPoolExecutor())
        await self._hand_over()

    async def _hand_over(self) -> None:
        """Put what is left back into the queue: others go on at once, and count no crash."""
        engine = _engine(self.url)
        client = _client(engine)
        try:
            async with asyncio.timeout(HAND_OVER_SECONDS_MAX):
                left = await client.list_workflows_async(
                    status="PENDING", executor_id=self.executor_id, load_input=False, load_output=False
                )
                for queue, run_ids in _by_queue(map(self._pending, left)).items():
                    await client.resume_workflows_async(run_ids, queue_name=queue)
        except Exception as error:  # the supervisor of another executor will do it
            log.warning("runs not handed over", error=f"{type(error).__name__}: {error}")
        finally:
            client.destroy()
            engine.dispose()

    async def pending_of(self, executor_id: str) -> list[PendingRun]:
        """The runs that the executor has taken and not ended, oldest first."""
        return await self.pending([executor_id])

    async def pending(self, executor_ids: Sequence[str] | None = None) -> list[PendingRun]:
        """The runs that were taken, by these executors or by any, and not ended, oldest first."""
        rows = await DBOS.list_workflows_async(
            status="PENDING",
            executor_id=None if executor_ids is None else list(executor_ids),
            limit=LIST_LIMIT,
            load_input=False,
            load_output=False,
        )
        return list(map(self._pending, rows))

    def _pending(self, row: WorkflowStatus) -> PendingRun:
        """Its queue is that of today's definition, wherever the run waited before."""
        run_id = row.workflow_id
        queue = self.registry.lane(row.name).queue
        return PendingRun(run_id, saga_of(run_id), row.executor_id or "", queue)

    async def active(self, run_ids: Sequence[str]) -> set[str]:
        """Those of `run_ids` that DBOS will start, or believes to be under way."""
        rows = await DBOS.list_workflows_async(
            workflow_ids=list(run_ids), status=ACTIVE, load_input=False, load_output=False
        )
        return {row.workflow_id for row in rows}

    async def resume(self, runs: Iterable[PendingRun]) -> None:
        """Put runs back, each into its own queue (DBOS's internal one ignores our limits)."""
        for queue, run_ids in _by_queue(runs).items():
            await DBOS.resume_workflows_async(run_ids, queue_name=queue)

    def _workflow(self, name: str) -> Workflow:
        async def run(saga_id: str) -> None:
            run_id = DBOS.workflow_id or saga_id
            execution = str(uuid7())
            direct = self._direct.pop(run_id, None)
            state: SagaState | None = None
            with counted(self.under_way, run_id), self.moves.run(saga_id):
                try:
                    with structlog.contextvars.bound_contextvars(saga=name, saga_id=saga_id, run_id=run_id):
                        state = await direct.requested() if direct else None
                        state = await self.execute(saga_id, run_number(run_id), execution, state)
                except Exception as error:
                    log.exception("run broken", saga_id=saga_id, run_id=run_id)
                    raise RunBroken(run_id) from error
            self.moves.tell(saga_id, state)

        run.__name__ = run.__qualname__ = name
        return run

    def _scheduled(self) -> Callable[[datetime, str], Awaitable[None]]:
        async def start(due: datetime, name: str) -> None:
            with counted(self.under_way, DBOS.workflow_id or name):
                await self.start_scheduled(name, due)

        return start


def _by_queue(runs: Iterable[PendingRun]) -> dict[str, list[str]]:
    """Their ids: DBOS resumes runs into one queue at a time."""
    queues: dict[str, list[str]] = defaultdict(list)
    for run in runs:
        queues[run.queue].append(run.run_id)
    return queues


def _client(engine: sqlalchemy.Engine) -> DBOSClient:
    """DBOS without its threads. An outage is an error here: waiting for its end, in a thread that nobody can
    stop, would keep the process from ending."""
    return DBOSClient(
        system_database_engine=engine,
        application_name=APPLICATION,
        lazy=True,
        retry_connection_errors=False,
    )


def _engine(url: str) -> sqlalchemy.Engine:
    """DBOS's connections to its tables. `url` is libpq's."""
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://" + url.removeprefix("postgresql://"),
        pool_size=DBOS_CONNECTIONS,
        max_overflow=0,
        connect_args={
            "connect_timeout": 3,
            "application_name": "saga-dbos",
            "options": "-c idle_in_transaction_session_timeout=10s",
        },
    )

    @sqlalchemy.event.listens_for(engine, "do_connect")
    def _retriable(
        dialect: sqlalchemy.Dialect, _record: Any, arguments: list[Any], keywords: dict[str, Any]
    ) -> Any:
        # DBOS retries only what says "connection failed"; a missing socket or name says something else, and
        # would end its threads' work in an outage.
        try:
            return dialect.connect(*arguments, **keywords)
        except psycopg.OperationalError as error:
            raise psycopg.OperationalError(f"connection failed: {error}") from error

    return engine
