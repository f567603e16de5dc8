"""One service in memory: store, engine, the runs that are enqueued, and a clock.

Runs are started as DBOS would start them: those that an append enqueued, at their time, and again when an
execution died or gave up.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from domain import Catalog, Command, Rejected
from domain.catalog import AnyDecider
from eventstore import Appended, AppendRefused, RecordedEvent
from workflows.saga import journal
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler, Decision
from workflows.saga.definition import CallDefinition, Registry, SagaDefinition
from workflows.saga.engine import SagaEngine
from workflows.saga.errors import RunGivenUp
from workflows.saga.patience import PatientStore
from workflows.saga.runner import Runner
from workflows.saga.runs import run_number
from workflows.saga.scheduled_start import start_scheduled
from workflows.saga.starter import Starter
from workflows.saga.testing.disturbance import RefusableHandler
from workflows.saga.testing.outcome import Outcome, Reading
from workflows.saga.testing.store import HookedStore, Killed

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
EXECUTIONS_MAX: Final = 50
RUNS_MAX: Final = 500


@dataclass(order=True)
class DueRun:
    """A run that an append has enqueued."""

    due: datetime
    number: int
    request: dict[str, Any] = field(compare=False)


class MemoryService:
    """One service in memory: its store, its engine, the runs that are enqueued, its clock.

    Commands of sagas for which `refuse` is true are rejected by their decider; change it as you go.
    """

    def __init__(
        self,
        catalog: Catalog,
        sagas: Iterable[SagaDefinition],
        calls: Iterable[CallDefinition[Any, Any]] = (),
        *,
        refuse: Callable[[Command], bool] = lambda _: False,
        margin_seconds: float = 1.0,
        store: type[HookedStore] = HookedStore,
    ) -> None:
        self.store = store(on_append=self._enqueue, now=self.now)
        self.refuse = refuse
        self.margin_seconds = margin_seconds
        self.stopping = False
        self.deploy(catalog, sagas, calls)
        self._refused: list[Command] = []
        self._skipped = timedelta()
        self._enqueued: set[str] = set()
        self._due: list[DueRun] = []
        self._executions = 0

    def deploy(
        self,
        catalog: Catalog,
        sagas: Iterable[SagaDefinition],
        calls: Iterable[CallDefinition[Any, Any]] = (),
    ) -> None:
        """From now on processes have this code. Raises BrokenChain."""
        self.registry = Registry(list(sagas), list(calls))
        self.codec = EventCodec(catalog)
        self.engine = SagaEngine(self.store, self.registry, self.codec)
        refusing = [self._made_refusing(decider) for decider in catalog.deciders.values()]
        self._refusing = EventCodec(Catalog(refusing))

    def now(self) -> datetime:
        """The clock of the store: that of the event loop, and what was skipped."""
        return START + self._skipped + timedelta(seconds=asyncio.get_running_loop().time())

    def skip(self, duration: timedelta) -> None:
        """Let time pass."""
        self._skipped += duration

    @property
    def enqueued(self) -> list[DueRun]:
        """The runs that wait for their time or a free slot, the next one first."""
        return sorted(self._due)

    async def apply(self, *commands: Command) -> None:
        """Commands from outside of any saga, never refused by `refuse`. Raises Rejected."""
        handler = CommandHandler(self.store, self.codec)

        async def commit(decision: Decision) -> Appended:
            if decision.rejection is not None:
                raise decision.rejection
            return await self.store.append([decision.batch({})])

        for command in commands:
            await handler.handle(command, commit)

    async def run_saga(
        self, name: str, saga_input: dict[str, Any] | BaseModel, saga_id: str = "s1"
    ) -> Outcome:
        """Start a saga and run until nothing is due any more, however long its waits are."""
        await self.engine.start(name, saga_input, saga_id=saga_id)
        await self.settle()
        return await self.outcome(saga_id)

    async def deliver(self) -> None:
        """Hand every event to the sagas that it starts, as their subscriptions do. Again it starts none."""
        starters = [Starter(self.engine, saga) for saga in self.registry if saga.on]
        async for event in self.store.read_all():
            for starter in starters:
                await starter(event)

    async def tick(self, name: str, due: datetime) -> None:
        """Start the saga whose schedule has this time, as DBOS does; the time itself does not matter."""
        await start_scheduled(self.engine, name, due)

    async def settle(self, until: datetime | None = None) -> None:
        """Execute what is enqueued, skipping the waits, until nothing is; or what is due before `until`, and
        then it is that time."""
        for _ in range(RUNS_MAX):
            if not self._due or (until is not None and self._due[0].due >= until):
                break
            await self.run_next()
        else:
            raise AssertionError(f"{RUNS_MAX} runs, and still one is due")
        if until is not None:
            self.skip(max(timedelta(), until - self.now()))

    async def run_next(self) -> bool:
        """Execute the next enqueued run, at its time, until an execution of it ends. False without one."""
        if not self._due:
            return False
        due = heapq.heappop(self._due)
        self.skip(max(timedelta(), due.due - self.now()))
        for _ in range(EXECUTIONS_MAX):
            try:
                await self.execute(due.request["id"])
            except (Killed, RunGivenUp):
                continue  # the supervisor resumes it, in another process
            return True
        raise AssertionError(f"{due.request['id']} was given up {EXECUTIONS_MAX} times")

    async def execute(self, run_id: str, runner: Runner | None = None) -> None:
        """One execution of a run, in a process of its own unless `runner` is given. Raises RunGivenUp."""
        self._executions += 1
        saga_id, number = run_id.partition("/")[0], run_number(run_id)
        await (runner or self.process()).run(saga_id, number, f"execution-{self._executions}")

    def process(self) -> Runner:
        """The executor of a process that has just started: nothing is cached in it."""
        store = PatientStore(self.store, stopping=lambda: self.stopping)
        handler = RefusableHandler(store, self._refusing, refused=self._refused)
        return Runner(
            store,
            handler,
            self.registry,
            "test",
            self.margin_seconds,
            stopping=lambda: self.stopping,
            clock=self.now,
        )

    async def outcome(self, saga_id: str = "s1") -> Outcome:
        """The saga as it is now. Raises SagaNotFound."""
        saga = await self.engine.view(saga_id)
        reading = Reading(self.store, self.codec, self.registry)
        events, children = await reading.family(saga_id)
        commands, compensations = reading.effects(events)
        own = [event for event in events if event.stream == journal.journal_stream(saga_id)]
        return Outcome(
            saga,
            [entry for event in own for entry in self.codec.decode(event)],
            commands,
            compensations,
            [await self.outcome(child) for child in children],
            self.registry.saga(saga.name).result if saga.name in self.registry else TypeAdapter(Any),
        )

    async def stream(self, stream: str) -> list[RecordedEvent]:
        return [event async for event in self.store.read_stream(stream)]

    def _made_refusing(self, decider: AnyDecider) -> AnyDecider:
        def decide(state: Any, command: Any) -> list[Any]:
            if self.refuse(command) or any(command is refused for refused in self._refused):
                raise Rejected(f"{type(command).__name__} is refused", code="refused")
            return decider.decide(state, command)

        return replace(decider, decide=decide)

    def _enqueue(self, attachment: Mapping[str, Any]) -> None:
        for request in attachment["runs"]:
            if request["id"] in self._enqueued:
                raise AppendRefused(f"run {request['id']} exists")
            self._enqueued.add(request["id"])
            due = self.now() + timedelta(milliseconds=request["delay_ms"] or 0)
            heapq.heappush(self._due, DueRun(due, len(self._enqueued), request))
