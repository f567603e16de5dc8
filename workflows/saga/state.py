"""The fold of a journal: the only place that knows what a status means."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, cast
from uuid import UUID

from domain import Event
from eventstore import EventStore, RecordedEvent
from workflows.saga import journal
from workflows.saga.codec import EventCodec
from workflows.saga.journal import Cause
from workflows.saga.step_state import StepState, evolve_step, later, step_order, take_news

SagaStatus = Literal[
    "queued", "running", "waiting", "compensating", "stuck", "completed", "compensated", "abandoned"
]
ENDED: frozenset[SagaStatus] = frozenset({"completed", "compensated", "abandoned"})
SIGNAL_TIMES_KEPT: Final = 20
"""As many of the latest arrivals are kept as the rate of signals is bounded by."""


@dataclass(slots=True)
class Signal:
    """A signal that has come and that no step has taken yet."""

    name: str
    id: str
    data: Any
    at: datetime


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
    asleep: bool = False
    signals_awaited: list[str] = field(default_factory=list)
    children_awaited: list[str] = field(default_factory=list)
    compensation_requested: bool = False
    compensation_started: bool = False
    pivot: bool = False
    cause: Cause | None = None
    stuck: journal.SagaStuck | None = None
    ended_at: datetime | None = None
    parent: journal.Parent | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    start_at: datetime | None = None

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
        """Whether the run numbered `run` has nothing to do: another one is named, or none."""
        return run != self.named_run or self.at_rest or self.asleep

    def waits_for(self, signal: str) -> bool:
        """Whether the saga is parked until this signal comes."""
        return self.parked and signal in self.signals_awaited

    def apply(self, entry: Event, version: int, at: datetime) -> None:
        """Take in the entry that was recorded as `version` at the database's time `at`."""
        self.version = version
        self.updated_at = at
        run = getattr(entry, "run", None)
        if run is not None and not isinstance(entry, journal.RunStarted):
            self.named_run = run
            self.parked = self.asleep = False
        if isinstance(entry, journal.SagaRequested) and entry.start_at is not None:
            # Parked from the first: run 1 is its timer, and who wants it sooner names another run.
            self.start_at = self.parked_until = entry.start_at
            self.parked = entry.start_at > at
        _evolve_saga(self, entry, at)


