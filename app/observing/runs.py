"""Counts, times and traces what runs do, from what they append: the kernel knows nothing of it.

run -> contextvar: the saga's name, since when its calls are announced; a span in the saga's trace
command handler -> contextvar: since when this command is under way; a span
call -> a span
store.append -> after the commit: each entry of the journal is counted, and told to the span
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, Final

import structlog
from opentelemetry.trace import Span, SpanKind, get_current_span

from app.observing.figures import Figures
from app.observing.spans import failed, trace_of, under_way
from app.observing.tracing import OFF, Tracing
from domain import Command
from eventstore import Appended, Batch, CommandId, NewEvent
from workflows.saga import CallDefinition
from workflows.saga.commands import CommandHandler, Commit, Decision
from workflows.saga.dbos_runs import Execute
from workflows.saga.journal import CATEGORY
from workflows.saga.patience import PatientStore
from workflows.saga.runner import Runner
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
    """The run that this task belongs to: its saga, the calls that it has announced, and those of them that
    compensate."""

    saga: str
    span: Span
    calls: dict[str, tuple[str, float]] = field(default_factory=dict)
    undoing: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Command:
    """The command that this task is at."""

    since: float
    span: Span


_run: ContextVar[_Run | None] = ContextVar("observed_run", default=None)
_command: ContextVar[_Command | None] = ContextVar("observed_command", default=None)

Send = Callable[[Any, str], Awaitable[Any]]


def observed(runner: Runner, tracing: Tracing) -> Execute:
    """What `runner` does, its runs known to `ObservedStore` and each a span in the trace of its saga."""

    async def run(saga_id: str, number: int, execution: str, state: SagaState | None) -> SagaState | None:
        name = structlog.contextvars.get_contextvars().get("saga", "")
        context = None
        # A saga that has just begun here was requested in the very span that this task is in.
        begun = state is not None and get_current_span().get_span_context().is_valid
        if tracing.on and not begun:
            context = await trace_of(runner.store, saga_id)
        about: dict[str, str | int] = {
            "saga.id": saga_id,
            "saga.name": name,
            "saga.run": number,
            "saga.executor": runner.executor,
        }
        if name in runner.registry:
            about["saga.version"] = runner.registry.saga(name).version
        with (
            structlog.contextvars.bound_contextvars(executor=runner.executor),
            under_way(tracing, f"run {name}", about, context=context) as span,
        ):
            token = _run.set(_Run(name, span))
            try:
                came_to = await runner.run(saga_id, number, execution, state)
            finally:
                _run.reset(token)
            if came_to is not None:
                span.set_attribute("saga.status", came_to.status)
            return came_to

    return run


def observed_call(definition: CallDefinition[Any, Any], tracing: Tracing) -> CallDefinition[Any, Any]:
    """The same call, each request of it a span."""
    name, resolver = definition.call.name, definition.resolver
    return replace(
        definition,
        function=_spanned(f"call {name}", definition.function, tracing),
        resolver=None if resolver is None else _spanned(f"ask about {name}", resolver, tracing),
    )


def _spanned(name: str, send: Send, tracing: Tracing) -> Send:
    async def sending(argument: Any, key: str) -> Any:
        saga_id, _, step = key.partition("/")
        about: dict[str, str | bool] = {"saga.id": saga_id, "saga.step": step}
        run = _run.get()
        if run is not None and step in run.undoing:
            about["saga.compensation"] = True
        with (
            structlog.contextvars.bound_contextvars(step=step),
            under_way(tracing, name, about, kind=SpanKind.CLIENT),
        ):
            return await send(argument, key)

    return sending


@dataclass
class ObservedHandler(CommandHandler):
    """Remembers when a command came in. What waits for the stream, or loses a race, takes longer."""

    tracing: Tracing = OFF

    async def handle(self, command: Command, commit: Commit) -> tuple[Decision, Appended]:
        with under_way(self.tracing, type(command).__name__) as span:
            token = _command.set(_Command(perf_counter(), span))
            try:
                return await super().handle(command, commit)
            finally:
                _command.reset(token)


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
                run.span.add_event("compensation started")
                figures.compensating[(run.saga,)].inc()
            case "CompensationAttempted":
                run.undoing.add(data["step"])
            case "StepCompensated" | "CompensationFailed":
                figures.compensations[run.saga, _UNDONE[entry.type]].inc()
                if command := _command.get():
                    command.span.set_attribute("saga.compensation", value=True)
                    _tell(command.span, data["step"], _UNDONE[entry.type])
            case "SagaStuck":
                figures.stuck[run.saga, data["reason"]].inc()
                failed(run.span, data["reason"])
            case "Parked":
                figures.parked[(run.saga,)].inc()
            case "SagaCompleted" | "SagaCompensated" | "SagaAbandoned":
                figures.ended[run.saga, _ENDS[entry.type]].inc()

    def _step(self, run: _Run, data: Mapping[str, Any], outcome: str) -> None:
        name, kind = data["name"], data["kind"]
        self.figures.steps[run.saga, name, outcome].inc()
        since: float | None = None
        if kind == "call":
            # Announced by a process that died, it is not timed: nobody here knows since when.
            since = run.calls.pop(data["step"], ("", None))[1]
        elif kind == "execute" and (command := _command.get()):
            since = command.since
            _tell(command.span, data["step"], outcome)
        if since is not None:
            self.figures.step_seconds[run.saga, name, kind].observe(perf_counter() - since)


def _tell(span: Span, step: str, outcome: str) -> None:
    span.set_attributes({"saga.step": step, "saga.outcome": outcome})


def _own(batch: Batch) -> bool:
    return bool(batch.events) and batch.events[0].type not in {"SagaRequested", "ChildEnded"}
