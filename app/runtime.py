"""The composition root: the only place that knows the concrete classes. Builds everything, closes in reverse.

database -> migrations -> pools -> store -> lease -> DBOS -> followers of the log, what looks after runs
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog

from app.commits import Commits
from app.crowd import Crowd
from app.database import DatabaseUnusable, DatabaseUrls, migrate, open_database
from app.executors import Lease, LeaseLost, Reconciler, Retention, Supervisor
from app.executors import reconciler as reconciling
from app.executors import retention as retaining
from app.executors import supervisor as supervising
from app.executors.lease import Kind
from app.executors.periodic import periodically, persistently
from app.observing.cluster import ClusterFigures
from app.observing.figures import Figures
from app.observing.operators import ObservedEngine
from app.observing.runs import ObservedHandler, ObservedStore, observed, observed_call
from app.observing.spans import TracedStore, in_the_trace_of
from app.observing.tracing import Tracing, tracing_to
from app.positions import History, Position
from app.privacy import Keys, MasterKeys, Privacy, check_subjects, private
from app.readmodels.projections import projections_of, tables_file
from app.readmodels.sagas import SagaList
from app.remotes import remote_calls
from app.security.access import KNOWN_SECONDS, Access
from app.security.opening import open_access
from app.security.tokens import new_token
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
from eventstore.tail import Tail
from eventstore.tasks import end
from workflows.past import Past
from workflows.saga import Registry, SagaDefinition, SagaEngine
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler
from workflows.saga.dbos_runs import DbosRuns
from workflows.saga.runner import Runner
from workflows.saga.scheduled_start import start_scheduled
from workflows.saga.shapes import journal_shape, shape_of
from workflows.saga.starter import Starter
from workflows.saga.state import SagaState
from workflows.sagas import SAGAS

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
    access: Access
    starts: Crowd
    streams: Crowd
    figures: Figures
    tracing: Tracing
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    exit_code: int = 0
    looking_after: list[asyncio.Task[None]] = field(default_factory=list)
    _ending: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.cluster_figures = ClusterFigures(self.pool, self.standings.all)
        self.figures.watch_runs(self.runs.under_way, self.settings.slots)
        self.figures.watch_crowds({"starts": self.starts, "streams": self.streams})

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
async def running(
    settings: Settings,
    sagas: Sequence[SagaDefinition] = SAGAS,
    *,
    host: str | None = None,
    kind: Kind = "server",
) -> AsyncIterator[Runtime]:
    """A whole executor: it serves requests, at `host` if at all, and runs `sagas` until the context ends.

    `kind` is for those who list executors.

    Raises DatabaseUnusable, EmbeddedPostgresError, LeaseLost, BrokenChain, MasterKeyWrong, NoSubject,
    NotSecured, SettingsError.
    """
    runtime: Runtime | None = None
    try:
        async with AsyncExitStack() as stack:
            # Before the database is touched: code that cannot read it has no business with it.
            codec = EventCodec(CATALOG)
            own_token = new_token()
            registry = Registry(sagas, await remote_calls(stack, settings, own_token))
            check_subjects(CATALOG, registry)
            urls = await stack.enter_async_context(open_database(settings))
            await migrate(urls)
            runtime = await _build(stack, settings, urls, codec, registry, own_token, kind)
            if host is not None:
                await runtime.access.check(host)
            await _start(stack, runtime)
            log.info("executor started", executor=runtime.lease.executor_id)
            yield runtime
    except asyncio.CancelledError:  # by `_keep_lease` before it was ready, or while it was closed
        if runtime is None or runtime.exit_code == 0:
            raise
        raise LeaseLost(f"executor {runtime.lease.executor_id} lost its lease while it started") from None


async def _build(
    stack: AsyncExitStack,
    settings: Settings,
    urls: DatabaseUrls,
    codec: EventCodec,
    registry: Registry,
    own_token: str,
    kind: Kind,
) -> Runtime:
    pool = await stack.enter_async_context(store_pool(urls.app, settings.database_connections))
    appender_pool = await stack.enter_async_context(store_pool(urls.app, 1))
    stopping = asyncio.Event()
    commits = Commits(Notifier(pool))
    figures = Figures(kind)
    tracing = await stack.enter_async_context(tracing_to(settings.otlp_url, figures))
    figures.watch_pools({"app": pool, "appender": appender_pool})
    appender = Appender(
        appender_pool, function=("saga", "append_items"), on_commit=commits.tell, on_batch=figures.batch
    )
    stack.push_async_callback(appender.close, APPENDS_SECONDS)
    store = TracedStore(pool, appender)
    if faults := await sequence_faults(pool):
        raise DatabaseUnusable("; ".join(faults))
    privacy = Privacy(Keys(pool, MasterKeys.of(settings.master_key)))
    await privacy.keys.check()
    calls = [observed_call(private(call, privacy), tracing) for call in registry.calls]
    registry = Registry(registry.sagas, calls)
    engine = ObservedEngine(store, registry, codec, privacy.protect, figures=figures)
    by_name = {projection.name: projection for projection in projections_of(codec)}
    tail = Tail(pool, store)
    subscriptions = await _subscriptions(stack, urls, engine, tail, commits)
    lease = await Lease.take(urls.direct, kind, settings.slots)
    stack.push_async_callback(lease.release)
    patient = ObservedStore(store, stopping.is_set, figures=figures)
    observing = ObservedHandler(patient, codec, tracing=tracing)
    runner = Runner(patient, observing, registry, lease.executor_id, stopping=stopping.is_set)
    sagas = SagaList(pool)
    # A saga whose definition is gone must still run: to become stuck where a person sees it, to be undone.
    runs = DbosRuns(
        urls.app,
        lease.executor_id,
        registry,
        names=await sagas.names(),
        execute=observed(runner, tracing),
        start_scheduled=partial(start_scheduled, engine),
        moves=engine.moves,
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
        engine=replace(engine, direct=runs),
        registry=registry,
        codec=codec,
        sagas=sagas,
        projections=[ProjectionRunner(pool, tail, each, commits.event()) for each in by_name.values()],
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
        access=await open_access(stack, pool, settings, own_token),
        starts=Crowd("starts and commands", settings.starts_at_once_max),
        streams=Crowd("streams", settings.streams_at_once_max),
        figures=figures,
        tracing=tracing,
        stopping=stopping,
    )


async def _subscriptions(
    stack: AsyncExitStack, urls: DatabaseUrls, engine: SagaEngine, tail: Tail, commits: Commits
) -> list[Subscription]:
    """One for each kind of saga that events start."""
    starters = [Starter(engine, definition) for definition in engine.registry if definition.on]
    # A connection for each while it handles events, out of the way of what its handler needs.
    leaders = await stack.enter_async_context(store_pool(urls.app, max(1, len(starters))))
    return [
        Subscription(
            leaders, tail, starter.name, in_the_trace_of(starter), starter.from_start, commits.event()
        )
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


async def _start(stack: AsyncExitStack, runtime: Runtime) -> None:
    """Start what runs in the background. Order of the end: supervisor, stopping flag, DBOS, lease."""
    _in_background(stack, _keep_lease(runtime))
    _in_background(stack, periodically("tokens", KNOWN_SECONDS, runtime.access.look))
    _in_background(stack, runtime.store.snapshots.run())
    _in_background(stack, periodically("sealer", runtime.sealer.seconds, runtime.sealer.seal))
    notifier = runtime.commits.notifier
    _in_background(stack, notifier.run())
    listener = Listener(runtime.urls.direct, runtime.commits.heard, notifier.sender)
    _in_background(stack, listener.run())
    follows = runtime.settings.follow_log
    stack.push_async_callback(runtime.side_runners.close)
    if follows:
        for projection in runtime.projections:
            _in_background(stack, projection.run())
        _in_background(stack, periodically("side runners", LOOK_SECONDS, runtime.side_runners.look))
    for subscription in runtime.subscriptions:
        # Before this server is ready: what happens then is not missed.
        await persistently(subscription.name, subscription.begin)
        if follows:
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
