"""The fold of a whole journal: a saga with its steps, and what follows for them."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, cast
from uuid import UUID

from domain import Event
from eventstore import EventStore, RecordedEvent
from eventstore.snapshots import Snapshot
from workflows.saga import journal
from workflows.saga.causes import Causes
from workflows.saga.codec import EventCodec
from workflows.saga.shapes import is_due, journal_shape
from workflows.saga.step_state import StepState, evolve_step, step_order, take_news
from workflows.saga.summary import SagaSummary, identity

SIGNAL_TIMES_KEPT: Final = 20
"""As many of the latest arrivals are kept as the rate of signals is bounded by."""
SIGNALS_KNOWN_MAX: Final = 10_000
"""So many of the latest signals are known again when they are sent once more."""


@dataclass(slots=True)
class Signal:
    """A signal that has come and that no step has taken yet."""

    name: str
    id: str
    data: Any
    at: datetime


@dataclass(slots=True, kw_only=True)
class SagaState(SagaSummary):
    """One saga whole, folded from its journal up to `version`.

    `behind` are steps whose effect stayed when the saga went back before them; `final` says that it began
    anew after steps which acted: nothing undoes those. `first_input` is the one that it was started with.
    `position` is where the append ends that brought the last entry: all that the saga did is before it.
    """

    input: dict[str, Any]
    first_input: dict[str, Any]
    request_id: UUID
    causes: Causes
    actor: str | None
    steps: dict[str, StepState] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    noted: dict[str, int] = field(default_factory=dict)
    behind: list[StepState] = field(default_factory=list)
    final: bool = False
    signals: list[Signal] = field(default_factory=list)
    signal_digests: dict[str, str] = field(default_factory=dict)
    signal_times: list[datetime] = field(default_factory=list)
    requested: journal.CompensationRequested | None = None
    abandoned: journal.SagaAbandoned | None = None
    execution: str | None = None
    began_at_version: int = 1
    completed: bool = False
    round: int = 1
    requests: int = 0
    result: Any = None
    position: int = 0

    @property
    def outcomes(self) -> int:
        """How many steps have come to an outcome, and what operators asked for: what counts as progress."""
        forward = sum(step.outcome_version is not None for step in self.steps.values())
        back = sum(step.undo.status in ("compensated", "skipped") for step in self.steps.values())
        return self.began_at_version + forward + back + self.requests

    @property
    def on_behalf_of(self) -> str | None:
        """Who is behind what the saga does now."""
        return (self.causes.undone_by if self.compensating else None) or self.actor

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
        return [step for step in self.after(to_step) if step.to_compensate][::-1]

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

    def open_calls(self, to_step: str | None = None) -> list[StepState]:
        """The calls that were announced and have no outcome: all, or those after `to_step`."""
        return [step for step in self.after(to_step) if step.kind == "call" and step.status == "started"]

    def in_order(self) -> list[StepState]:
        """The steps in the order of the program."""
        return sorted(self.steps.values(), key=lambda step: step.order)

    def after(self, to_step: str | None) -> list[StepState]:
        """The steps that come after `to_step`, in the order of the program; all when there is none."""
        kept = step_order(to_step) if to_step else ()
        return [step for step in self.in_order() if step.order > kept]

    def waits_on(self, step: str) -> bool:
        """Whether the child of `step` has yet to end, or to be undone.

        Also a saga that goes forward undoes a child, that of a step whose failure it got over.
        """
        known = self.steps[step]
        if known.undo.status not in ("pending", "skipped"):  # skipped, and kept: the function goes on with it
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
            case journal.StepSkipped():
                self._try_anew(at)
            case journal.RetryRequested():
                self._try_anew(at)
                self._start_refused_anew(version)
            case journal.Resumed():
                self._try_anew(at)
                self._start_refused_anew(version)
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
                self.signal_digests[signal_id] = signal_digest(name, data)
                if len(self.signal_digests) > SIGNALS_KNOWN_MAX:
                    del self.signal_digests[next(iter(self.signal_digests))]
                self.signal_times = [*self.signal_times, at][-SIGNAL_TIMES_KEPT:]
            case journal.StepSucceeded(signal=taken) if taken is not None:
                self.signals = [signal for signal in self.signals if signal.id != taken]
                self.causes.take(taken)

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
        self._forget(self.after(step))
        last = max((each.outcome_version or each.began_at_version for each in self.steps.values()), default=0)
        self.noted = {
            index: version
            for index, version in self.noted.items()
            if version < last and _branch_of(index) <= kept
        }
        self.values = {index: value for index, value in self.values.items() if index in self.noted}
        self.pivot = any(each.past_pivot for each in self.steps.values())
        self.requested, self.completed = None, False

    def _start_refused_anew(self, version: int) -> None:
        """Past the pivot what was refused is tried again: a child by another one."""
        take_news(self.steps, version)  # also what has come while nothing ran
        if refused := [step for step in self.in_order() if step.child_refused_past_pivot]:
            self._forget(refused)
            self.requests += len(refused)

    def _forget(self, steps: list[StepState]) -> None:
        """The function asks for them again, in another round. What stays of them is kept in mind."""
        forgotten = {each.step for each in steps}
        staying = self.left()[len(self.behind) :]
        self.behind += [each for each in staying if each.step in forgotten]
        self.steps = {number: each for number, each in self.steps.items() if number not in forgotten}
        self.round += 1


def signal_digest(name: str, data: Any) -> str:
    """What tells one signal from another: a saga that goes on for ever must not keep the data of all."""
    return sha256(json.dumps([name, data], sort_keys=True).encode()).hexdigest()


def _branch_of(index: str) -> tuple[int, ...]:
    """Where the branch stands that asked for a value: `2.1` of `2.1.now-3`."""
    branch, _, _ = index.rpartition(".")
    return step_order(branch) if branch else ()


def fold(
    codec: EventCodec, recorded: list[RecordedEvent], state: SagaState | None = None
) -> SagaState | None:
    """The state after `recorded`, going on from `state`; None for an empty journal."""
    for event in recorded:
        state, _ = _take_in(codec, event, state)
    return state


def _take_in(
    codec: EventCodec, event: RecordedEvent, state: SagaState | None
) -> tuple[SagaState | None, list[Event]]:
    """The state after one more recorded entry, and what that entry is today."""
    entries = codec.decode(event)
    for entry in entries:
        if state is None:
            state = _requested(event, cast("journal.SagaRequested", entry))
        state.apply(entry, event.version, event.recorded_at)
        state.causes.note(event, entry)
    if state is not None:
        state.version = event.version  # also when nothing is left of the entry
        state.position = event.commit_position
    return state, entries


async def read_state(
    store: EventStore, codec: EventCodec, saga_id: str, *, to: int | None = None
) -> SagaState | None:
    """The saga as its journal has it now, or had it at version `to`; None when there is no such saga."""
    stream, shape = journal.journal_stream(saga_id), journal_shape(SagaState)
    state, known = None, 0
    async for each in store.snapshots.read(stream, shape.fingerprint, to=to):
        if not isinstance(each, Snapshot):
            state = fold(codec, [each], state)
        elif (state := shape.load(each.state)) is not None:
            known = each.version
        else:  # whoever wrote it: the journal says what is so
            return fold(codec, [event async for event in store.read_stream(stream, to=to)])
    if state is not None and to is None and is_due(state, known):
        store.snapshots.offer(stream, shape.fingerprint, lambda: (state.version, shape.dump(state)))
    return state


async def catch_up(store: EventStore, codec: EventCodec, state: SagaState) -> list[Event]:
    """Take in what was appended to the journal since; gives the entries."""
    tail = store.read_stream(journal.journal_stream(state.saga_id), after=state.version)
    recorded = [event async for event in tail]
    return [entry for event in recorded for entry in _take_in(codec, event, state)[1]]


def _requested(event: RecordedEvent, entry: journal.SagaRequested) -> SagaState:
    return SagaState(
        **identity(event, entry),
        input=entry.input,
        first_input=entry.input,
        request_id=event.event_id,
        causes=Causes(event.event_id),
        actor=event.metadata.get("actor"),
    )
