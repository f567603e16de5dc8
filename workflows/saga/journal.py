"""The journal of a saga: its entries, all that is ever recorded about its progress.

    SagaRequested
      RunStarted                               an execution announces itself, with its first entry
        StepSucceeded | StepRejected           execute: one entry, in the append of its events
        StepStarted (StepSucceeded | StepRejected | StepFailed)     call: one pair an attempt
        PivotReached | ValueRecorded
      Parked                                   names the run that goes on later
      CompensationRequested                    an operator stops the saga
      CompensationStarted
        CompensationAttempted? (StepCompensated | CompensationFailed)
      SagaStuck                                a person must look
    SagaCompleted | SagaCompensated

An entry that makes a saga runnable names the one run that may go on (`run`); a run with another number
returns at once.
"""

from typing import Any, Literal

from pydantic import Field

from domain import Event
from eventstore import NewEvent, RecordedEvent
from workflows.saga.errors import StuckReason

StepKind = Literal["execute", "call"]


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


class SagaRequested(Event):
    name: str
    saga_version: int
    input: dict[str, Any]
    run: int = 1


class RunStarted(Event):
    run: int
    execution: str
    executor: str


class StepStarted(Event):
    """One attempt of a call. Its deadline is its recording time plus the timeout: nobody else acts before."""

    step: str
    name: str
    argument: dict[str, Any]
    attempt: int
    timeout_seconds: float
    compensation: StoredCompensation | None


class StepSucceeded(Event):
    step: str
    name: str
    kind: StepKind
    command: dict[str, Any] = Field(default_factory=dict)
    stream: str | None = None
    first_version: int = 0
    last_version: int = 0
    result: Any = None
    compensation: StoredCompensation | None = None


class StepRejected(Event):
    step: str
    name: str
    kind: StepKind
    command: dict[str, Any] = Field(default_factory=dict)
    stream: str | None = None
    reason: str
    code: str
    data: dict[str, Any] = Field(default_factory=dict)


class StepFailed(Event):
    """An attempt of a call failed; without `retry_in_seconds` it was the last one."""

    step: str
    attempt: int
    error: str
    retry_in_seconds: float | None


class PivotReached(Event):
    pass


class ValueRecorded(Event):
    """A time or an id that the saga asked for, so that a replay gets the same one."""

    index: int
    value: str


class Parked(Event):
    run: int
    delay_seconds: float
    reason: str


class RunNamed(Event):
    """The reconciler found no live run of an open saga."""

    run: int
    reason: str


class CompensationRequested(Event):
    """`run` is set when the saga was not running: it names the run that compensates."""

    actor: str
    reason: str
    run: int | None = None


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


ENTRIES: tuple[type[Event], ...] = (
    SagaRequested,
    RunStarted,
    StepStarted,
    StepSucceeded,
    StepRejected,
    StepFailed,
    PivotReached,
    ValueRecorded,
    Parked,
    RunNamed,
    CompensationRequested,
    CompensationStarted,
    CompensationAttempted,
    StepCompensated,
    CompensationFailed,
    SagaStuck,
    SagaCompleted,
    SagaCompensated,
)
FROM_OUTSIDE: frozenset[str] = frozenset({CompensationRequested.__name__})
"""Entries that others append while a run goes on. All else in a journal is written by executions, or ends
the run."""

_BY_NAME = {entry.__name__: entry for entry in ENTRIES}

CATEGORY = "saga"


def journal_stream(saga_id: str) -> str:
    return f"{CATEGORY}-{saga_id}"


def decode(recorded: RecordedEvent) -> Event:
    """The entry that was recorded. Raises KeyError for a name that is no journal entry."""
    return _BY_NAME[recorded.type].model_validate(recorded.data)


def encode(event: Event, metadata: dict[str, Any]) -> NewEvent:
    """An entry, or any domain event, ready to be appended."""
    return NewEvent(
        type=type(event).__name__,
        data=event.model_dump(mode="json"),
        metadata=metadata,
        schema_version=event.schema_version,
    )
