"""The journal of a saga: its entries, all that is ever recorded about its progress.

    SagaRequested
      RunStarted                               an execution announces itself, with its first entry
        StepSucceeded | StepRejected           execute: one entry, in the append of its events
        StepStarted (StepSucceeded | StepRejected | StepFailed)     call: one pair an attempt
        WaitStarted StepSucceeded              receive, sleep: the second when the signal or the time has come
        ChildStarted ChildEnded                start: the second comes from the child, with its end
        PivotReached | ValueRecorded | Tagged
      Parked                                   the run ends: what goes on, and when or by what
      SignalReceived                           from outside, at any time
      CompensationRequested                    an operator stops the saga
      CompensationStarted
        CompensationAttempted? (StepCompensated | CompensationFailed)
      SagaStuck                                a person must look
      RetryRequested | Resumed | StepSkipped   what the person decided
      Continued                                the function begins again with another input
    SagaCompleted | SagaCompensated | SagaAbandoned

An entry that makes a saga runnable names the one run that may go on (`run`); a run with another number
returns at once.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from domain import Event, Upcaster
from workflows.saga.errors import StuckReason

StepKind = Literal["execute", "call", "receive", "sleep", "child"]


SchemaVersion = Annotated[int, Field(exclude_if=lambda version: version == 1)]
"""Of a command or an argument; the first one is not written."""


class StoredCompensation(Event):
    """A compensation as data: it runs without the saga's code, months later."""

    kind: Literal["command", "call"]
    name: str
    data: dict[str, Any]
    data_version: int = 1


class Cause(Event):
    """Why a saga compensates; also the `error` that its users read."""

    code: str
    detail: str
    step: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)


class Parent(Event):
    """The saga that started this one, and the step of it that waits for the end."""

    saga_id: str
    step: str


class SagaRequested(Event):
    """With `start_at` its run is delayed until then."""

    name: str
    saga_version: int
    input: dict[str, Any]
    run: int = 1
    parent: Parent | None = None
    attributes: dict[str, str] = Field(default_factory=dict)
    start_at: datetime | None = None


class RunStarted(Event):
    run: int
    execution: str
    executor: str


class StepStarted(Event):
    """One attempt of a call. Its deadline is its recording time plus the timeout: nobody else acts before."""

    step: str
    name: str
    argument: dict[str, Any]
    argument_version: SchemaVersion = 1
    attempt: int
    timeout_seconds: float
    compensation: StoredCompensation | None


class WaitStarted(Event):
    """A wait for a signal (`name`) or for a time. It ends `timeout_seconds` after its recording, or at
    `until`; without either a signal must come."""

    step: str
    kind: StepKind
    name: str
    timeout_seconds: float | None = None
    until: datetime | None = None


class ChildStarted(Event):
    """Another saga was requested, in the same append. A detached one is left alone: nobody waits for it."""

    step: str
    saga: str
    child: str
    input: dict[str, Any]
    detached: bool


class Left(Event):
    """A step whose effect stays."""

    step: str
    name: str


class ChildEnded(Event):
    """Written by the child, with its end; `left` are the steps of the child whose effect stays. `run` is set
    when the parent waited for it."""

    step: str
    child: str
    status: Literal["completed", "compensated", "abandoned"]
    result: Any = None
    cause: Cause | None = None
    left: list[Left] = Field(default_factory=list)
    run: int | None = None


class StepSucceeded(Event):
    """`signal` is the id of the signal that a `receive` took; without one its time was up."""

    step: str
    name: str
    kind: StepKind
    command: dict[str, Any] = Field(default_factory=dict)
    command_version: SchemaVersion = 1
    stream: str | None = None
    first_version: int = 0
    last_version: int = 0
    result: Any = None
    signal: str | None = None
    compensation: StoredCompensation | None = None


class StepRejected(Event):
    step: str
    name: str
    kind: StepKind
    command: dict[str, Any] = Field(default_factory=dict)
    command_version: SchemaVersion = 1
    stream: str | None = None
    reason: str
    code: str
    data: dict[str, Any] = Field(default_factory=dict)


