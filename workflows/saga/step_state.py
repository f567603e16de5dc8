"""What a journal knows of one step: how it came about, how it ended, how far its undoing has come."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from domain import Event
from workflows.saga import journal
from workflows.saga.journal import Cause, StoredCompensation

UndoStatus = Literal["pending", "compensating", "compensated", "failed", "skipped"]


@dataclass(slots=True)
class Undo:
    """How far the compensation of a step has come. `begun`: it may have taken effect, even if it failed."""

    status: UndoStatus = "pending"
    begun: bool = False
    attempts: int = 0
    error: str | None = None
    retry_at: datetime | None = None


@dataclass(slots=True)
class StepState:
    """One step. `asked` is of the schema version `asked_version`.

    `round` tells it from the step of the same number before the saga went back or began anew.
    `news` is the end of its child, until a run begins that can see it. `refused` is a call whose last
    attempt was, past the pivot.
    """

    step: str
    name: str
    kind: journal.StepKind
    asked: dict[str, Any]
    asked_version: int
    started_at: datetime
    began_at_version: int = 0
    round: int = 1
    past_pivot: bool = False
    status: Literal["started", "succeeded", "rejected", "failed"] = "started"
    ended_at: datetime | None = None
    outcome_version: int | None = None
    attempts: int = 1
    deadline: datetime | None = None
    retry_at: datetime | None = None
    error: str | None = None
    refused: bool = False
    stream: str | None = None
    first_version: int = 0
    last_version: int = 0
    result: Any = None
    child: str | None = None
    child_left: bool = False
    news: tuple[journal.ChildEnded, datetime] | None = None
    rejection: Cause | None = None
    compensation: StoredCompensation | None = None
    undo: Undo = field(default_factory=Undo)

    @property
    def order(self) -> tuple[int, ...]:
        """Steps compensate in the reverse of this order, that of the program."""
        return step_order(self.step)

    @property
    def child_refused_past_pivot(self) -> bool:
        """Undone or abandoned where no refusal is an outcome: it halts the saga, and is started anew."""
        return self.kind == "child" and self.past_pivot and self.status == "rejected"

    @property
    def refused_or_failed(self) -> bool:
        return self.status in ("rejected", "failed")

    @property
    def must_succeed(self) -> bool:
        """A call that was announced past the pivot is sent again until it succeeds, whatever fails beside
        it."""
        return self.kind == "call" and self.past_pivot and self.status == "started"

    @property
    def acts(self) -> bool:
        """Whether it changes anything outside of the journal; a wait does not."""
        return self.kind in ("execute", "call") or self.child is not None

    @property
    def has_effect(self) -> bool:
        """Whether the step acted, or may have acted. A refusal speaks for its own attempt only."""
        refused = self.status == "rejected" or self.refused
        return self.acts and (not refused or self.attempts > 1 or self.child_left)

    @property
    def can_be_undone(self) -> bool:
        """A child that was abandoned is refused, and what it left is its operator's."""
        return self.compensation is not None or (self.child is not None and self.status != "rejected")

    @property
    def undone(self) -> bool:
        return self.undo.status == "compensated"

    @property
    def to_compensate(self) -> bool:
        return self.has_effect and self.can_be_undone and self.undo.status not in ("compensated", "skipped")

    def settle(self, status: Literal["succeeded", "rejected", "failed"], version: int, at: datetime) -> None:
        """The outcome, recorded as `version`."""
        self.status, self.outcome_version, self.ended_at, self.retry_at = status, version, at, None


def later(at: datetime, seconds: float) -> datetime:
    """So much later, at most at the end of the calendar: what is recorded must stay readable."""
    try:
        return at + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def step_order(step: str) -> tuple[int, ...]:
    """Where a step stands in the program: `2.10` after `2.9`."""
    return tuple(int(part) for part in step.split("."))


def evolve_step(steps: dict[str, StepState], entry: Event, version: int, at: datetime, **new: Any) -> None:
    """Take in an entry that says something of a step; `new` are fields of a step that begins with it."""
    about = journal.step_of(entry)
    if about is None:
        return
    begins = _beginning(entry)
    if begins is not None:
        number, name, kind, asked, asked_version = begins
        if number not in steps:
            steps[number] = StepState(number, name, kind, asked, asked_version, at, version, **new)
    step = steps.get(about)
    if step is not None:
        _evolve_forward(step, entry, version, at)
        _evolve_back(step, entry, at)


