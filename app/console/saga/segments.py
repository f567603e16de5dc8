"""What a saga did when, read off the entries of its journal: the stretches of time that each step took.

An `execute` is one transaction and has no length. A call has a stretch for each attempt and one for each
pause between two; a wait and a child have one each, and so has each attempt to undo a step.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from domain import Event
from workflows.saga import journal
from workflows.saga.step_state import step_order

SegmentKind = Literal["act", "attempt", "pause", "wait", "child", "undo", "undo-pause"]
Outcome = Literal["open", "succeeded", "rejected", "failed", "lost", "skipped", "timed-out", "over"]
"""`lost`: the process ended before the outcome was known; `over`: what was waited for has come."""


@dataclass(slots=True)
class Segment:
    """A stretch of time; `ends` is None while it goes on. Attempts count from 1; 0 where there are none."""

    kind: SegmentKind
    begins: datetime
    ends: datetime | None = None
    outcome: Outcome = "open"
    attempt: int = 0
    detail: str = ""

    def end(self, at: datetime, outcome: Outcome, detail: str = "") -> None:
        self.ends, self.outcome, self.detail = at, outcome, detail

    @property
    def undoes(self) -> bool:
        return self.kind in ("undo", "undo-pause")

    @property
    def busy(self) -> bool:
        """Whether something is done in it, and not only waited."""
        return self.kind in ("act", "attempt", "undo")


@dataclass(slots=True)
class Lane:
    """One step with all its stretches, in their order."""

    step: str
    name: str
    kind: journal.StepKind
    segments: list[Segment] = field(default_factory=list)

    @property
    def order(self) -> tuple[int, ...]:
        return step_order(self.step)

    @property
    def branch(self) -> str:
        """The branch of a gather that the step is of: `2.1` of `2.1.3`; empty outside of all."""
        return self.step.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Marker:
    """An instant of the whole saga that explains what follows."""

    at: datetime
    word: str


@dataclass(frozen=True, slots=True)
class Undone:
    """An attempt to undo a step."""

    step: str
    segment: Segment


@dataclass(slots=True)
class Course:
    """What the saga did, as far as its entries were read."""

    lanes: dict[str, Lane] = field(default_factory=dict)
    markers: list[Marker] = field(default_factory=list)
    undone: list[Undone] = field(default_factory=list)
    began: datetime | None = None
    latest: datetime | None = None

    def in_order(self) -> list[Lane]:
        """The steps in the order of the program."""
        return sorted(self.lanes.values(), key=lambda lane: lane.order)


def course_of(entries: Iterable[tuple[datetime, Event]]) -> Course:
    """The course of these entries, each with the time when it was recorded, in their order."""
    course = Course()
    for at, entry in entries:
        course.began = course.began or at
        course.latest = at
        if word := _WORDS.get(type(entry)):
            course.markers.append(Marker(at, word))
        _forward(course, entry, at)
        _back(course, entry, at)
    return course


_WORDS: Final[dict[type[Event], str]] = {
    journal.PivotReached: "pivot",
    journal.Continued: "began anew",
    journal.CompensationRequested: "undo requested",
    journal.CompensationStarted: "compensation",
    journal.SagaStuck: "stuck",
    journal.RetryRequested: "retry requested",
    journal.Resumed: "resumed",
    journal.SagaCompleted: "completed",
    journal.SagaCompensated: "compensated",
    journal.SagaAbandoned: "abandoned",
}


def _forward(course: Course, entry: Event, at: datetime) -> None:
    match entry:
        case journal.StepStarted(step=step, name=name, attempt=attempt):
            lane = _lane(course, step, name, "call")
            _end(lane, at, "lost", "attempt")
            _end(lane, at, "over", "pause")
            lane.segments.append(Segment("attempt", at, attempt=attempt))
        case journal.WaitStarted(step=step, name=name, kind=kind):
            _lane(course, step, name, kind).segments.append(Segment("wait", at))
        case journal.ChildStarted(step=step, saga=saga, detached=detached):
            lane = _lane(course, step, saga, "child")
            lane.segments.append(Segment("act", at, at, "succeeded") if detached else Segment("child", at))
        case journal.StepSucceeded(step=step, name=name, kind=kind):
            timed_out = kind == "receive" and entry.signal is None
            _settle(_lane(course, step, name, kind), at, "timed-out" if timed_out else "succeeded")
        case journal.StepRejected(step=step, name=name, kind=kind, reason=reason):
            _settle(_lane(course, step, name, kind), at, "rejected", reason)
        case journal.StepFailed(step=step, error=error, retry_in_seconds=wait) if step in course.lanes:
            lane = course.lanes[step]
            _settle(lane, at, "failed", error)
            if wait is not None:
                lane.segments.append(Segment("pause", at))
        case journal.ChildEnded(step=step) if step in course.lanes:
            _child_ended(course.lanes[step], entry, at)


def _child_ended(lane: Lane, entry: journal.ChildEnded, at: datetime) -> None:
    detail = entry.cause.detail if entry.cause else ""
    if not _end(lane, at, "succeeded" if entry.status == "completed" else "rejected", "child", detail=detail):
        _end(lane, at, "succeeded" if entry.status == "compensated" else "failed", "undo", detail=detail)


def _settle(lane: Lane, at: datetime, outcome: Outcome, detail: str = "") -> None:
    """The outcome of what is under way; of an `execute` nothing was known before."""
    _end(lane, at, "over", "pause")
    if not _end(lane, at, outcome, "attempt", "wait", "child", detail=detail):
        lane.segments.append(Segment("act", at, at, outcome, detail=detail))


def _back(course: Course, entry: Event, at: datetime) -> None:
    step = journal.step_of(entry)
    lane = course.lanes.get(step) if step else None
    if step is None or lane is None:
        return
    match entry:
        case journal.CompensationAttempted(attempt=attempt):
            _end(lane, at, "lost", "undo")
            _end(lane, at, "over", "undo-pause")
            _undo(course, lane, Segment("undo", at, attempt=attempt))
        case journal.StepCompensated():
            _undo_ended(course, lane, at, "succeeded")
        case journal.CompensationFailed(error=error, retry_in_seconds=wait):
            _undo_ended(course, lane, at, "failed", error)
            if wait is not None:
                lane.segments.append(Segment("undo-pause", at))
        case journal.StepSkipped(reason=reason):
            _undo(course, lane, Segment("undo", at, at, "skipped", detail=reason))


def _undo(course: Course, lane: Lane, segment: Segment) -> None:
    lane.segments.append(segment)
    course.undone.append(Undone(lane.step, segment))


def _undo_ended(course: Course, lane: Lane, at: datetime, outcome: Outcome, detail: str = "") -> None:
    _end(lane, at, "over", "undo-pause")
    if not _end(lane, at, outcome, "undo", detail=detail):
        _undo(course, lane, Segment("undo", at, at, outcome, detail=detail))


def _end(lane: Lane, at: datetime, outcome: Outcome, *kinds: SegmentKind, detail: str = "") -> bool:
    """End what is open of these kinds; whether there was anything."""
    found = False
    for segment in _open(lane, kinds):
        segment.end(at, outcome, detail)
        found = True
    return found


def _open(lane: Lane, kinds: tuple[SegmentKind, ...]) -> Iterator[Segment]:
    return (each for each in lane.segments if each.ends is None and each.kind in kinds)


def _lane(course: Course, step: str, name: str, kind: journal.StepKind) -> Lane:
    lane = course.lanes.setdefault(step, Lane(step, name, kind))
    lane.name, lane.kind = name, kind  # of the last round, when the saga went back and took another way
    return lane