class StepFailed(Event):
    """An attempt of a call failed; without `retry_in_seconds` it was the last one. `refused`: the other side
    said no past the pivot, where a refusal is no outcome."""

    step: str
    attempt: int
    error: str
    retry_in_seconds: float | None
    refused: bool = False


class PivotReached(Event):
    pass


class ValueRecorded(Event):
    """A time or an id that the saga asked for, so that a replay gets the same one."""

    index: str
    value: str


class Tagged(Event):
    """Search attributes; the later value of a name counts."""

    index: str
    attributes: dict[str, str]


class Parked(Event):
    """Nothing can go on before a time, a signal or the end of a child. `run` is delayed until the time;
    without one there is none, and whatever wakes the saga names the run."""

    run: int | None
    delay_seconds: float | None
    reason: str
    signals: list[str] = Field(default_factory=list)
    children: list[str] = Field(default_factory=list)


class SignalReceived(Event):
    """`run` is set when the saga waited for it."""

    signal: str
    id: str
    data: Any
    actor: str
    run: int | None = None


class Continued(Event):
    """The function begins anew, with this input and no steps; what was done before is final."""

    input: dict[str, Any]
    saga_version: int
    run: int


class RunNamed(Event):
    """The reconciler found no live run of an open saga."""

    run: int
    reason: str


class CompensationRequested(Event):
    """`run` is set when the saga was not running: it names the run that compensates.

    With `to_step` only the steps after that one are undone. `force`: also what blocks it is left aside.
    """

    actor: str
    reason: str
    run: int | None = None
    to_step: str | None = None
    force: bool = False


class RetryRequested(Event):
    """What waits for its next attempt is tried now; what was tried often enough is tried anew."""

    actor: str
    reason: str
    run: int


class Resumed(Event):
    """A stuck saga goes on from where it stopped."""

    actor: str
    reason: str
    run: int


class StepSkipped(Event):
    """A compensation that failed is left out, for good."""

    step: str
    actor: str
    reason: str
    run: int


class CompensationStarted(Event):
    cause: Cause


class CompensationAttempted(Event):
    """A compensation that is a call is announced before it is sent, so that attempts are counted."""

    step: str
    attempt: int


class StepCompensated(Event):
    step: str
    stream: str | None = None
    first_version: int = 0
    last_version: int = 0


class CompensationFailed(Event):
    step: str
    attempt: int
    error: str
    retry_in_seconds: float | None


class SagaStuck(Event):
    reason: StuckReason
    error: str
    step: str | None = None
    traceback: str | None = None


class SagaCompleted(Event):
    result: Any = None


class SagaCompensated(Event):
    pass


class SagaAbandoned(Event):
    """The saga has ended without being undone, or not wholly: `left` is what stays."""

    actor: str
    reason: str
    left: list[Left]


ENTRIES: tuple[type[Event], ...] = (
    SagaRequested,
    RunStarted,
    StepStarted,
    WaitStarted,
    ChildStarted,
    StepSucceeded,
    StepRejected,
    StepFailed,
    ChildEnded,
    PivotReached,
    ValueRecorded,
    Tagged,
    Parked,
    SignalReceived,
    Continued,
    RunNamed,
    CompensationRequested,
    CompensationStarted,
    CompensationAttempted,
    StepCompensated,
    CompensationFailed,
    SagaStuck,
    RetryRequested,
    Resumed,
    StepSkipped,
    SagaCompleted,
    SagaCompensated,
    SagaAbandoned,
)
UPCASTERS: tuple[Upcaster, ...] = ()
"""For entries that older versions of the kernel have written."""
FROM_OUTSIDE = (CompensationRequested, SignalReceived, ChildEnded)
"""Entries that others append while a run goes on. All else in a journal is written by executions, or ends
the run."""

_BY_NAME = {each.__name__: each for each in ENTRIES}

CATEGORY = "saga"


def journal_stream(saga_id: str) -> str:
    return f"{CATEGORY}-{saga_id}"


def entry(name: str, data: Mapping[str, Any]) -> Event:
    """The entry of this name. Raises KeyError, pydantic.ValidationError."""
    return _BY_NAME[name].model_validate(data)