@dataclass(slots=True, kw_only=True)
class SagaState(SagaSummary):
    """One saga whole, folded from its journal up to `version`.

    `behind` are steps whose effect stayed when the saga went back before them; `final` says that it began
    anew after steps which acted: nothing undoes those. `first_input` is the one that it was started with.
    """

    input: dict[str, Any]
    first_input: dict[str, Any]
    request_id: UUID
    actor: str | None
    steps: dict[str, StepState] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    noted: dict[str, int] = field(default_factory=dict)
    behind: list[StepState] = field(default_factory=list)
    final: bool = False
    signals: list[Signal] = field(default_factory=list)
    signal_data: dict[str, tuple[str, Any]] = field(default_factory=dict)
    signal_times: deque[datetime] = field(default_factory=lambda: deque(maxlen=SIGNAL_TIMES_KEPT))
    requested: journal.CompensationRequested | None = None
    abandoned: journal.SagaAbandoned | None = None
    execution: str | None = None
    began_at_version: int = 1
    completed: bool = False
    round: int = 1
    requests: int = 0
    result: Any = None

    @property
    def outcomes(self) -> int:
        """How many steps have come to an outcome, and what operators asked for: what counts as progress."""
        forward = sum(step.outcome_version is not None for step in self.steps.values())
        back = sum(step.undo.status in ("compensated", "skipped") for step in self.steps.values())
        return self.began_at_version + forward + back + self.requests

    @property
    def undo_to(self) -> str | None:
        """The step that the undoing stops before; None when all is undone."""
        return self.requested.to_step if self.requested else None

    @property
    def length(self) -> int:
        """Entries since the saga began, or began anew."""
        return self.version - self.began_at_version + 1

    def plan(self, to_step: str | None = None) -> list[StepState]:
        """The steps that compensation still has to undo, in its order: all, or those after `to_step`."""
        kept = step_order(to_step) if to_step else ()
        left = (step for step in self.steps.values() if step.to_compensate and step.order > kept)
        return sorted(left, key=lambda step: step.order, reverse=True)

    def left(self) -> list[StepState]:
        """The steps whose effect stays though the saga was undone as far as it could be."""
        return [*self.behind, *(step for step in self.in_order() if step.has_effect and self._keeps(step))]

    def _keeps(self, step: StepState) -> bool:
        if step.undo.status in ("failed", "skipped"):
            return True
        if step.undo.status == "compensated":
            return False
        # NOTHING means that no compensation is needed while the saga goes on, not that all is undone.
        return step.child_left or (not step.can_be_undone and (step.past_pivot or self.completed))

    def in_order(self) -> list[StepState]:
        """The steps in the order of the program."""
        return sorted(self.steps.values(), key=lambda step: step.order)

    def waits_on(self, step: str) -> bool:
        """Whether the child of `step` has yet to end, or to be undone.

        Also a saga that goes forward undoes a child, that of a step whose failure it got over.
        """
        known = self.steps[step]
        if known.undo.status != "pending":
            return known.undo.status == "compensating"
        return known.status == "started" and known.news is None and not self.compensating

    @property
    def has_news(self) -> bool:
        """Whether a child has ended since the last run began."""
        return any(step.news for step in self.steps.values())

    def next_signal(self, name: str) -> Signal | None:
        """The oldest signal of this name that no step has taken."""
        return next((signal for signal in self.signals if signal.name == name), None)

    def apply(self, entry: Event, version: int, at: datetime) -> None:
        stuck = self.stuck
        SagaSummary.apply(self, entry, version, at)
        evolve_step(self.steps, entry, version, at, round=self.round, past_pivot=self.pivot)
        self._evolve_function(entry, version, at)
        match entry:
            case journal.RunStarted(execution=execution):
                self.execution = execution
                take_news(self.steps, version)
            case journal.SagaAbandoned():
                self.abandoned = entry
            case journal.CompensationRequested():
                self.requested, self.abandoned, self.result = entry, None, None
                self._try_anew(at)
            case journal.RetryRequested() | journal.StepSkipped():
                self._try_anew(at)
            case journal.Resumed():
                self._try_anew(at)
                if stuck is not None and stuck.reason == "undone-to-step":
                    self._begin_after(stuck.step)
            case journal.Continued(input=again):
                self.input, self.began_at_version = again, version
                self.final |= any(step.has_effect and not step.undone for step in self.in_order())
                skipped = [step for step in self.in_order() if step.undo.status == "skipped"]
                behind = [*self.behind, *skipped]
                self._begin_after(None)
                self.behind = behind

    def _evolve_function(self, entry: Event, version: int, at: datetime) -> None:
        """What the function has got, besides its steps."""
        match entry:
            case journal.SagaCompleted(result=result):
                self.result, self.completed = result, True
            case journal.ValueRecorded(index=index, value=value):
                self.values[index] = value
                self.noted[index] = version
            case journal.Tagged(index=index):
                self.noted[index] = version
            case journal.SignalReceived(signal=name, id=signal_id, data=data):
                self.signals.append(Signal(name, signal_id, data, at))
                self.signal_data[signal_id] = (name, data)
                self.signal_times.append(at)
            case journal.StepSucceeded(signal=taken) if taken is not None:
                self.signals = [signal for signal in self.signals if signal.id != taken]

    def _try_anew(self, at: datetime) -> None:
        """An operator has decided: waits for the next attempt end now, and attempts count anew."""
        self.requests += 1
        for step in self.steps.values():
            step.retry_at = at if step.retry_at else None
            step.undo.retry_at = at if step.undo.retry_at else None
            if step.undo.status == "failed":
                step.undo.status, step.undo.attempts = "pending", 0

    def _begin_after(self, step: str | None) -> None:
        """Forget the steps after `step`, or all: the function asks for them again, as new ones.

        So it does for the times and ids that it asked for after them, and for a pivot.
        """
        kept = step_order(step) if step else ()
        self.behind += [each for each in self.left() if each.order > kept and each not in self.behind]
        self.steps = {number: each for number, each in self.steps.items() if each.order <= kept}
        last = max((each.outcome_version or each.began_at_version for each in self.steps.values()), default=0)
        self.noted = {
            index: version
            for index, version in self.noted.items()
            if version < last and _branch_of(index) <= kept
        }
        self.values = {index: value for index, value in self.values.items() if index in self.noted}
        self.pivot = any(each.past_pivot for each in self.steps.values())
        self.round += 1
        self.requested, self.completed = None, False


