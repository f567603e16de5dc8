"""A saga as its users see it: the wire form of `GET /sagas/{id}`."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from workflows.saga.journal import Cause, Parent
from workflows.saga.state import SagaState
from workflows.saga.step_state import StepState, UndoStatus
from workflows.saga.summary import SagaStatus

StepStatus = Literal[
    "started", "succeeded", "rejected", "failed", "compensating", "compensated", "skipped", "in-doubt"
]


class CompensationView(BaseModel):
    """What undoes a step, and how far that has come."""

    name: str
    status: UndoStatus
    attempts: int
    error: str | None
    retry_at: datetime | None


class StepView(BaseModel):
    """One step in the order of the program."""

    step: str
    name: str
    kind: Literal["execute", "call", "receive", "sleep", "child"]
    status: StepStatus
    stream: str | None
    versions: list[int]
    started_at: datetime
    ended_at: datetime | None
    attempts: int
    retry_at: datetime | None
    error: str | None
    result: Any
    saga_id: str | None
    compensation: CompensationView | None


class StuckView(BaseModel):
    """Why a person must look."""

    reason: str
    error: str
    step: str | None
    traceback: str | None


class RequestView(BaseModel):
    """Who asked for the saga to be undone, and how far."""

    actor: str
    reason: str
    to_step: str | None
    force: bool


class LeftView(BaseModel):
    """A step whose effect stayed."""

    step: str
    name: str


class WaitView(BaseModel):
    """What a parked saga waits for: the first of these. `until` is null when there is no deadline."""

    until: datetime | None
    signals: list[str]
    children: list[str]


class SagaView(BaseModel):
    """One saga: status, steps, compensations, outcome."""

    saga_id: str
    name: str
    version: int
    status: SagaStatus
    input: dict[str, Any]
    result: Any
    error: Cause | None
    stuck: StuckView | None
    correlation_id: str
    requested_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    resumes_at: datetime | None
    waits_for: WaitView | None
    parent: Parent | None
    attributes: dict[str, str]
    requested: RequestView | None
    left: list[LeftView]
    signals: list[str]
    journal_version: int
    position: int
    steps: list[StepView]
    links: dict[str, str]


def view(state: SagaState) -> SagaView:
    """The wire form of a folded journal."""
    root = f"/sagas/{state.saga_id}"
    stuck = state.stuck
    return SagaView(
        saga_id=state.saga_id,
        name=state.name,
        version=state.saga_version,
        status=state.status,
        input=state.input,
        result=state.result,
        error=state.cause
        or (Cause(code=stuck.reason, detail=stuck.error, step=stuck.step) if stuck else None),
        stuck=StuckView(**stuck.model_dump()) if stuck else None,
        correlation_id=state.correlation_id,
        requested_at=state.requested_at,
        updated_at=state.updated_at,
        ended_at=state.ended_at,
        resumes_at=state.parked_until if state.parked else None,
        waits_for=_wait_view(state) if state.parked else None,
        parent=state.parent,
        attributes=state.attributes,
        requested=RequestView(**state.requested.model_dump()) if state.requested else None,
        left=_left(state),
        signals=[signal.name for signal in state.signals],
        journal_version=state.version,
        position=state.position,
        steps=[_step_view(state, step) for step in state.in_order()],
        links={"self": root, "journal": f"/streams/saga-{state.saga_id}", "compensate": f"{root}/compensate"},
    )


def _left(state: SagaState) -> list[LeftView]:
    """What stayed: when the saga went back before it, and, of one that has ended, what was not undone; a
    completed one may have left out to undo a call that failed."""
    if state.abandoned is not None:
        return [LeftView(**left.model_dump()) for left in state.abandoned.left]
    skipped = [step for step in state.in_order() if step.undo.status == "skipped" and state.ended]
    return [LeftView(step=step.step, name=step.name) for step in [*state.behind, *skipped]]


def _wait_view(state: SagaState) -> WaitView:
    return WaitView(
        until=state.parked_until,
        signals=state.signals_awaited,
        children=[state.steps[step].child or "" for step in state.children_awaited],
    )


def _step_view(state: SagaState, step: StepState) -> StepView:
    undo, stored = step.undo, step.compensation
    return StepView(
        step=step.step,
        name=step.name,
        kind=step.kind,
        status=_status(state, step),
        stream=step.stream,
        versions=list(range(step.first_version, step.last_version + 1)) if step.stream else [],
        started_at=step.started_at,
        ended_at=step.ended_at,
        attempts=step.attempts,
        retry_at=step.retry_at,
        error=step.error,
        result=step.result,
        saga_id=step.child,
        compensation=CompensationView(
            name=stored.name if stored else f"undo {step.child}",
            status=undo.status,
            attempts=undo.attempts,
            error=undo.error,
            retry_at=undo.retry_at,
        )
        if step.can_be_undone
        else None,
    )


def _status(state: SagaState, step: StepState) -> StepStatus:
    if step.undo.status in ("compensating", "compensated", "skipped"):
        return step.undo.status
    if (
        step.kind == "call"
        and step.status == "started"
        and step.retry_at is None
        and (state.compensating or state.at_rest or state.parked)
    ):
        return "in-doubt"
    return step.status
