"""Counts and times what runs do, from what they append: the kernel knows nothing of it.

run -> contextvar: the saga's name, since when its calls are announced
command handler -> contextvar: since when this command is under way
store.append -> after the commit: each entry of the journal is counted
"""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

import structlog

from app.observing.figures import Figures
from domain import Command
from eventstore import Appended, Batch, CommandId, NewEvent
from workflows.saga.commands import CommandHandler, Commit, Decision
from workflows.saga.dbos_runs import Execute
from workflows.saga.journal import CATEGORY
from workflows.saga.patience import PatientStore
from workflows.saga.state import SagaState

_JOURNAL: Final = f"{CATEGORY}-"
_ENDS: Final = {
    "SagaCompleted": "completed",
    "SagaCompensated": "compensated",
    "SagaAbandoned": "abandoned",
}
_UNDONE: Final = {"StepCompensated": "succeeded", "CompensationFailed": "failed"}


@dataclass
class _Run:
    """The run that this task belongs to: its saga, and the calls that it has announced."""

    saga: str
    calls: dict[str, tuple[str, float]] = field(default_factory=dict)


_run: ContextVar[_Run | None] = ContextVar("observed_run", default=None)
_command_since: ContextVar[float | None] = ContextVar("observed_command_since", default=None)


def observed(execute: Execute) -> Execute:
    """`execute`, its run known to `ObservedStore`."""

    async def run(saga_id: str, number: int, execution: str, state: SagaState | None) -> SagaState | None:
        name = structlog.contextvars.get_contextvars().get("saga", "")
        token = _run.set(_Run(name))
        try:
            return await execute(saga_id, number, execution, state)
        finally:
            _run.reset(token)

    return run


class ObservedHandler(CommandHandler):
    """Remembers when a command came in. What waits for the stream, or loses a race, takes longer."""

    async def handle(self, command: Command, commit: Commit) -> tuple[Decision, Appended]:
        token = _command_since.set(perf_counter())
        try:
            return await super().handle(command, commit)
        finally:
            _command_since.reset(token)


@dataclass(frozen=True, kw_only=True)
class ObservedStore(PatientStore):
    """Counts the entries that runs append."""

    figures: Figures

    async def append(
        self,
        batches: Sequence[Batch],
        *,
        command: CommandId | None = None,
        attachment: Mapping[str, Any] | None = None,
    ) -> Appended:
        appended = await super().append(batches, command=command, attachment=attachment)
        run = _run.get()
        if run is not None:
            for batch in batches:
                # A child's first entries, and what is told to a parent, are not of this run.
                if batch.stream.startswith(_JOURNAL) and _own(batch):
                    for entry in batch.events:
                        self._count(run, entry)
        return appended

    def _count(self, run: _Run, entry: NewEvent) -> None:
        figures, data = self.figures, entry.data
        match entry.type:
            case "StepStarted":
                run.calls[data["step"]] = data["name"], perf_counter()
            case "StepSucceeded" | "StepRejected":
                self._step(run, data, "succeeded" if entry.type == "StepSucceeded" else "rejected")
            case "StepFailed":
                name = run.calls.pop(data["step"], ("", 0.0))[0]
                figures.retries[run.saga, name].inc()
                if data["retry_in_seconds"] is None:
                    figures.steps[run.saga, name, "failed"].inc()
            case "CompensationStarted":
                figures.compensating[(run.saga,)].inc()
            case "StepCompensated" | "CompensationFailed":
                figures.compensations[run.saga, _UNDONE[entry.type]].inc()
            case "SagaStuck":
                figures.stuck[run.saga, data["reason"]].inc()
            case "Parked":
                figures.parked[(run.saga,)].inc()
            case "SagaCompleted" | "SagaCompensated" | "SagaAbandoned":
                figures.ended[run.saga, _ENDS[entry.type]].inc()

    def _step(self, run: _Run, data: Mapping[str, Any], outcome: str) -> None:
        name, kind = data["name"], data["kind"]
        self.figures.steps[run.saga, name, outcome].inc()
        if kind == "call":
            # Announced by a process that died, it is not timed: nobody here knows since when.
            since = run.calls.pop(data["step"], ("", None))[1]
        else:
            since = _command_since.get() if kind == "execute" else None
        if since is not None:
            self.figures.step_seconds[run.saga, name, kind].observe(perf_counter() - since)


def _own(batch: Batch) -> bool:
    return bool(batch.events) and batch.events[0].type not in {"SagaRequested", "ChildEnded"}