def _branch_of(index: str) -> tuple[int, ...]:
    """Where the branch stands that asked for a value: `2.1` of `2.1.now-3`."""
    branch, _, _ = index.rpartition(".")
    return step_order(branch) if branch else ()


def summarise(codec: EventCodec, event: RecordedEvent, summary: SagaSummary | None) -> SagaSummary:
    """The summary after one more recorded entry; the first entry makes it."""
    for entry in codec.decode(event):
        if summary is None:
            assert isinstance(entry, journal.SagaRequested), "a journal begins with its request"
            summary = SagaSummary(**_identity(event, entry))
        summary.apply(entry, event.version, event.recorded_at)
    assert summary is not None, "a journal begins with its request"
    summary.version = event.version  # also when nothing is left of the entry
    return summary


def fold(
    codec: EventCodec, recorded: list[RecordedEvent], state: SagaState | None = None
) -> SagaState | None:
    """The state after `recorded`, going on from `state`; None for an empty journal."""
    for event in recorded:
        for entry in codec.decode(event):
            if state is None:
                state = _requested(event, cast("journal.SagaRequested", entry))
            state.apply(entry, event.version, event.recorded_at)
        if state is not None:
            state.version = event.version  # also when nothing is left of the entry
    return state


async def read_state(store: EventStore, codec: EventCodec, saga_id: str) -> SagaState | None:
    """The saga as its journal has it now; None when there is no such saga."""
    return fold(codec, [event async for event in store.read_stream(journal.journal_stream(saga_id))])


async def catch_up(store: EventStore, codec: EventCodec, state: SagaState) -> list[Event]:
    """Take in what was appended to the journal since; gives the entries."""
    tail = store.read_stream(journal.journal_stream(state.saga_id), after=state.version)
    recorded = [event async for event in tail]
    fold(codec, recorded, state)
    return [entry for event in recorded for entry in codec.decode(event)]


def _requested(event: RecordedEvent, entry: journal.SagaRequested) -> SagaState:
    return SagaState(
        **_identity(event, entry),
        input=entry.input,
        first_input=entry.input,
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
        "parent": entry.parent,
        "attributes": dict(entry.attributes),
    }


def _evolve_saga(state: SagaSummary, entry: Event, at: datetime) -> None:
    match entry:
        case journal.RunStarted():
            state.status = "compensating" if state.compensating else "running"
            state.parked = state.asleep = False
        case journal.PivotReached():
            state.pivot = True
        case journal.Tagged(attributes=attributes):
            state.attributes.update(attributes)
        case journal.Parked():
            _park(state, entry, at)
        case journal.Continued(saga_version=version):
            state.pivot, state.saga_version, state.status = False, version, "queued"
        case journal.CompensationRequested(reason=reason):
            state.compensation_requested = True
            state.cause = state.cause or Cause(code="requested", detail=reason)
            state.status, state.ended_at = "compensating", None
        case journal.CompensationStarted(cause=cause):
            state.compensation_started, state.cause = True, cause
            state.status = "compensating"
        case journal.SagaStuck():
            _stop(state, entry)
        case journal.SagaCompleted() | journal.SagaCompensated() | journal.SagaAbandoned():
            state.status, state.ended_at = _ENDS[type(entry)], at
            state.parked = state.asleep = False
        case _ if getattr(entry, "run", None) is not None and not isinstance(entry, journal.SagaRequested):
            state.status = "compensating" if state.compensating else "queued"
    if state.status != "stuck":
        state.stuck = None


_ENDS: dict[type[Event], SagaStatus] = {
    journal.SagaCompleted: "completed",
    journal.SagaCompensated: "compensated",
    journal.SagaAbandoned: "abandoned",
}


def _stop(state: SagaSummary, entry: journal.SagaStuck) -> None:
    state.stuck, state.status = entry, "stuck"
    state.parked = state.asleep = False  # what it waited for wakes it no more
    if entry.reason == "undone-to-step":  # what was asked for is done: the saga may go forward again
        state.compensation_requested = state.compensation_started = False
        state.cause = None


def _park(state: SagaSummary, entry: journal.Parked, at: datetime) -> None:
    delay = entry.delay_seconds
    state.parked, state.asleep = True, entry.run is None
    state.parked_until = None if delay is None else later(at, delay)
    state.signals_awaited, state.children_awaited = entry.signals, entry.children
    early = state.start_at is not None and at < state.start_at
    state.status = "compensating" if state.compensating else "queued" if early else "waiting"
