"""The fold of a journal as far as lists go: the only place that knows what a status means."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from domain import Event
from eventstore import RecordedEvent
from workflows.saga import journal
from workflows.saga.codec import EventCodec
from workflows.saga.journal import Cause
from workflows.saga.step_state import later

SagaStatus = Literal[
    "queued", "running", "waiting", "compensating", "stuck", "completed", "compensated", "abandoned"
]
ENDED: frozenset[SagaStatus] = frozenset({"completed", "compensated", "abandoned"})


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


def summarise(codec: EventCodec, event: RecordedEvent, summary: SagaSummary | None) -> SagaSummary:
    """The summary after one more recorded entry; the first entry makes it."""
    for entry in codec.decode(event):
        if summary is None:
            assert isinstance(entry, journal.SagaRequested), "a journal begins with its request"
            summary = SagaSummary(**identity(event, entry))
        summary.apply(entry, event.version, event.recorded_at)
    assert summary is not None, "a journal begins with its request"
    summary.version = event.version  # also when nothing is left of the entry
    return summary


def identity(event: RecordedEvent, entry: journal.SagaRequested) -> dict[str, Any]:
    """What the first entry of a journal says of its saga."""
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
