"""Check, before a deploy, that this code goes on with every saga that is recorded. Nothing is written.

log, page by page        every event, entry and stored compensation is upcast and decoded, and counted
  SagaRequested          the journal of that saga is read
    open                 its function runs against the journal, to the first thing that is not recorded
    open, can be undone  every compensation that is stored is decoded
  first of an aggregate  a state of it that is kept must be the fold of its events
What the code asks for must not depend on the hashes of strings: who calls this does so twice, in processes
with other hash seeds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, NoReturn

from pydantic import ValidationError

from domain import Event, Rejected
from domain.catalog import AnyDecider
from eventstore import Appended, EventStore, RecordedEvent
from eventstore.decisions import CATEGORIES as DECISIONS_ABOUT_FOLLOWERS
from eventstore.snapshots import Snapshot
from workflows.saga import journal
from workflows.saga.codec import EventCodec
from workflows.saga.commands import CommandHandler, Folded
from workflows.saga.definition import Registry
from workflows.saga.errors import (
    Broken,
    CallFailed,
    ContinuedAs,
    NonDeterminismError,
    RunSuspended,
    UnknownSaga,
    Waiting,
)
from workflows.saga.execution import Execution, bounded, describe
from workflows.saga.operations import blocks
from workflows.saga.runner import Runner
from workflows.saga.shapes import Shape, shape_of
from workflows.saga.state import SagaState, read_state
from workflows.saga.step_state import StepState
from workflows.saga.stored import UNREADABLE, Census, Stored
from workflows.saga.writer import JournalWriter

FINDINGS_MAX: Final = 1_000
"""As many are told one by one; the others are counted."""
FUNCTION_SECONDS_MAX: Final = 30.0
PROGRESS_EVENTS: Final = 500
SNAPSHOTS_MAX: Final = 1_000
"""So many snapshots are compared: if one `evolve` has changed, most of its aggregates show it."""

Kind = Literal[
    "definition", "input", "step", "signal", "raised", "compensation", "event", "journal", "snapshot"
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that this code cannot go on with. `count` tells how many events a finding stands for."""

    kind: Kind
    detail: str
    saga_id: str | None = None
    saga: str | None = None
    step: str | None = None
    recorded: str | None = None
    asked: str | None = None
    position: int | None = None
    count: int = 1