def _beginning(entry: Event) -> tuple[str, str, journal.StepKind, dict[str, Any], int] | None:
    """Number, name, kind, and what was asked in which version, of a step that may begin with this entry."""
    match entry:
        case journal.StepStarted():
            return entry.step, entry.name, "call", entry.argument, entry.argument_version
        case journal.WaitStarted():
            return entry.step, entry.name, entry.kind, {}, 1
        case journal.ChildStarted():
            return entry.step, entry.saga, "child", {"saga_id": entry.child, "input": entry.input}, 1
        case journal.StepSucceeded() | journal.StepRejected():
            return entry.step, entry.name, entry.kind, entry.command, entry.command_version
        case _:
            return None


def _evolve_forward(step: StepState, entry: Event, version: int, at: datetime) -> None:
    match entry:
        case journal.StepStarted():
            step.status, step.attempts, step.retry_at = "started", entry.attempt, None
            step.refused = False
            step.deadline = later(at, entry.timeout_seconds)
            step.compensation = entry.compensation
        case journal.WaitStarted(timeout_seconds=timeout, until=until):
            step.deadline = until if timeout is None else later(at, timeout)
        case journal.ChildStarted(child=child, detached=detached):
            if detached:
                step.result = child
                step.settle("succeeded", version, at)
            else:
                step.child = child
        case journal.StepSucceeded():
            step.stream, step.first_version, step.last_version = (
                entry.stream,
                entry.first_version,
                entry.last_version,
            )
            step.result = entry.result
            step.compensation = step.compensation or entry.compensation
            step.settle("succeeded", version, at)
        case journal.StepRejected():
            step.stream, step.error = entry.stream, entry.reason
            step.rejection = Cause(code=entry.code, detail=entry.reason, step=step.step, data=entry.data)
            step.settle("rejected", version, at)
        case journal.StepFailed(attempt=attempt, error=error, retry_in_seconds=wait):
            step.attempts, step.error, step.refused = attempt, error, entry.refused
            step.retry_at = later(at, wait) if wait is not None else None
            step.deadline = at
            if wait is None:
                step.settle("failed", version, at)
        case journal.ChildEnded(child=child) if child == step.child:
            if step.status == "started" and step.undo.status != "compensating":
                step.news = entry, at
            else:
                _evolve_child(step, entry, version, at)


def take_news(steps: dict[str, StepState], version: int) -> None:
    """A run has begun: the children that have ended before are outcomes now.

    The run before may have gone on without, and a replay must see what it saw.
    """
    for step in steps.values():
        if step.news is None:
            continue
        (entry, at), undo = step.news, step.undo
        step.news = None
        _evolve_child(step, entry, version, at)
        if undo.status != "pending":  # its compensation failed, or was left out, after that end
            step.undo = undo


def _evolve_child(step: StepState, entry: journal.ChildEnded, version: int, at: datetime) -> None:
    """The end of a child: the outcome of its step, or of the step's compensation, or of both."""
    asked_to_undo = step.undo.status == "compensating"
    step.child_left = bool(entry.left)
    if entry.status == "completed":
        step.undo = Undo()  # also if it was asked to undo itself, or was undone, and went forward again
        if step.status == "started":
            step.result = entry.result
            step.settle("succeeded", version, at)
    elif step.status == "started" and not asked_to_undo:
        said = f": {entry.cause.detail}" if entry.cause else ""
        step.error = f"{entry.child} was {entry.status}{said}"
        data = entry.cause.model_dump(mode="json") if entry.cause else {}
        step.rejection = Cause(
            code=f"child-{entry.status}", detail=step.error, step=step.step, data={"cause": data}
        )
        step.settle("rejected", version, at)
    elif entry.status == "compensated":
        step.undo.status = "compensated"
    elif asked_to_undo:
        step.undo.status, step.undo.error = "failed", f"{entry.child} was abandoned"


def _evolve_back(step: StepState, entry: Event, at: datetime) -> None:
    undo = step.undo
    if isinstance(entry, journal.CompensationAttempted | journal.StepCompensated):
        step.news = None  # it was decided on the child as it was after that
    match entry:
        case journal.CompensationAttempted(attempt=attempt):
            undo.status, undo.attempts, undo.retry_at = "compensating", attempt, None
            undo.begun = True
        case journal.StepCompensated():
            undo.status, undo.begun = "compensated", True
        case journal.CompensationFailed(error=error, attempt=attempt, retry_in_seconds=wait):
            undo.error, undo.attempts = error, attempt
            undo.retry_at = later(at, wait) if wait is not None else None
            undo.status = "compensating" if wait is not None else "failed"
        case journal.StepSkipped():
            undo.status = "skipped"
