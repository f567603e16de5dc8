"""The composition root: the only place that knows the concrete classes. Builds everything, closes in reverse.

database -> migrations -> pools -> store -> lease -> DBOS -> followers of the log, what looks after runs
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final

import httpx
import structlog

from app.database import DatabaseUnusable, DatabaseUrls, migrate, open_database
from app.executors import Lease, Reconciler, Retention, Supervisor
from app.executors import reconciler as reconciling
from app.executors import retention as retaining
from app.executors import supervisor as supervising
from app.executors.periodic import periodically
from app.positions import History, Position
from app.privacy import Keys, MasterKeys, Privacy, check_subjects, private
from app.readmodels.projections import projections_of, tables_file
from app.readmodels.sagas import SagaList
from app.settings import Settings
from domain.aggregates import CATALOG
from eventstore.appender import Appender
from eventstore.audit.seals import Sealer
from eventstore.connections import Pool, store_pool
from eventstore.diagnosis import sequence_faults
from eventstore.following import Follower
from eventstore.notifications import Listener, Notifier
from eventstore.postgres import PostgresEventStore
from eventstore.projections import Projection, ProjectionRunner
from eventstore.rebuild import Rebuilds, checked_names
from eventstore.side_runners import LOOK_SECONDS, SideRunners
from eventstore.standings import Standings
from eventstore.subscriptions import Subscription
from eventstore.tasks import end
from workflows.carrier import Carrier
from workflows.past import Past
from workflows.saga import CallDefinition, Registry, SagaEngine
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler
from workflows.saga.dbos_runs import DbosRuns
from workflows.saga.patience import PatientStore
from workflows.saga.runner import Runner
from workflows.saga.scheduled_start import start_scheduled
from workflows.saga.shapes import journal_shape, shape_of
from workflows.saga.starter import Starter
from workflows.saga.state import SagaState
from workflows.sagas import SAGAS
from workflows.supplier import Supplier

STOP_SECONDS: Final = 5.0
"""How long runs that are under way may take to come to their next append."""
APPENDS_SECONDS: Final = 1.0
"""How long appends may still take when all that asks for them has ended or was cut."""
SNAPSHOTS_STALE_AFTER: Final = timedelta(days=1)
"""How long snapshots are left that this code cannot use: a process of the version before may."""
SNAPSHOTS_SCAN_SECONDS: Final = 3600.0
EXIT_RESTART: Final = 75
"""EX_TEMPFAIL: the lease was lost; whoever supervises this process should start it again."""

log = structlog.get_logger(__name__)


@dataclass
class Commits:
    """Wakes those who follow the log: each has an event of its own, which it clears when it looks.

    `notifier` tells the other processes of commits of this one.
    """

    notifier: Notifier
    _events: list[asyncio.Event] = field(default_factory=list)

    def event(self) -> asyncio.Event:
        self._events.append(asyncio.Event())
        return self._events[-1]

    def tell(self, position: int) -> None:
        """This process has committed."""
        self.heard()
        self.notifier.tell(position)

    def heard(self) -> None:
        """Somebody has committed."""
        for event in self._events:
            event.set()


@dataclass
class Runtime:
    """Everything that the surfaces need. `exit_code` is what the process should end with."""

    settings: Settings
    urls: DatabaseUrls
    pool: Pool
    store: PostgresEventStore
    handler: CommandHandler
    engine: SagaEngine
    registry: Registry
    codec: EventCodec
    sagas: SagaList
    projections: list[ProjectionRunner]
    subscriptions: list[Subscription]
    side_runners: SideRunners
    rebuilds: Rebuilds
    commits: Commits
    history: History
    lease: Lease
    runs: DbosRuns
    supervisor: Supervisor
    reconciler: Reconciler
    retention: Retention
    past: Past
    sealer: Sealer
    privacy: Privacy
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    exit_code: int = 0
    looking_after: list[asyncio.Task[None]] = field(default_factory=list)
    _ending: asyncio.Task[None] | None = None

    async def ready(self) -> dict[str, str]:
        """What readiness depends on, each "ok" or what is wrong."""
        try:
            async with asyncio.timeout(2):
                await self.store.now()
            database = "ok"
        except Exception as error:  # by name only: its text may tell hosts and paths to whoever asks
            database = type(error).__name__
        return {
            "database": database,
            "executor": "stopping" if self.stopping.is_set() else "ok",
            "lease": "ok" if self.lease.held else "lost",
        }

    def lagging(self) -> dict[str, str]:
        """What follows the log and cannot go on. One is no reason to take every server out of service."""
        side = self.side_runners.followers
        followers: list[Follower | Sealer] = [*self.projections, *self.subscriptions, *side, self.sealer]
        troubles = {follower.name: follower.trouble for follower in followers}
        troubles["snapshots"] = self.store.snapshots.trouble
        return {name: trouble for name, trouble in troubles.items() if trouble}

    async def discard_stale_snapshots(self) -> None:
        """Forget those that this code cannot use. Other code may: they are not forgotten at once."""
        shapes = [journal_shape(SagaState), *map(shape_of, self.codec.catalog.deciders.values())]
        fingerprints = {shape.fingerprint for shape in shapes}
        await self.store.snapshots.discard_stale(fingerprints, SNAPSHOTS_STALE_AFTER)

    @property
    def timeline(self) -> int:
        """That of the tokens that clients take away."""
        return self.history.timeline(self.lease.timeline)

    def token(self, position: int) -> str:
        """The position as clients take it away."""
        return str(Position(position, self.timeline))

    @property
    def standings(self) -> Standings:
        """Where the followers of the log stand, also those of other processes."""
        versions = {each.name: each.projection.version for each in self.projections}
        versions |= {subscription.name: 1 for subscription in self.subscriptions}
        return Standings(self.pool, self.store, versions)

    async def end_runs(self) -> None:
        """Take no more runs, and let those under way come to their next append, where the flag ends them.

        To be done before anything that they may need is closed, this process's own HTTP server included: a
        call that finds it gone would fail, and its saga would compensate. Asking again waits for the first.
        """
        self.stopping.set()
        if self._ending is None:
            self._ending = asyncio.create_task(self._end_runs())
        await asyncio.shield(self._ending)

    async def _end_runs(self) -> None:
        for task in self.looking_after:
            await end(task)
        await self.supervisor.close()
        await self.runs.destroy(STOP_SECONDS)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Runtime]:
    """A whole executor: it serves requests and runs sagas until the context ends.

    Raises DatabaseUnusable, EmbeddedPostgresError, LeaseLost, BrokenChain, MasterKeyWrong, NoSubject.
    """
    async with AsyncExitStack() as stack:
        # Before the database is touched: code that cannot read it has no business with it.
        codec = EventCodec(CATALOG)
        registry = Registry(SAGAS, await remote_calls(stack, settings))
        check_subjects(CATALOG, registry)
        urls = await stack.enter_async_context(open_database(settings))
        await migrate(urls)
        runtime = await _build(stack, settings, urls, codec, registry)
        await _start(stack, runtime)
        log.info("executor started", executor=runtime.lease.executor_id)
        yield runtime


async def _build(
    stack: AsyncExitStack, settings: Settings, urls: DatabaseUrls, codec: EventCodec, registry: Registry
) -> Runtime:
    pool = await stack.enter_async_context(store_pool(urls.app, settings.database_connections))
    appender_pool = await stack.enter_async_context(store_pool(urls.app, 1))
    stopping = asyncio.Event()
    commits = Commits(Notifier(pool))
    appender = Appender(appender_pool, function=("saga", "append_items"), on_commit=commits.tell)
    stack.push_async_callback(appender.close, APPENDS_SECONDS)
    store = PostgresEventStore(pool, appender)
    if faults := await sequence_faults(pool):
        raise DatabaseUnusable("; ".join(faults))
    privacy = Privacy(Keys(pool, MasterKeys.of(settings.master_key)))
    await privacy.keys.check()
    registry = Registry(registry.sagas, [private(call, privacy) for call in registry.calls])
    engine = SagaEngine(store, registry, codec, privacy.protect)
    projections = projections_of(codec)
    by_name = {projection.name: projection for projection in projections}
    subscriptions = await _subscriptions(stack, urls, engine, commits)
    lease = await Lease.take(urls.direct)
    stack.push_async_callback(lease.release)
    patient = PatientStore(store, stopping.is_set)
    runner = Runner(
        patient, CommandHandler(patient, codec), registry, lease.executor_id, stopping=stopping.is_set
    )
    sagas = SagaList(pool)
    # A saga whose definition is gone must still run: to become stuck where a person sees it, to be undone.
    runs = DbosRuns(
        urls.app,
        lease.executor_id,
        registry,
        names=await sagas.names(),
        execute=runner.run,
        start_scheduled=partial(start_scheduled, engine),
        slots=settings.slots,
        polling_interval_seconds=settings.polling_interval_seconds,
    )
    handler = CommandHandler(store, codec)
    return Runtime(
        settings=settings,
        urls=urls,
        pool=pool,
        store=store,
        handler=handler,
        engine=engine,
        registry=registry,
        codec=codec,
        sagas=sagas,
        projections=[ProjectionRunner(pool, store, each, commits.event()) for each in projections],
        subscriptions=subscriptions,
        side_runners=SideRunners(pool, store, by_name),
        rebuilds=await _rebuilds(pool, store, urls, by_name),
        commits=commits,
        history=await History.of(pool),
        lease=lease,
        runs=runs,
        supervisor=Supervisor(pool, lease, runs, engine),
        reconciler=Reconciler(sagas, runs, engine),
        retention=Retention(pool, sagas, timedelta(hours=settings.dbos_rows_kept_hours)),
        past=Past(store, handler),
        sealer=Sealer(pool, settings.seal_seconds),
        privacy=privacy,
        stopping=stopping,
    )


async def remote_calls(stack: AsyncExitStack, settings: Settings) -> list[CallDefinition[Any, Any]]:
    """The calls of all remote systems; their connections are closed with the stack."""

    async def client(url: str | None, sandbox: str) -> httpx.AsyncClient:
        address = url or _sandbox_url(settings, sandbox)
        return await stack.enter_async_context(httpx.AsyncClient(base_url=address, timeout=None))

    carrier = Carrier(await client(settings.carrier_url, "carrier"))
    supplier = Supplier(await client(settings.supplier_url, "supplier"))
    return [*carrier.calls(), *supplier.calls()]


async def _subscriptions(
    stack: AsyncExitStack, urls: DatabaseUrls, engine: SagaEngine, commits: Commits
) -> list[Subscription]:
    """One for each kind of saga that events start."""
    starters = [Starter(engine, definition) for definition in engine.registry if definition.on]
    # A connection for each while it handles events, out of the way of what its handler needs.
    leaders = await stack.enter_async_context(store_pool(urls.app, max(1, len(starters))))
    return [
        Subscription(leaders, engine.store, starter.name, starter, starter.from_start, commits.event())
        for starter in starters
    ]


async def _rebuilds(
    pool: Pool, store: PostgresEventStore, urls: DatabaseUrls, projections: Mapping[str, Projection]
) -> Rebuilds:
    checked_names(projections)
    async with pool.connection() as connection:
        app_role = connection.info.user
    return Rebuilds(
        urls.owner, app_role, store, projections, lambda name: tables_file(name).read_text("utf-8")
    )


def _sandbox_url(settings: Settings, name: str) -> str:
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # an address to talk to, not to bind
    host = everywhere.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/sandbox/{name}"


async def _start(stack: AsyncExitStack, runtime: Runtime) -> None:
    """Start what runs in the background. Order of the end: supervisor, stopping flag, DBOS, lease."""
    _in_background(stack, _keep_lease(runtime))
    _in_background(stack, runtime.store.snapshots.run())
    _in_background(stack, periodically("sealer", runtime.sealer.seconds, runtime.sealer.seal))
    notifier = runtime.commits.notifier
    _in_background(stack, notifier.run())
    listener = Listener(runtime.urls.direct, runtime.commits.heard, notifier.sender)
    _in_background(stack, listener.run())
    for projection in runtime.projections:
        _in_background(stack, projection.run())
    stack.push_async_callback(runtime.side_runners.close)
    _in_background(stack, periodically("side runners", LOOK_SECONDS, runtime.side_runners.look))
    for subscription in runtime.subscriptions:
        await subscription.begin()  # before this server is ready: what happens then is not missed
        _in_background(stack, subscription.run())
    stack.push_async_callback(runtime.end_runs)
    await runtime.runs.launch()
    supervisor = runtime.supervisor
    for work in (
        periodically("take over", supervising.SCAN_SECONDS, supervisor.take_over),
        periodically("orphans", supervising.ORPHAN_SCAN_SECONDS, supervisor.resume_orphans),
        periodically("strays", supervising.ORPHAN_SCAN_SECONDS, supervisor.resume_strays),
        periodically("reconciler", reconciling.SCAN_SECONDS, runtime.reconciler.scan),
        periodically("retention", retaining.SCAN_SECONDS, runtime.retention.scan),
        periodically("stale snapshots", SNAPSHOTS_SCAN_SECONDS, runtime.discard_stale_snapshots),
    ):
        runtime.looking_after.append(_in_background(stack, work))


def _in_background(stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    task = asyncio.create_task(work)
    stack.push_async_callback(end, task)
    return task


async def _keep_lease(runtime: Runtime) -> None:
    try:
        await runtime.lease.keep()
    except Exception as lost:  # whatever it was: without its keeper the lease will be lost
        log.error("this executor must not run on; it ends and asks for a restart", reason=str(lost))
        runtime.exit_code = EXIT_RESTART
        os.kill(os.getpid(), signal.SIGTERM)
        await runtime.end_runs()
