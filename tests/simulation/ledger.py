"""What one journal says was done, undone, left out or left, read without the kernel's own fold.

The kernel decides by its fold; this is a second reading of the same entries, to be held against what really
happened (invariants.py).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from eventstore import RecordedEvent

MARGIN_SECONDS = 1.0
EPSILON = timedelta(milliseconds=2)


@dataclass
class Effect:
    """One step that acted, or may have acted. `key` is its command id or its idempotency key."""

    key: str
    step: str
    kind: str
    undoable: bool
    past_pivot: bool
    status: str
    child: str | None = None
    attempts: int = 1
    undone: bool = False
    skipped: bool = False
    asked: bool = False
    sent_before: bool = False
    news: str | None = None
    final: bool = False
    forgotten: bool = False

    @property
    def order(self) -> tuple[int, ...]:
        return tuple(map(int, self.step.split(".")))

    @property
    def to_undo(self) -> bool:
        """Whether a saga that is undone must still undo it."""
        possible = self.status != "rejected" or self.attempts > 1
        settled = self.undone or self.skipped or self.final or self.forgotten
        return self.undoable and possible and not settled


@dataclass
class Ledger:
    """One saga. `violations` are entries that should not be there."""

    saga_id: str
    effects: dict[str, Effect] = field(default_factory=dict)
    current: dict[str, Effect] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    round: int = 1
    pivot: bool = False
    undoing: bool = False
    to_step: tuple[int, ...] = ()
    went_back: str | None = None
    left: set[str] = field(default_factory=set)
    skipped: bool = False
    received: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    deadlines: dict[str, datetime] = field(default_factory=dict)
    children: dict[str, Any] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    reopened: bool = False
    ended: str | None = None
    last: str = ""

    def take(self, event: RecordedEvent) -> None:
        """One more entry."""
        self.last = event.type
        act = getattr(self, f"_{event.type}", None)
        if act is not None:
            act(event.data, event.recorded_at)

    def _key(self, step: str) -> str:
        return f"{self.saga_id}/{step}" + (f"~{self.round}" if self.round > 1 else "")

    def _begin(self, step: str, kind: str, undoable: bool, status: str, child: str | None = None) -> None:
        if step in self.current:
            self.violations.append(f"step {step} began twice")
        effect = Effect(self._key(step), step, kind, undoable, self.pivot, status, child)
        self.current[step] = self.effects[effect.key] = effect
        if self.undoing:
            self.violations.append(f"step {step} began after the request to undo")

    def _SagaRequested(self, data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        self.parent = data["parent"]

    def _StepStarted(self, data: dict[str, Any], at: datetime) -> None:  # noqa: N802
        step = data["step"]
        if data["attempt"] == 1:
            self._begin(step, "call", data["compensation"] is not None, "started")
        elif self.undoing:
            self.violations.append(f"step {step} was sent again after the request to undo")
        self.current[step].attempts = data["attempt"]
        self.current[step].status = "started"
        self.deadlines[step] = at + timedelta(seconds=data["timeout_seconds"] + MARGIN_SECONDS)

    def _WaitStarted(self, data: dict[str, Any], at: datetime) -> None:  # noqa: N802
        self._begin(data["step"], data["kind"], False, "started")
        if data["timeout_seconds"] is not None:
            self.deadlines[data["step"]] = at + timedelta(seconds=data["timeout_seconds"])

    def _ChildStarted(self, data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        if data["detached"]:
            self._begin(data["step"], "detached", False, "succeeded")
        else:
            self._begin(data["step"], "child", True, "started", data["child"])

    def _ChildEnded(self, data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        self.told[data["child"]] = data["status"]
        effect = self.current.get(data["step"])
        if effect is None or effect.child != data["child"]:
            return
        if effect.status == "started" and not effect.asked:
            effect.news = data["status"]
        elif data["status"] == "completed":  # it went forward, though it was to undo itself, or did
            effect.undone = False
            effect.status = "succeeded" if effect.status == "started" else effect.status
        elif data["status"] == "compensated":
            effect.undone = True
        effect.asked = False

    def _RunStarted(self, _data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        for effect in self.current.values():
            if effect.news == "completed":
                effect.status = "succeeded"
            elif effect.news is not None:
                effect.status = "rejected"
            effect.news = None

    def _StepSucceeded(self, data: dict[str, Any], at: datetime) -> None:  # noqa: N802
        step = data["step"]
        if step not in self.current:
            self._begin(step, data["kind"], data["compensation"] is not None, "succeeded")
        effect = self.current[step]
        effect.status = "succeeded"
        if (signal := data["signal"]) is not None:
            if signal in self.taken or signal not in self.received:
                self.violations.append(f"signal {signal} was taken twice, or never came")
            self.taken.add(signal)
        elif effect.kind in ("receive", "sleep"):
            if at + EPSILON < self.deadlines[step]:
                self.violations.append(f"the wait of step {step} was over before its time")
            if effect.kind == "receive" and data["name"] in self.waiting():
                self.violations.append(f"step {step} passed a signal over for its timeout")

    def waiting(self) -> set[str]:
        """The names of the signals that nobody has taken."""
        return {name for signal, name in self.received.items() if signal not in self.taken}

    def _StepRejected(self, data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        step = data["step"]
        if step not in self.current:
            self._begin(step, "refused", False, "rejected")
        self.current[step].status = "rejected"

    def _StepFailed(self, data: dict[str, Any], at: datetime) -> None:  # noqa: N802
        effect = self.current[data["step"]]
        effect.attempts = data["attempt"]
        if data["retry_in_seconds"] is None:
            effect.status = "failed"
        if data["error"].startswith("interrupted") and at + EPSILON < self.deadlines[effect.step]:
            self.violations.append(f"the doubt about step {effect.step} was closed before its deadline")

    def _PivotReached(self, _data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        self.pivot = True
        if self.undoing:
            self.violations.append("the pivot was passed after the request to undo")

    def _SignalReceived(self, data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        if data["id"] in self.received:
            self.violations.append(f"signal {data['id']} came in twice")
        self.received[data["id"]] = data["signal"]

    def _CompensationRequested(self, data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        self.undoing, self.reopened = True, self.reopened or self.ended is not None
        self.to_step = tuple(map(int, data["to_step"].split("."))) if data["to_step"] else ()
        self.left, self.ended = set(), None

    def _CompensationStarted(self, _data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        self.undoing = True

    def _StepCompensated(self, data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        effect = self.current[data["step"]]
        if effect.undone:
            self.violations.append(f"step {effect.step} was compensated twice")
        if effect.order <= self.to_step and effect.status == "succeeded":
            self.violations.append(f"step {effect.step} was compensated, but was to be kept")
        if self.undoing and not effect.sent_before:  # else a request found it on its way
            later = [
                each.step for each in self.current.values() if each.to_undo and each.order > effect.order
            ]
            if later:
                self.violations.append(f"step {effect.step} was compensated before {later}")
        if effect.child is not None and self.told.get(effect.child, "compensated") != "compensated":
            self.violations.append(f"step {effect.step} was compensated, and {effect.child} was not")
        effect.undone, effect.news = True, None  # it was decided on the child as it was after its end
        effect.asked = False

    def _CompensationAttempted(self, data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        effect = self.current[data["step"]]
        effect.news, effect.asked, effect.sent_before = None, True, not self.undoing
        self._check_not_undone(effect)

    def _CompensationFailed(self, data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        effect = self.current[data["step"]]
        effect.asked = data["retry_in_seconds"] is not None
        self._check_not_undone(effect)

    def _check_not_undone(self, effect: Effect) -> None:
        if effect.undone:
            self.violations.append(f"step {effect.step} is undone, and was to be undone once more")

    def _StepSkipped(self, data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        effect = self.current[data["step"]]
        self._check_not_undone(effect)
        effect.skipped = self.skipped = True
        effect.asked = False

    def _SagaStuck(self, data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        self.went_back = None
        if data["reason"] == "undone-to-step":
            self.went_back, self.undoing, self.to_step = data["step"], False, ()
            kept = tuple(map(int, data["step"].split(".")))
            left = [e.step for e in self.current.values() if e.order > kept and e.to_undo]
            if left:
                self.violations.append(f"steps {left} are to be undone, and the saga says it was")

    def _RetryRequested(self, _data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        """Past the pivot a child that was refused is started anew."""
        self._RunStarted(_data, _at)
        refused = [
            effect
            for effect in self.current.values()
            if effect.kind == "child" and effect.past_pivot and effect.status == "rejected"
        ]
        for effect in refused:
            effect.forgotten = True
            del self.current[effect.step]
        self.round += bool(refused)

    def _Resumed(self, data: dict[str, Any], at: datetime) -> None:  # noqa: N802
        self._RetryRequested(data, at)
        if self.went_back is not None:
            kept = tuple(map(int, self.went_back.split(".")))
            for step, effect in list(self.current.items()):
                if effect.order > kept:
                    effect.forgotten = True
                    del self.current[step]
            self.round += 1
            self.pivot = any(effect.past_pivot for effect in self.current.values())
        self.went_back = None

    def _check_no_call_is_open(self) -> None:
        for effect in self.current.values():
            if effect.kind == "call" and effect.status == "started":
                self.violations.append(f"what became of the call of step {effect.step} is open")

    def _Continued(self, _data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        self._check_no_call_is_open()
        for effect in self.effects.values():
            effect.final = True
        self.current, self.pivot, self.round = {}, False, self.round + 1

    def _SagaCompleted(self, _data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        self._check_no_call_is_open()
        self.ended = "completed"

    def _SagaCompensated(self, _data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        self._check_no_call_is_open()
        self.ended = "compensated"

    def _SagaAbandoned(self, data: dict[str, Any], _at: datetime) -> None:  # noqa: N802
        self.ended, self.left = "abandoned", {each["step"] for each in data["left"]}
        self.undoing = True
