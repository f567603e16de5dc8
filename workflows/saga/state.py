"""The fold of a journal: the only place that knows what a status means."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

from domain import Event
from eventstore import EventStore, RecordedEvent
from workflows.saga import journal
from workflows.saga.journal import Cause, StoredCompensation, decode

SagaStatus = Literal[
    "queued", "running", "waiting", "compensating", "stuck", "completed", "compensated", "abandoned"
]
ENDED: frozenset[SagaStatus] = frozenset({"completed", "compensated", "abandoned"})


@dataclass(slots=True)
class Undo:
    """How far the compensation of a step has come."""

    status: Literal["pending", "compensating", "compensated", "failed"] = "pending"
    attempts: int = 0
    error: str | None = None
    retry_at: datetime | None = None


@dataclass(slots=True)
class StepState:
    """What the journal knows of one step."""

    step: str
    name: str
    kind: journal.StepKind
    asked: dict[str, Any]
    started_at: datetime
    status: Literal["started", "succeeded", "rejected", "failed"] = "started"
    ended_at: datetime | None = None
    outcome_version: int | None = None
    attempts: int = 1
    deadline: datetime | None = None
    retry_at: datetime | None = None
    error: str | None = None
    stream: str | None = None
    first_version: int = 0
    last_version: int = 0
    result: Any = None
    rejection: Cause | None = None
    compensation: StoredCompensation | None = None
    undo: Undo = field(default_factory=Undo)

    @property
    def order(self) -> tuple[int, ...]:
        """Steps compensate in the reverse of this order, that of the program."""
        return tuple(int(part) for part in self.step.split("."))

    @property
    def refused_or_failed(self) -> bool:
        return self.status in ("rejected", "failed")

    @property
    def has_effect(self) -> bool:
        """Whether the step acted, or may have acted. A refusal speaks for its own attempt only."""
        return self.status != "rejected" or self.attempts > 1

    @property
    def to_compensate(self) -> bool:
        return self.has_effect and self.compensation is not None and self.undo.status != "compensated"


@dataclass(slots=True)
class SagaSummary:
    """A saga without its steps: what lists, the reconciler and the read model need."""

    saga_id: str
    name: str
    saga_version: int
    correlation_id: str
    requested_at: datetime
    updated_at: datetime
    version: int = 0
    status: SagaStatus = "queued"
    named_run: int = 0
    parked: bool = False
    parked_until: datetime | None = None
    compensation_requested: bool = False
    compensation_started: bool = False
    pivot: bool = False
    cause: Cause | None = None
    stuck: journal.SagaStuck | None = None
    ended_at: datetime | None = None

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def at_rest(self) -> bool:
        """Nothing goes on by itself any more: it has ended, or a person must look."""
        return self.ended or self.status == "stuck"

    @property
    def compensating(self) -> bool:
        """No further step may start."""
        return self.compensation_requested or self.compensation_started

    @property
    def idle(self) -> bool:
        """No run is named that may go on now: a request must name one."""
        return self.at_rest or self.parked

    def idle_for(self, run: int) -> bool:
        """Whether the run numbered `run` has nothing to do: another one is named, or the saga is at rest."""
        return run != self.named_run or self.at_rest

    def apply(self, entry: Event, version: int, at: datetime) -> None:
        """Take in the entry that was recorded as `version` at the database's time `at`."""
        self.version = version
        self.updated_at = at
        run = getattr(entry, "run", None)
        if run is not None and not isinstance(entry, journal.RunStarted):
            self.named_run = run
            self.parked = False
        _evolve_saga(self, entry, at)


@dataclass(slots=True, kw_only=True)
class SagaState(SagaSummary):
    """One saga whole, folded from its journal up to `version`."""

    input: dict[str, Any]
    request_id: UUID
    actor: str | None
    steps: dict[str, StepState] = field(default_factory=dict)
    values: dict[int, str] = field(default_factory=dict)
    requests: int = 0
    result: Any = None

    @property
    def outcomes(self) -> int:
        """How many steps have come to an outcome, and what operators asked for: what counts as progress."""
        forward = sum(step.outcome_version is not None for step in self.steps.values())
        back = sum(step.undo.status == "compensated" for step in self.steps.values())
        return forward + back + self.requests

    def plan(self) -> list[StepState]:
        """The steps that compensation still has to undo, in its order."""
        left = (step for step in self.steps.values() if step.to_compensate)
        return sorted(left, key=lambda step: step.order, reverse=True)

    def apply(self, entry: Event, version: int, at: datetime) -> None:
        SagaSummary.apply(self, entry, version, at)
        if step := getattr(entry, "step", None):
            _evolve_step(self, step, entry, at)
        match entry:
            case journal.SagaCompleted(result=result):
                self.result = result
            case journal.ValueRecorded(index=index, value=value):
                self.values[index] = value
            case journal.CompensationRequested():
                self.requests += 1
                for step in self.plan():
                    if step.undo.status == "failed":  # its retries count anew from a request
                        step.undo.status, step.undo.attempts = "pending", 0


def summarise(event: RecordedEvent, summary: SagaSummary | None) -> SagaSummary:
    """The summary after one more recorded entry; the first entry makes it."""
    entry = decode(event)
    if summary is None:
        assert isinstance(entry, journal.SagaRequested), "a journal begins with its request"
        summary = SagaSummary(**_identity(event, entry))
    summary.apply(entry, event.version, event.recorded_at)
    return summary


