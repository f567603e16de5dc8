"""The saga as its function sees it: a step is one line, its compensation a value beside it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, Concatenate, Final, NoReturn, ParamSpec, TypeVar, overload
from uuid import UUID

from pydantic import BaseModel
from uuid_utils.compat import uuid7

from domain import Command, Event, Rejected
from workflows.saga import journal
from workflows.saga.beside import Beside, Step, failed_at, first_of
from workflows.saga.calls import CallRequest, give_up_calls, perform_call
from workflows.saga.children import ChildRequest, start_child
from workflows.saga.definition import (
    NOTHING,
    Call,
    CompensatingCall,
    Nothing,
    Retry,
    SagaDefinition,
    checked_attributes,
)
from workflows.saga.errors import Broken, CallFailed, ContinuedAs, SagaMisuse
from workflows.saga.execution import Execution, fitting
from workflows.saga.steps import CommandCompensation, execute
from workflows.saga.waits import receive, sleep
from workflows.saga.writer import ALONE, Scope

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)

CALL_TIMEOUT = timedelta(seconds=10)
CALL_RETRY = Retry()
SPAN_MAX: Final = timedelta(days=36_500)
ENTRIES_MAX: Final = 20_000
"""How long a journal may grow before its saga must have ended, begun again by continue_as(), or passed its
pivot: what must go on to its end is not stopped."""


class Saga:
    """What a saga function acts through. The function must be deterministic: it runs again after a crash,
    and every step it asks for again is answered from the journal."""

    def __init__(
        self,
        execution: Execution,
        definition: SagaDefinition,
        branch: str = "",
        scope: Scope = ALONE,
        behind: int = 0,
    ) -> None:
        self._execution = execution
        self._definition = definition
        self._branch = branch
        self._scope = scope
        self._behind = behind  # the version of the last outcome that it went on with
        self._steps = 0
        self._values: Counter[str] = Counter()
        self._beside = 0
        self._left: BaseException | None = None

    @property
    def id(self) -> str:
        return self._execution.state.saga_id

    @property
    def version(self) -> int:
        """The version of the definition that this saga was started with; branch on it to change code."""
        return self._execution.state.saga_version

    def execute(
        self, command: Command, *, compensate: CommandCompensation | None = None
    ) -> Step[list[Event]]:
        """Send a command to its aggregate; gives the new events. Raises Rejected.

        `compensate` undoes it: a command, a function from the new events to a command, or NOTHING. It must be
        said before the pivot (SagaMisuse), and has no meaning after it.
        """
        undo = self._compensation(compensate, type(command).__name__)
        return self._step(lambda number, scope: execute(self._execution, number, command, undo, scope))

    def call(
        self,
        call: Call[A, R],
        argument: A,
        *,
        compensate: CompensatingCall | Nothing | None = None,
        retry: Retry = CALL_RETRY,
        timeout: timedelta = CALL_TIMEOUT,
    ) -> Step[R]:
        """Act outside our database; gives the result. Raises Rejected, and CallFailed after the last attempt.

        The outcome of a failed call is unknown, so it is compensated too: `compensate` must tolerate that the
        call never happened. `timeout` bounds each attempt.
        """
        undo = self._compensation(compensate, call.name)
        _check_span(timeout)
        request = CallRequest(call, argument, undo, retry, timeout)
        return self._step(lambda number, scope: perform_call(self._execution, number, request, scope))

    @overload
    def receive(self, signal: str, data: type[R]) -> Step[R]: ...

    @overload
    def receive(self, signal: str, data: type[R], *, timeout: timedelta) -> Step[R | None]: ...

    def receive(self, signal: str, data: type[R], *, timeout: timedelta | None = None) -> Step[Any]:
        """Wait for a signal, not in memory; gives its data, or None when it has not come in time.

        One that came early is taken at once; each is taken by one step. The saga's definition must declare
        the signal with this type of data (SagaMisuse).
        """
        if self._definition.signals.get(signal) is not data:
            declared = f"{self._definition.name} must declare signals={{{signal!r}: {data.__name__}}}"
            raise SagaMisuse(declared)
        if timeout is not None:
            _check_span(timeout)

        async def run(number: str, scope: Scope) -> R | None:
            received = await receive(self._execution, number, signal, timeout, scope)
            return None if received is None else fitting(data.model_validate, received, number, signal)

        return self._step(run)

    def sleep(self, duration: timedelta) -> Step[None]:
        """Go on after `duration`, by the database's clock; nothing of a long sleep is in memory."""
        _check_span(duration)
        return self._step(lambda number, scope: sleep(self._execution, number, duration, scope))

    def sleep_until(self, time: datetime) -> Step[None]:
        """Go on at `time`, which has a time zone (SagaMisuse)."""
        if time.tzinfo is None:
            raise SagaMisuse("sleep_until() takes a time with a time zone")
        _check_span(time - self._execution.clock())
        return self._step(lambda number, scope: sleep(self._execution, number, time, scope))

    def start(
        self, saga: SagaDefinition, saga_input: BaseModel, *, id: str | None = None, detached: bool = False
    ) -> Step[Any]:
        """Start another saga and wait for its end; gives its result. Raises Rejected when it was undone.

        When this saga compensates, it is undone as well, at its place in the order. A detached one is left
        to itself: its id is given at once, nobody waits for it, and nothing here undoes it.
        """
        if not isinstance(saga_input, saga.input):
            raise SagaMisuse(f"{saga.name} takes a {saga.input.__name__}, not a {type(saga_input).__name__}")
        request = ChildRequest(saga, saga_input, id, detached)
        return self._step(lambda number, scope: start_child(self._execution, number, request, scope))

    def branch(
        self,
        function: "Callable[Concatenate[Saga, P], Awaitable[T]]",
        *arguments: P.args,
        **named: P.kwargs,
    ) -> Step[T]:
        """Several steps as one, to run beside others in a gather: `function(saga, ...)` with its own saga.

        Its steps are numbered below the branch (`2.1`, `2.2`), whatever runs beside it.
        """

        async def run(number: str, scope: Scope) -> T:
            execution = self._execution
            saga = Saga(execution, self._definition, f"{number}.", scope, self._behind)
            try:
                return await function(saga, *arguments, **named)
            except (Rejected, CallFailed) as failure:
                execution.refused_behind.setdefault(failure, saga._behind)
                raise
            finally:
                execution.went_on_with[number] = saga._behind
                saga.raise_if_left()

        return self._asked(run)

    async def gather(self, *steps: Step[Any]) -> list[Any]:
        """Run steps and branches side by side; gives their results in order.

        When one fails no other step starts, those under way are awaited, and the failure that was recorded
        first is raised.
        """
        if not steps:
            return []
        scope = Scope(frozenset(step.number for step in steps), parent=self._scope)
        beside = Beside(self._execution.replay, len(steps))
        tasks = [asyncio.ensure_future(beside.run(step, scope)) for step in steps]
        self._beside += 1
        try:
            await asyncio.wait(tasks)
        finally:
            self._beside -= 1
            for task in tasks:
                task.cancel()
        errors = {step.number: task.exception() for step, task in zip(steps, tasks, strict=True)}
        if any(errors.values()):
            error = await self._settled(first_of(errors, self._execution), scope.steps)
            if isinstance(error, (Rejected, CallFailed)):  # whatever has ended beside it, then or later
                self._goes_on_behind(int(failed_at(error, self._execution)))
            raise self._leaving(error)
        self._goes_on_behind(*map(self._execution.last_outcome, scope.steps))
        return [task.result() for task in tasks]

    async def _settled(self, error: BaseException, steps: frozenset[str]) -> BaseException:
        """`error`; or what comes before a failure: no call beside it is left without an outcome."""
        if isinstance(error, (Rejected, CallFailed)):
            try:
                await _guarded(give_up_calls(self._execution, steps))
            except BaseException as first:
                return first
        return error

    def pivot(self) -> None:
        """The point of no return, effective with the next append: what follows is retried, not undone."""
        if self._execution.open:
            raise SagaMisuse("pivot() inside a gather: every step asked for before must have ended")
        if not self._execution.pivoted and not self._execution.state.pivot:
            self._execution.writer.note(journal.PivotReached())
        self._execution.pivoted = True

    def continue_as(self, saga_input: BaseModel) -> NoReturn:
        """End a long history: the function begins again with this input, as the same saga.

        What was done before is final. So no step that could still be undone may be left: pass the pivot
        first, or say NOTHING (SagaMisuse). A step whose failure the function got over is undone first.
        """
        execution = self._execution
        if execution.open:
            raise SagaMisuse("continue_as() inside a gather: every step asked for before must have ended")
        dropped = [step.name for step in execution.state.plan() if step.status == "succeeded"]
        if dropped and not execution.pivoted:
            raise SagaMisuse(f"continue_as() drops the compensation of {dropped[0]}: pass the pivot first")
        raise self._leaving(ContinuedAs(saga_input))

    def tag(self, **attributes: str) -> None:
        """Set search attributes, by which sagas are listed; written with the next step."""
        index = self._next_value("tag")
        if index not in self._execution.state.noted:
            writer = self._execution.writer
            try:
                checked_attributes({**writer.attributes, **attributes})
            except ValueError as error:
                raise SagaMisuse(str(error)) from None
            writer.note(journal.Tagged(index=index, attributes=attributes))

    def now(self) -> datetime:
        """The time, the same on every replay."""
        return datetime.fromisoformat(self._value("now", lambda: self._execution.clock().isoformat()))

    def uuid(self) -> UUID:
        """A new time-ordered id, the same on every replay."""
        return UUID(self._value("uuid", lambda: str(uuid7())))

    def raise_if_left(self) -> None:
        """Raise what has ended the progress of the function, should it have swallowed it."""
        if self._left is not None:
            raise self._left

    def _value(self, kind: str, make: Callable[[], str]) -> str:
        index = self._next_value(kind)
        known = self._execution.state.values.get(index)
        if known is None:
            known = make()
            self._execution.writer.note(journal.ValueRecorded(index=index, value=known))
        return known

    def _next_value(self, kind: str) -> str:
        """Counted by kind: a tag that is added to the code does not change the ids after it."""
        self._check_own()
        self._values[kind] += 1
        return f"{self._branch}{kind}-{self._values[kind]}"

    def _compensation(self, compensate: Any, name: str) -> Any:
        if self._execution.pivoted:
            return NOTHING
        if compensate is None:
            raise SagaMisuse(f"{name} before the pivot needs compensate=, or compensate=NOTHING")
        return compensate

    def _step(self, run: Callable[[str, Scope], Coroutine[Any, Any, T]]) -> Step[T]:
        """A step of the journal: it waits for its turn among those that are recorded."""
        execution = self._execution

        async def in_turn(number: str, scope: Scope) -> T:
            recorded, known = execution.outcome_version(number), number in execution.state.steps

            def closed() -> bool:
                step = execution.state.steps.get(number)
                lasting = step is not None and step.must_succeed
                return recorded is None and not lasting and scope.closed(execution.state)

            await execution.replay.turn(recorded, closed)
            if recorded is None and not closed():
                execution.check_all_asked_for(number)
            if not known and not execution.pivoted and execution.state.length > ENTRIES_MAX:
                raise SagaMisuse(f"the journal has more than {ENTRIES_MAX} entries: end it by continue_as()")
            if recorded is not None:
                return await run(number, scope)
            return await execution.replay.live(run(number, scope), lambda: execution.outcome_version(number))

        return self._asked(in_turn)

    def _asked(self, run: Callable[[str, Scope], Coroutine[Any, Any, T]]) -> Step[T]:
        self._check_own()
        self._steps += 1
        number, execution = f"{self._branch}{self._steps}", self._execution
        execution.open.add(number)

        async def tracked(scope: Scope | None) -> T:
            self.raise_if_left()
            if number in execution.running:
                raise SagaMisuse(f"step {number} was awaited twice at once")
            execution.running.add(number)
            try:
                return await _guarded(run(number, scope or self._scope))
            except BaseException as error:
                if scope is None:
                    self._leaving(error)
                raise
            finally:
                if scope is None:
                    self._goes_on_behind(execution.last_outcome(number))
                execution.open.discard(number)
                execution.running.discard(number)

        return Step(number, tracked)

    def _goes_on_behind(self, *versions: int) -> None:
        self._behind = max(self._behind, *versions)

    def _check_own(self) -> None:
        if self._beside:
            raise SagaMisuse("inside a gather a branch acts through its own saga, not the outer one")

    def _leaving(self, error: BaseException) -> BaseException:
        """`error`; unless it is an outcome, no further step starts, be it in a `finally` of the function."""
        if not isinstance(error, (Rejected, CallFailed, asyncio.CancelledError)):
            self._left = error
        return error


def _check_span(span: timedelta) -> None:
    if span > SPAN_MAX:
        raise SagaMisuse(f"{span} is longer than a saga can wait, {SPAN_MAX}")


async def _guarded(step: Coroutine[Any, Any, T]) -> T:
    """What is neither a result nor an outcome passes the function's `except Exception`."""
    try:
        return await step
    except (Rejected, CallFailed):
        raise
    except Exception as bug:
        raise Broken(bug) from bug
