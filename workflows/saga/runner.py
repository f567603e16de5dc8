"""One execution of one run: read the journal, go forward or back, and record how it ends.

read the journal            nothing to do unless it names this run
forward                     the saga's function, its recorded steps answered from the journal
  returned                  SagaCompleted
  Rejected, CallFailed      CompensationStarted, then back
  Waiting                   Parked: names and enqueues the run that goes on at its time, if it has one
  ContinuedAs               Continued: names and enqueues the run that begins again
  Halted, any exception     SagaStuck
back                        the stored compensations
  done                      SagaCompensated, or SagaAbandoned if something stays
  Waiting                   Parked
  Halted, any exception     SagaStuck
RunGivenUp leaves           DBOS keeps the row; the supervisor resumes it
"""

import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from domain import Event, Rejected
from eventstore import AppendRefused, EventStore
from workflows.saga import journal
from workflows.saga.children import end
from workflows.saga.commands import CommandHandler
from workflows.saga.compensation import compensate, undo
from workflows.saga.context import Saga
from workflows.saga.definition import Registry
from workflows.saga.errors import (
    Awoken,
    Broken,
    CallFailed,
    ContinuedAs,
    Halted,
    Interrupted,
    NonDeterminismError,
    Outdated,
    Overtaken,
    SagaMisuse,
    StepRefused,
    Superseded,
    Waiting,
)
from workflows.saga.execution import Execution, describe, storable
from workflows.saga.runs import RUNS_TAKEN_MAX, run_request
from workflows.saga.state import SagaState, read_state
from workflows.saga.writer import JournalWriter

TRACEBACK_CHARS_MAX = 8_000
READS_MAX = 100


