"""Executors: processes that run sagas, and what looks after the runs of those that died or slept."""

from dataclasses import replace
from typing import Any

from tests.simulation.invariants import Witness
from tests.simulation.loop import Process
from tests.simulation.rows import Row, Rows
from tests.simulation.store import QuickPatience, SimulatedStore
from tests.simulation.world import World
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler
from workflows.saga.definition import Registry
from workflows.saga.errors import RunGivenUp, RunSuspended
from workflows.saga.execution import Execution
from workflows.saga.runner import Runner
from workflows.saga.runs import run_number, saga_of
from workflows.saga.state import fold

LEASE_SECONDS = 10.0
EXECUTORS = 2


class ObservedRunner(Runner):
    """The real runner; what it believes of the journal is compared with the journal."""

    async def _advance(self, execution: Execution) -> None:
        try:
            await super()._advance(execution)
        finally:
            self.check(execution)

    def check(self, execution: Execution) -> None:
        """Set by the executor."""


class Executor(Process):
    """One process that runs sagas."""

    def __init__(self, name: str, runner: Runner) -> None:
        super().__init__(name)
        self.runner = runner
        self.executions = 0


class Executors:
    """All of them. A dead one is replaced; its runs, and those that were given up, are resumed."""

    def __init__(
        self,
        world: World,
        store: SimulatedStore,
        rows: Rows,
        witness: Witness,
        registry: Registry,
        codec: EventCodec,
    ) -> None:
        self._world = world
        self._store = store
        self._witness = witness
        self._rows = rows
        self._registry = registry
        self._codec = codec
        self._count = 0
        self.living: list[Executor] = []
        rows.dispatch = self._dispatch
        world.on_kill.append(self._killed)
        world.on_pause.append(self._paused)
        for _ in range(EXECUTORS):
            self._start_one()

    def _start_one(self) -> None:
        self._count += 1
        name = f"x{self._count}"
        patience = 0.0 if self._world.trouble.chance(0.3) else 3600.0
        store = QuickPatience(self._store, patience_seconds=patience)
        runner = ObservedRunner(
            store, CommandHandler(store, self._codec), self._registry, name, clock=self._world.now
        )
        executor = Executor(name, runner)
        object.__setattr__(runner, "check", lambda execution: self._check(executor, execution))
        self.living.append(executor)

    def _dispatch(self, row: Row) -> bool:
        able = [executor for executor in self.living if not executor.asleep]
        if not able:
            return False
        executor = self._world.rng.choice(able)
        row.status, row.owner = "PENDING", executor
        executor.executions += 1
        execution = f"{executor.name}.{executor.executions}"
        self._world.note(f"{executor.name} takes {row.run_id} as {execution}")
        self._world.spawn(executor, self._execute(executor, row, execution))
        return True

    async def _execute(self, executor: Executor, row: Row, execution: str) -> None:
        saga_id = saga_of(row.run_id)
        try:
            await executor.runner.run(saga_id, run_number(row.run_id), execution)
        except RunGivenUp as given_up:
            self._world.note(f"{execution} gives {row.run_id} up: {type(given_up).__name__}")
            self._world.later(3.0, self._rows.resume, row)
        except (Exception, RunSuspended) as error:
            self._world.violated(f"{row.run_id}: {error!r} left the runner")
        else:
            self._world.note(f"{execution} ends {row.run_id}")
            self._rows.end(row)
            state = self._witness.states.get(saga_id)
            if state is None or not state.idle_for(run_number(row.run_id)):
                self._world.violated(f"{row.run_id} returned though it was to go on")

    def _killed(self, process: Process) -> None:
        if process in self.living:
            self.living.remove(process)  # type: ignore[arg-type]
            self._world.later(1.0, self._start_one)
            self._world.later(2.0, self._resume_all, process)

    def _paused(self, process: Process, seconds: float) -> None:
        if process in self.living and seconds > LEASE_SECONDS:
            self._world.later(LEASE_SECONDS, self._resume_all, process)

    def _resume_all(self, process: Process) -> None:
        for row in self._rows.rows.values():
            if row.owner is process:
                self._rows.resume(row)

    def _check(self, executor: Executor, execution: Execution) -> None:
        """The state that an execution has kept up to date is the fold of the journal."""
        if not executor.alive:
            return
        state: Any = execution.state
        known: Any = self._witness.states[state.saga_id]
        if known.version != state.version:  # it does not know yet what others wrote
            known = fold(self._codec, self._store.events(f"saga-{state.saga_id}")[: state.version])
        position = self._store.told(known.position)
        if (known if position == known.position else replace(known, position=position)) != state:
            self._world.violated(f"{state.saga_id}: {execution.writer.execution} believes what is not so")
