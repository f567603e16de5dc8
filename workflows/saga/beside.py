"""Steps side by side: they fail together, and what is raised is what the journal has first."""

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

from domain import Rejected
from workflows.saga.errors import CallFailed, Closed, ReplayFirst, RunGivenUp, StepRefused, Waiting
from workflows.saga.execution import Execution
from workflows.saga.replay import Replay
from workflows.saga.writer import Scope

T = TypeVar("T")


class Step(Generic[T]):
    """A step that was asked for: await it, or hand it to `gather`. Its number was given when it was made."""

    def __init__(self, number: str, run: Callable[[Scope | None], Coroutine[Any, Any, T]]) -> None:
        self.number = number
        self.run = run

    def __await__(self) -> Generator[Any, None, T]:
        return self.run(None).__await__()


class Beside:
    """The strands of one gather. The strand that gathers goes on when the last of them has ended."""

    def __init__(self, replay: Replay, strands: int) -> None:
        self._replay = replay
        self._left = strands
        replay.fork(strands)

    async def run(self, step: Step[T], scope: Scope) -> T:
        """One of them; a failure closes the scope for the others, a wait or having been closed does not."""
        try:
            return await step.run(scope)
        except (Waiting, Closed):
            raise
        except (Rejected, CallFailed):
            scope.lost = True
            raise
        except BaseException:
            scope.broken = True
            raise
        finally:
            self._left -= 1
            if self._left:
                self._replay.end_strand()


def first_of(errors: dict[str, BaseException | None], execution: Execution) -> BaseException:
    """The error that decides: giving up, a bug or an interrupt, a branch that has not seen its failures,
    the failure that came first, or the waits.

    Where there is none, all were closed by a failure beside the branch that gathers.
    """
    raised = [error for error in errors.values() if error is not None]
    for error in raised:
        if isinstance(error, RunGivenUp):
            return error
    for error in raised:
        if not isinstance(error, (Rejected, CallFailed, Waiting, Closed)):
            return error
    for error in raised:
        if isinstance(error, ReplayFirst):
            return error
    failures = [error for error in raised if isinstance(error, (Rejected, CallFailed))]
    if failures:
        return min(failures, key=lambda failure: failed_at(failure, execution))
    waits = [error for error in raised if isinstance(error, Waiting)]
    return Waiting.any_of(waits) if waits else raised[0]


def failed_at(failure: Rejected | CallFailed, execution: Execution) -> float:
    """Where in the journal a failure stands: there where that of the step is recorded. A refusal of a branch
    itself is not, and stands behind the last outcome that the branch went on with."""
    step = failure.step if isinstance(failure, (StepRefused, CallFailed)) else None
    recorded = execution.outcome_version(step) if step else None
    return recorded or execution.refused_behind.get(failure, 0) + 0.5
