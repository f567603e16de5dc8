"""Journals as an outsider reads them: from the events that the server hands out, by no code of the kernel.

What the checks find would be worth little if they asked the kernel how to read its own journal.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]

PREFIX: Final = "saga-"
ENDS: Final = {"SagaCompleted": "completed", "SagaCompensated": "compensated"}


@dataclass
class Step:
    """One step. `written` are the places of its events, `undo_written` those of its compensation's events."""

    number: str
    name: str
    attempts: int = 0
    compensation: str | None = None
    outcomes: list[str] = field(default_factory=list)
    written: list[tuple[str, int]] = field(default_factory=list)
    undo_written: list[tuple[str, int]] = field(default_factory=list)

    @property
    def place(self) -> tuple[int, ...]:
        """Steps are undone in the reverse of this order."""
        return tuple(int(part) for part in self.number.split("."))

    @property
    def must_be_undone(self) -> bool:
        """It acted, or may have acted: an attempt of a call before the one that was refused."""
        acted = self.outcomes != ["StepRejected"] or self.attempts > 1
        return acted and self.compensation is not None


@dataclass
class Journal:
    """One saga, as far as its entries have been taken in. `doing` is the latest step, or why it waits."""

    saga_id: str
    types: list[str] = field(default_factory=list)
    input: Json = field(default_factory=dict)
    status: str = "queued"
    doing: str = ""
    waits_seconds: float = 0.0
    cause: Json | None = None
    steps: dict[str, Step] = field(default_factory=dict)
    undone: list[str] = field(default_factory=list)
    executors: list[str] = field(default_factory=list)
    run_starts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "compensated")

    @property
    def in_flight(self) -> bool:
        """An executor has begun it, and it has neither ended nor been given to a person."""
        return bool(self.executors) and not self.ended and self.status != "stuck"

    @property
    def refused_at(self) -> str | None:
        """The name of the step that said no."""
        if self.cause is None:
            return None
        step = self.steps.get(self.cause["step"] or "")
        return step.name if step else self.cause["code"]

    @property
    def to_undo(self) -> list[str]:
        """The steps that a refused saga must have undone, in the order in which it must have done so."""
        steps = (step for step in self.steps.values() if step.must_be_undone)
        return [step.number for step in sorted(steps, key=lambda step: step.place, reverse=True)]

    @property
    def compensations(self) -> list[str]:
        """What was undone, by name, in the order in which it was."""
        return [self.steps[number].compensation or "" for number in self.undone]

    def take(self, event: Json) -> None:
        """Take in the next entry."""
        kind, entry = event["type"], event["data"]
        self.types.append(kind)
        match kind:
            case "SagaRequested":
                self.input = entry["input"]
            case "RunStarted":
                self._started(entry["executor"], event["recorded_at"])
            case "Parked":
                self.status = "waiting"
                self.doing, self.waits_seconds = entry["reason"], entry["delay_seconds"]
            case "CompensationStarted":
                self.status, self.cause = "compensating", entry["cause"]
            case "SagaStuck":
                self.status, self.doing = "stuck", entry["error"]
            case "SagaCompleted" | "SagaCompensated":
                self.status = ENDS[kind]
            case _ if "step" in entry:
                self._take_step(kind, entry)

    def _started(self, executor: str, at: str) -> None:
        self.run_starts.append((executor, at))
        if executor not in self.executors:
            self.executors.append(executor)
        self.status = "running" if self.cause is None else "compensating"

    def _take_step(self, kind: str, entry: Json) -> None:
        step = self.steps.setdefault(entry["step"], Step(entry["step"], entry.get("name", "")))
        match kind:
            case "StepStarted":
                step.attempts = entry["attempt"]
                step.compensation = _name_of(entry)
            case "StepSucceeded":
                step.compensation = step.compensation or _name_of(entry)
                step.written = _places(entry)
                step.outcomes.append(kind)
            case "StepRejected":
                step.outcomes.append(kind)
            case "StepFailed" if entry["retry_in_seconds"] is None:
                step.outcomes.append(kind)
            case "StepCompensated":
                step.undo_written = _places(entry)
                self.undone.append(step.number)
        self.doing = step.name


def journals_of(events: Iterable[Json]) -> dict[str, Journal]:
    """The journals in a log, by saga id."""
    journals: dict[str, Journal] = {}
    for event in events:
        if event["stream"].startswith(PREFIX):
            saga_id = event["stream"].removeprefix(PREFIX)
            journals.setdefault(saga_id, Journal(saga_id)).take(event)
    return journals


def _name_of(entry: Json) -> str | None:
    compensation = entry["compensation"]
    return compensation["name"] if compensation else None


def _places(entry: Json) -> list[tuple[str, int]]:
    stream = entry["stream"]
    if stream is None:
        return []  # a call
    return [(stream, version) for version in range(entry["first_version"], entry["last_version"] + 1)]