@dataclass(frozen=True)
class Runner:
    """Executes runs. `store` should be patient: what it raises is taken for a bug of the saga."""

    store: EventStore
    handler: CommandHandler
    registry: Registry
    executor: str
    margin_seconds: float = 1.0
    stopping: Callable[[], bool] = lambda: False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def run(
        self, saga_id: str, run: int, execution_id: str, state: SagaState | None = None
    ) -> SagaState | None:
        """Advance the saga as far as it goes; what it has come to, None when there is no such saga. Returns
        at once when the journal names another run.

        `state` is what the journal says, when that is known already.
        Raises RunGivenUp only; any other exception has become an entry of the journal.
        """
        for _ in range(READS_MAX):
            state = state or await read_state(self.store, self.handler.codec, saga_id)
            if state is None or state.idle_for(run):
                return state
            writer = self._writer(state, run, execution_id)
            execution = Execution(
                writer,
                self.handler,
                self.registry,
                self.margin_seconds,
                pivoted=state.pivot,
                clock=self.clock,
            )
            with suppress(Overtaken, Awoken):
                with suppress(Outdated):
                    if state.has_news:
                        await writer.append()  # from here on the function sees that its children have ended
                    await self._advance(execution)
                return state
            state = None
        raise Superseded(saga_id)

    def _writer(self, state: SagaState, run: int, execution_id: str) -> JournalWriter:
        return JournalWriter(
            self.store, self.handler.codec, state, run, execution_id, self.executor, self.stopping
        )

    async def _advance(self, execution: Execution) -> None:
        if not execution.state.compensating:
            with suppress(Interrupted):
                await self._recording(execution, self._forward, forward=True)
        if execution.state.status == "compensating":
            await self._recording(execution, compensate, forward=False)

    async def _recording(
        self, execution: Execution, phase: Callable[[Execution], Awaitable[None]], *, forward: bool
    ) -> None:
        """Run a phase; what stops it becomes an entry, which gives way to a request if it is forward."""
        writer = execution.writer
        try:
            try:
                await phase(execution)
            except Waiting as waiting:
                await self._park(execution, waiting, forward=forward)
            except ContinuedAs as again:
                await self._continue(execution, again)
        except Halted as halt:
            error = storable(halt.error)
            await writer.append(
                journal.SagaStuck(reason=halt.reason, error=error, step=halt.step), forward=forward
            )
        except Broken as broken:
            await writer.append(_stuck(broken.bug), forward=forward)
        except Exception as bug:
            await writer.append(_stuck(bug), forward=forward)

    async def _forward(self, execution: Execution) -> None:
        state, writer = execution.state, execution.writer
        if state.start_at is not None and state.updated_at < state.start_at:
            await execution.until(state.start_at, "starts later")  # DBOS may bring the run early
        try:
            result = await self.call_function(execution)
        except ContinuedAs:
            self.check_all_visited(execution)
            await self._undo_failures(execution)
            raise
        except (Rejected, CallFailed) as failure:
            if execution.pivoted:
                raise Halted("rejected-after-pivot", str(failure), _cause(failure).step) from failure
            self.check_all_visited(execution)
            self._check_none_left(execution.running)
            await writer.append(journal.CompensationStarted(cause=_cause(failure)), forward=True)
            return
        self.check_all_visited(execution)
        self._check_none_left(execution.open)
        await self._undo_failures(execution)
        dumped = _adapter(result.__class__).dump_python(result, mode="json")
        await end(execution, journal.SagaCompleted(result=dumped), forward=True)

    @staticmethod
    async def _undo_failures(execution: Execution) -> None:
        """Undo what may have acted though the function got over its failure."""
        for step in execution.state.plan():
            if step.status != "succeeded":
                await undo(execution, step, forward=True)

    async def call_function(self, execution: Execution) -> Any:
        """What the saga's function returns, answered from the journal as far as that goes."""
        definition = self.registry.saga(execution.state.name)
        saga_input = definition.input.model_validate(execution.state.input)
        saga = Saga(execution, definition)
        try:
            return await definition.function(saga, saga_input)
        finally:
            saga.raise_if_left()  # also when the function swallowed it: `finally: return`

    async def _park(self, execution: Execution, waiting: Waiting, *, forward: bool) -> None:
        """End the run until something comes; with a time the next run is enqueued for it."""
        state = execution.state
        delay = None
        if waiting.due is not None:
            delay = max(0.0, (waiting.due - await self.store.now()).total_seconds())

        def unless_it_came() -> None:
            if any(map(state.next_signal, waiting.signals)) or not all(map(state.waits_on, waiting.children)):
                raise Awoken

        def parked(run: int | None) -> Event:
            return journal.Parked(
                run=run,
                delay_seconds=delay,
                reason=waiting.reason,
                signals=sorted(waiting.signals),
                children=sorted(waiting.children),
            )

        if delay is None:
            await execution.writer.append(parked(None), forward=forward, guard=unless_it_came)
        else:
            await self._append_naming(execution, parked, delay, forward=forward, guard=unless_it_came)

    async def _continue(self, execution: Execution, again: ContinuedAs) -> None:
        definition = self.registry.saga(execution.state.name)
        if type(again.input) is not definition.input:
            raise SagaMisuse(f"continue_as() takes a {definition.input.__name__}")
        dumped = again.input.model_dump(mode="json")

        def continued(run: int) -> Event:
            return journal.Continued(input=dumped, saga_version=definition.version, run=run)

        await self._append_naming(execution, continued, None, forward=True)

    async def _append_naming(
        self,
        execution: Execution,
        entry: Callable[[int], Event],
        delay_seconds: float | None,
        *,
        forward: bool,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        """Append the entry that names the next run, and enqueue that run."""
        state, lane = execution.state, self.registry.lane(execution.state.name)
        for run in range(state.named_run + 1, state.named_run + 1 + RUNS_TAKEN_MAX):
            with suppress(AppendRefused):  # DBOS has a run of that number, which this journal does not know
                await execution.writer.append(
                    entry(run),
                    attachment=run_request(lane, state.name, state.saga_id, run, delay_seconds=delay_seconds),
                    forward=forward,
                    guard=guard,
                )
                return
        raise SagaMisuse(f"DBOS already has {RUNS_TAKEN_MAX} runs of this saga that its journal never named")

    @staticmethod
    def check_all_visited(execution: Execution) -> None:
        """Raises NonDeterminismError when a step is recorded that the function did not ask for."""
        for step in execution.state.steps.values():
            if step.step not in execution.visited:
                raise NonDeterminismError(step.step, f"{step.name} {step.asked}", "the end of the saga")

    @staticmethod
    def _check_none_left(steps: set[str]) -> None:
        if steps:
            left = ", ".join(sorted(steps))
            raise SagaMisuse(f"the function ended without step {left}: await each step, or gather them")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Made once for each type of results: making it takes as long as a step."""
    return TypeAdapter(kind)


def _stuck(error: Exception) -> journal.SagaStuck:
    if isinstance(error, NonDeterminismError):
        return journal.SagaStuck(reason="nondeterminism", error=storable(str(error)), step=error.step)
    trace = storable("".join(traceback.format_exception(error)))[-TRACEBACK_CHARS_MAX:]
    return journal.SagaStuck(reason="bug", error=describe(error), traceback=trace)


def _cause(failure: Rejected | CallFailed) -> journal.Cause:
    if isinstance(failure, CallFailed):
        return journal.Cause(code="call-failed", detail=str(failure), step=failure.step)
    step = failure.step if isinstance(failure, StepRefused) else None
    return journal.Cause(code=failure.code, detail=failure.reason, step=step, data=failure.data)
