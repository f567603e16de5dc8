"""The saga as its function sees it: a step is one line, its compensation a value beside it."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel
from uuid_utils.compat import uuid7

from domain import Command, Event, Rejected
from workflows.saga import journal
from workflows.saga.calls import CallRequest, perform_call
from workflows.saga.definition import NOTHING, Call, CompensatingCall, Nothing, Retry
from workflows.saga.errors import Broken, CallFailed, Closed, RunGivenUp, SagaMisuse, Waiting
from workflows.saga.execution import Execution
from workflows.saga.steps import CommandCompensation, execute
from workflows.saga.writer import ALONE, Scope

T = TypeVar("T")
A = TypeVar("A", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)

CALL_TIMEOUT = timedelta(seconds=10)
CALL_RETRY = Retry()


class Step(Generic[T]):
    """A step that was asked for: await it, or hand it to `gather`. Its number was given when it was made."""

    def __init__(self, number: str, run: Callable[[Scope | None], Coroutine[Any, Any, T]]) -> None:
        self.number = number
        self.run = run

    def __await__(self) -> Generator[Any, None, T]:
        return self.run(None).__await__()


class Saga:
    """What a saga function acts through. The function must be deterministic: it runs again after a crash,
    and every step it asks for again is answered from the journal."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._steps = 0
        self._values = 0

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
        request = CallRequest(call, argument, undo, retry, timeout)
        return self._step(lambda number, scope: perform_call(self._execution, number, request, scope))

    async def gather(self, *steps: Step[Any]) -> list[Any]:
        """Run steps side by side; gives their results in order.

        When one fails no other starts, those under way are awaited, and the failure that was recorded
        first is raised.
        """
        scope = Scope(frozenset(step.number for step in steps))
        tasks = [asyncio.ensure_future(_closing_on_failure(step, scope)) for step in steps]
        try:
            if tasks:
                await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
        errors = {step.number: task.exception() for step, task in zip(steps, tasks, strict=True)}
        if any(errors.values()):
            raise self._leaving(self._first(errors))
        return [task.result() for task in tasks]

    def pivot(self) -> None:
        """The point of no return, effective with the next append: what follows is retried, not undone."""
        if self._execution.open:
            raise SagaMisuse("pivot() inside a gather: every step asked for before must have ended")
        if not self._execution.pivoted and not self._execution.state.pivot:
            self._execution.writer.note(journal.PivotReached())
        self._execution.pivoted = True

    def now(self) -> datetime:
        """The time, the same on every replay."""
        return datetime.fromisoformat(self._value(lambda: datetime.now(UTC).isoformat()))

    def uuid(self) -> UUID:
        """A new time-ordered id, the same on every replay."""
        return UUID(self._value(lambda: str(uuid7())))

    def _value(self, make: Callable[[], str]) -> str:
        self._values += 1
        known = self._execution.state.values.get(self._values)
        if known is None:
            known = make()
            self._execution.writer.note(journal.ValueRecorded(index=self._values, value=known))
        return known

    def _compensation(self, compensate: Any, name: str) -> Any:
        if self._execution.pivoted:
            return NOTHING
        if compensate is None:
            raise SagaMisuse(f"{name} before the pivot needs compensate=, or compensate=NOTHING")
        return compensate

    def _step(self, run: Callable[[str, Scope], Coroutine[Any, Any, T]]) -> Step[T]:
        self._steps += 1
        number, execution = str(self._steps), self._execution
        execution.open.add(number)

        async def tracked(scope: Scope | None) -> T:
            if execution.left is not None:
                raise execution.left
            if number in execution.running:
                raise SagaMisuse(f"step {number} was awaited twice at once")
            execution.running.add(number)
            try:
                return await _guarded(run(number, scope or ALONE))
            except BaseException as error:
                if scope is None:
                    self._leaving(error)
                raise
            finally:
                execution.open.discard(number)
                execution.running.discard(number)

        return Step(number, tracked)

    def _leaving(self, error: BaseException) -> BaseException:
        """`error`; unless it is an outcome, no further step starts, be it in a `finally` of the function."""
        if not isinstance(error, (Rejected, CallFailed, asyncio.CancelledError)):
            self._execution.left = error
        return error

    def _first(self, errors: dict[str, BaseException | None]) -> BaseException:
        """The error that decides: giving up, a bug or an interrupt, the first recorded failure, a wait."""
        raised = [error for error in errors.values() if error is not None]
        for error in raised:
            if isinstance(error, RunGivenUp):
                return error
        for error in raised:
            if not isinstance(error, (Rejected, CallFailed, Waiting, Closed)):
                return error
        steps = self._execution.state.steps
        failures = [
            (steps[number].outcome_version or 0, error)
            for number, error in errors.items()
            if isinstance(error, (Rejected, CallFailed))
        ]
        if failures:
            return min(failures, key=lambda failure: failure[0])[1]
        return min((e for e in raised if isinstance(e, Waiting)), key=lambda waiting: waiting.due)


async def _closing_on_failure(step: Step[T], scope: Scope) -> T:
    try:
        return await step.run(scope)
    except (Rejected, CallFailed, Waiting):
        raise  # a failure closes the scope by being in the journal, a wait does not
    except BaseException:
        scope.broken = True
        raise


async def _guarded(step: Coroutine[Any, Any, T]) -> T:
    """What is neither a result nor an outcome passes the function's `except Exception`."""
    try:
        return await step
    except (Rejected, CallFailed):
        raise
    except Exception as bug:
        raise Broken(bug) from bug