@dataclass
class Report:
    """What was looked at, and what was found."""

    events: int = 0
    sagas: int = 0
    replayed: int = 0
    compensations: int = 0
    stored: list[Stored] = field(default_factory=list)
    snapshots: int = 0
    findings: list[Finding] = field(default_factory=list)
    left_out: int = 0

    @property
    def ok(self) -> bool:
        return not self.findings

    def add(self, finding: Finding) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)
        else:
            self.left_out += 1

    def document(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {"ok": self.ok, **asdict(self)}


class Reached(Waiting):
    """The function asks for something that is not recorded: so far its code fits."""

    def __init__(self) -> None:
        super().__init__(None, "the end of what is recorded")


class Rehearsal(Execution):
    """An execution that goes as far as the journal does."""

    def recorded(
        self, step: str, kind: journal.StepKind, name: str, asked: dict[str, Any], version: int = 1
    ) -> StepState | None:
        known = super().recorded(step, kind, name, asked, version)
        if known is None or known.status == "started":
            raise Reached
        return known


class Blank(JournalWriter):
    """Writes nothing."""

    async def append(self, *_entries: Event, **_more: Any) -> Appended:
        raise Reached


@dataclass
class Check:
    """One pass over the log, with the codec and the registry of this code.

    `decisions` are categories of streams that tell what was decided, and that no code reads.
    """

    store: EventStore
    codec: EventCodec
    registry: Registry
    report: Report = field(default_factory=Report)
    decisions: frozenset[str] = DECISIONS_ABOUT_FOLLOWERS
    _unread: dict[tuple[str, int], Finding] = field(default_factory=dict)
    _shapes: dict[str, Shape[Any]] = field(default_factory=dict)
    _census: Census = field(init=False)

    def __post_init__(self) -> None:
        self._census = Census(self.codec, self.registry)

    async def run(self, progress: Callable[[int, int], None] = lambda _position, _end: None) -> Report:
        """Look at everything up to where the log ends now; `progress` gets the position and that end."""
        end = await self.store.safe_position()
        async for event in self.store.read_all(to=end):
            self.report.events += 1
            if self.report.events % PROGRESS_EVENTS == 0:
                progress(event.position, end)
            await self._check_event(event)
        for finding in self._unread.values():
            self.report.add(finding)
        self.report.stored = self._census.counts()
        progress(end, end)
        return self.report

    async def _check_event(self, event: RecordedEvent) -> None:
        category, _, saga_id = event.stream.partition("-")
        if category in self.decisions:
            return
        of_saga = category == journal.CATEGORY
        try:
            self._census.read(event)
        except UNREADABLE as error:
            self._note_unread("journal" if of_saga else "event", event, error)
        if of_saga and journal.SagaRequested.__name__ in self.codec.names(event):
            await self._check_saga(saga_id)
        elif event.version == 1 and category in self.codec.catalog.deciders:
            await self._check_snapshot(self.codec.catalog.decider(category), event.stream)

    async def _check_snapshot(self, decider: AnyDecider, stream: str) -> None:
        if self.report.snapshots >= SNAPSHOTS_MAX or not decider.snapshot_every:
            return
        shape = self._shape(decider)
        kept = await anext(self.store.snapshots.read(stream, shape.fingerprint), None)
        if not isinstance(kept, Snapshot):
            return
        self.report.snapshots += 1
        handler = CommandHandler(self.store, self.codec)
        try:
            folded = await handler.fold(decider, stream, Folded(decider.initial, 0), to=kept.version)
        except UNREADABLE:
            return  # told of as an event that cannot be read
        if shape.load(kept.state) != folded.state:
            detail = (
                f"the snapshot of {stream} at version {kept.version} is not what its events make now: "
                f"raise the state_version of the decider of {decider.category}"
            )
            self.report.add(Finding("snapshot", detail, recorded=bounded(str(kept.state))))

    def _shape(self, decider: AnyDecider) -> Shape[Any]:
        if decider.category not in self._shapes:
            self._shapes[decider.category] = shape_of(decider)
        return self._shapes[decider.category]

    def _note_unread(self, kind: Kind, event: RecordedEvent, error: Exception) -> None:
        """One finding for each schema version of a type: there may be millions of one."""
        place = event.type, event.schema_version
        first = self._unread.get(place)
        where = f"first in {event.stream} at version {event.version}"
        self._unread[place] = Finding(
            kind,
            first.detail if first else f"{event.type} cannot be read: {_short(error)} ({where})",
            recorded=event.type,
            position=first.position if first else event.position,
            count=first.count + 1 if first else 1,
        )

    async def _check_saga(self, saga_id: str) -> None:
        try:
            state = await read_state(self.store, self.codec, saga_id)
        except UNREADABLE:
            return  # told of as an entry that cannot be read
        if state is None:
            return
        self.report.sagas += 1
        if not state.ended or not blocks(state):
            self._check_compensations(state)
        if state.ended or state.compensating:
            return
        self.report.replayed += 1
        self._check_signals(state)
        finding = await self._replay(state)
        if finding is not None:
            self.report.add(finding)

    def _check_compensations(self, state: SagaState) -> None:
        for step in state.plan():
            stored = step.compensation
            if stored is None:
                continue
            self.report.compensations += 1
            try:
                self._census.compensation(stored)
            except UNREADABLE as error:
                detail = f"the compensation {stored.name} cannot be read: {_short(error)}"
                recorded = bounded(f"{stored.name} {stored.data}")
                self.report.add(_finding("compensation", state, detail, step.step, recorded))

    def _check_signals(self, state: SagaState) -> None:
        """Those that nobody has taken yet: the next receive will."""
        declared = self.registry.saga(state.name).signals if state.name in self.registry else {}
        for signal in state.signals:
            if signal.name in declared:
                try:
                    declared[signal.name].model_validate(signal.data)
                except ValidationError as error:
                    detail = f"the signal {signal.name} ({signal.id}) cannot be read: {_short(error)}"
                    recorded = bounded(f"{signal.name} {signal.data}")
                    self.report.add(_finding("signal", state, detail, None, recorded))

    async def _replay(self, state: SagaState) -> Finding | None:
        handler = CommandHandler(self.store, self.codec)
        writer = Blank(self.store, self.codec, state, state.named_run, "check", "check")
        execution = Rehearsal(writer, handler, self.registry, pivoted=state.pivot)
        runner = Runner(self.store, handler, self.registry, "check")
        try:
            definition = self.registry.saga(state.name)
            definition.input.model_validate(state.input)
        except UnknownSaga as error:
            return _finding("definition", state, str(error))
        except ValidationError as error:
            detail = f"the input cannot be read: {_short(error)}"
            return _finding("input", state, detail, recorded=bounded(str(state.input)))
        try:
            async with asyncio.timeout(FUNCTION_SECONDS_MAX):
                await _to_the_end(runner, execution)
        except NonDeterminismError as error:
            recorded, asked = bounded(str(error.recorded)), bounded(str(error.asked))
            return _finding("step", state, bounded(str(error)), error.step, recorded, asked)
        except Exception as error:
            return _finding("raised", state, f"the function raises {describe(error)}")
        return None


async def _to_the_end(runner: Runner, execution: Execution) -> None:
    """Raises what is wrong."""
    try:
        await runner.call_function(execution)
    except Waiting:
        return
    except (Rejected, CallFailed, ContinuedAs):
        pass
    except Broken as broken:
        _raise(broken.bug)
    except RunSuspended:
        return
    runner.check_all_visited(execution)


def _raise(error: Exception) -> NoReturn:
    raise error


def _finding(
    kind: Kind,
    state: SagaState,
    detail: str,
    step: str | None = None,
    recorded: str | None = None,
    asked: str | None = None,
) -> Finding:
    return Finding(kind, detail, state.saga_id, state.name, step, recorded, asked)


def _short(error: Exception) -> str:
    """Without the addresses of manuals."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, each['loc']))} {each['msg']}" for each in error.errors())
    return describe(error)