def fold(recorded: list[RecordedEvent], state: SagaState | None = None) -> SagaState | None:
    """The state after `recorded`, going on from `state`; None for an empty journal."""
    for event in recorded:
        entry = decode(event)
        if state is None:
            state = _requested(event, cast("journal.SagaRequested", entry))
        state.apply(entry, event.version, event.recorded_at)
    return state


async def read_state(store: EventStore, saga_id: str) -> SagaState | None:
    """The saga as its journal has it now; None when there is no such saga."""
    return fold([event async for event in store.read_stream(journal.journal_stream(saga_id))])


async def catch_up(store: EventStore, state: SagaState) -> list[RecordedEvent]:
    """Take in what was appended to the journal since; gives just that."""
    tail = store.read_stream(journal.journal_stream(state.saga_id), after=state.version)
    entries = [event async for event in tail]
    fold(entries, state)
    return entries


def _requested(event: RecordedEvent, entry: journal.SagaRequested) -> SagaState:
    return SagaState(
        **_identity(event, entry),
        input=entry.input,
        request_id=event.event_id,
        actor=event.metadata.get("actor"),
    )


def _identity(event: RecordedEvent, entry: journal.SagaRequested) -> dict[str, Any]:
    return {
        "saga_id": event.stream.removeprefix(f"{journal.CATEGORY}-"),
        "name": entry.name,
        "saga_version": entry.saga_version,
        "correlation_id": event.metadata.get("correlation_id", ""),
        "requested_at": event.recorded_at,
        "updated_at": event.recorded_at,
    }


def _evolve_saga(state: SagaSummary, entry: Event, at: datetime) -> None:
    match entry:
        case journal.RunNamed():
            state.status = "compensating" if state.compensating else "queued"
        case journal.RunStarted():
            state.status = "compensating" if state.compensating else "running"
            state.parked = False
        case journal.PivotReached():
            state.pivot = True
        case journal.Parked(delay_seconds=delay):
            state.parked, state.parked_until = True, at + timedelta(seconds=delay)
            state.status = "compensating" if state.compensating else "waiting"
        case journal.CompensationRequested(reason=reason):
            state.compensation_requested = True
            state.cause = state.cause or Cause(code="requested", detail=reason)
            state.status, state.ended_at = "compensating", None
        case journal.CompensationStarted(cause=cause):
            state.compensation_started, state.cause = True, cause
            state.status = "compensating"
        case journal.SagaStuck():
            state.stuck, state.status = entry, "stuck"
        case journal.SagaCompleted():
            state.status, state.ended_at = "completed", at
        case journal.SagaCompensated():
            state.status, state.ended_at = "compensated", at
    if state.status != "stuck":
        state.stuck = None


def _evolve_step(state: SagaState, number: str, entry: Event, at: datetime) -> None:
    match entry:
        case journal.StepStarted():
            step = _step(state, entry, "call", entry.argument, at)
            step.status, step.attempts, step.retry_at = "started", entry.attempt, None
            step.deadline = at + timedelta(seconds=entry.timeout_seconds)
            step.compensation = entry.compensation
        case journal.StepSucceeded():
            step = _step(state, entry, entry.kind, entry.command, at)
            step.stream, step.first_version, step.last_version = (
                entry.stream,
                entry.first_version,
                entry.last_version,
            )
            step.result = entry.result
            step.compensation = step.compensation or entry.compensation
            _settle(step, "succeeded", state.version, at)
        case journal.StepRejected():
            step = _step(state, entry, entry.kind, entry.command, at)
            step.stream, step.error = entry.stream, entry.reason
            step.rejection = Cause(code=entry.code, detail=entry.reason, step=number, data=entry.data)
            _settle(step, "rejected", state.version, at)
        case journal.StepFailed(error=error, retry_in_seconds=wait):
            step = state.steps[number]
            step.error = error
            step.retry_at = at + timedelta(seconds=wait) if wait is not None else None
            step.deadline = at
            if wait is None:
                _settle(step, "failed", state.version, at)
        case journal.CompensationAttempted(attempt=attempt):
            undo = state.steps[number].undo
            undo.status, undo.attempts, undo.retry_at = "compensating", attempt, None
        case journal.StepCompensated():
            state.steps[number].undo.status = "compensated"
        case journal.CompensationFailed(error=error, attempt=attempt, retry_in_seconds=wait):
            undo = state.steps[number].undo
            undo.error, undo.attempts = error, attempt
            undo.retry_at = at + timedelta(seconds=wait) if wait is not None else None
            undo.status = "compensating" if wait is not None else "failed"


AnyOutcome = journal.StepStarted | journal.StepSucceeded | journal.StepRejected


def _step(
    state: SagaState, entry: AnyOutcome, kind: journal.StepKind, asked: dict[str, Any], at: datetime
) -> StepState:
    """The step of the entry, new if this is its first one."""
    return state.steps.setdefault(
        entry.step, StepState(step=entry.step, name=entry.name, kind=kind, asked=asked, started_at=at)
    )


def _settle(
    step: StepState, status: Literal["succeeded", "rejected", "failed"], version: int, at: datetime
) -> None:
    step.status, step.outcome_version, step.ended_at, step.retry_at = status, version, at, None
