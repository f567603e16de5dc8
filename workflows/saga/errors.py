"""What can go wrong in a saga, one family a consequence.

Exception
├── domain.Rejected        the business says no                -> the saga compensates
│   └── StepRefused        the same, said to a step
├── Transient              a retry may help                    -> bounded retries
├── CallFailed             the retries of a call are used up   -> the saga compensates, the call included
├── NonDeterminismError    the code no longer fits the journal -> stuck
├── SagaMisuse             the saga's code breaks a rule       -> stuck
└── SagaError              what a caller of the engine did wrong: SagaNotFound, UnknownSaga, SagaConflict,
                           InvalidSagaId, InvalidBatch, CannotCompensate, NotPossible, SagaMoved,
                           UnknownSignal, SignalConflict, SignalTooLarge, TooManySignals
BaseException              (the saga's own `except Exception` must not see these)
├── RunGivenUp             this execution stops without an outcome; DBOS keeps its row and it is resumed
│   ├── Superseded         another execution of the run has started
│   ├── Stopping           the process is shutting down
│   └── StoreAway          the database has been away for too long
└── RunSuspended           ends the saga function; the runner decides what follows
    ├── Interrupted        an operator asked for compensation
    ├── Closed             a sibling of this step failed before the step started
    ├── Outdated           another run was named, or the saga is at rest
    ├── Overtaken          an earlier execution wrote after this one had read: read again
    ├── Waiting            nothing can go on before an instant, a signal, or the end of a child
    ├── Awoken             it has come before the saga was parked: read again
    ├── ContinuedAs        the function begins again with another input
    ├── Halted             a person must look: the saga becomes stuck
    └── Broken             a step met a bug: the saga becomes stuck with its traceback
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from domain import Rejected

StuckReason = Literal[
    "bug",
    "compensation-failed",
    "nondeterminism",
    "rejected-after-pivot",
    "no-progress",
    "undone-to-step",
]
"""The last one is no failure: an operator asked to go back to a step, and decides what follows."""


class Transient(Exception):
    """A retry may help. Calls raise it for a remote that is away, overloaded or slow."""


class StepRefused(Rejected):
    """A step was rejected. Caught by the saga's function, it goes on another way; else it compensates."""

    def __init__(self, step: str, reason: str, code: str, data: dict[str, Any]) -> None:
        super().__init__(reason, code=code, data=data)
        self.step = step


class CallFailed(Exception):
    """A call failed on its last attempt; whether the other side acted is not known."""

    def __init__(self, step: str, name: str, error: str) -> None:
        super().__init__(f"{name} (step {step}) failed: {error}")
        self.step = step
        self.name = name
        self.error = error


class NonDeterminismError(Exception):
    """The saga's code asks for another step than its journal recorded. Guard changes by `saga.version`."""

    def __init__(self, step: str, recorded: Any, asked: Any) -> None:
        super().__init__(f"step {step} was recorded as {recorded}, the code now asks for {asked}")
        self.step = step
        self.recorded = recorded
        self.asked = asked


class SagaMisuse(Exception):
    """The saga's code breaks a rule of the kernel; the message names the rule."""


class SagaError(Exception):
    """The caller asked the engine for something it cannot do."""


class SagaNotFound(SagaError):
    """There is no saga with this id."""


class UnknownSaga(SagaError):
    """No saga of this name is defined."""


class InvalidSagaId(SagaError):
    """A saga id has 1 to 120 characters from A-Z a-z 0-9 . _ : -"""


class SagaConflict(SagaError):
    """The saga id is taken by a saga of another name or with another input."""


class InvalidBatch(SagaError):
    """Sagas that are started together are too many, none, or two of one id."""


class CannotCompensate(SagaError):
    """The saga cannot be compensated as it is; the message says what blocks it."""


class NotPossible(SagaError):
    """The saga's status does not allow it; the message says what would."""


class SagaMoved(SagaError):
    """The saga is not any more as the caller saw it; nothing was done."""

    def __init__(self, saga_id: str, version: int) -> None:
        super().__init__(f"the journal of {saga_id} is at version {version}")
        self.version = version


class UnknownSignal(SagaError):
    """The saga receives no signal of this name."""


class SignalConflict(SagaError):
    """The id of the signal belongs to another one."""


class SignalTooLarge(SagaError):
    """The data of the signal has too many bytes."""


class TooManySignals(SagaError):
    """The saga got too many signals; try again in a moment."""


class RunGivenUp(BaseException):
    """This execution stops here; the saga goes on in another one."""


class Superseded(RunGivenUp):
    """Another execution of this run wrote to the journal: it goes on, this one must not."""


class Stopping(RunGivenUp):
    """The executor is shutting down; the run is resumed elsewhere."""


class StoreAway(RunGivenUp):
    """The database did not answer within the patience of a run."""


class RunSuspended(BaseException):
    """Leaves the saga function; never leaves the runner."""


class Interrupted(RunSuspended):
    """Compensation was requested: no further step starts."""


class Closed(RunSuspended):
    """The step was not started, because a step beside it had failed."""


class Outdated(RunSuspended):
    """The journal names another run by now, or none; this one ends quietly."""


class Overtaken(RunSuspended):
    """An append of an earlier execution arrived late, before this execution had announced itself."""


class Waiting(RunSuspended):
    """Nothing can go on before `due` (by the database's clock), one of `signals`, or the end of one of the
    `children` (their steps), whichever comes first."""

    def __init__(
        self,
        due: datetime | None,
        reason: str,
        *,
        signals: frozenset[str] = frozenset(),
        children: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(reason)
        self.due = due
        self.reason = reason
        self.signals = signals
        self.children = children

    @classmethod
    def any_of(cls, waits: "Sequence[Waiting]") -> "Waiting":
        """What steps side by side wait for, all together."""
        due = min((wait.due for wait in waits if wait.due), default=None)
        first = next(wait for wait in waits if wait.due == due)
        return cls(
            due,
            first.reason,
            signals=frozenset[str]().union(*(wait.signals for wait in waits)),
            children=frozenset[str]().union(*(wait.children for wait in waits)),
        )


class ReplayFirst(Waiting):
    """What failed in a branch is to be seen by its function before a failure beside it is: the next run, at
    once, replays both in the order of the journal."""


class Awoken(RunSuspended):
    """What the saga was about to wait for has come meanwhile: read the journal again."""


class ContinuedAs(RunSuspended):
    """The function begins again with another input."""

    def __init__(self, again: BaseModel) -> None:
        super().__init__(type(again).__name__)
        self.input = again


class Halted(RunSuspended):
    """The saga must not go on by itself: it becomes stuck for `reason`."""

    def __init__(self, reason: StuckReason, error: str, step: str | None = None) -> None:
        super().__init__(error)
        self.reason = reason
        self.error = error
        self.step = step


class Broken(RunSuspended):
    """A step met a bug. Nothing of it is in the journal, so the saga's function must not build on it."""

    def __init__(self, bug: Exception) -> None:
        super().__init__(str(bug))
        self.bug = bug
