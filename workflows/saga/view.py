"""A saga as its users see it: the wire form of `GET /sagas/{id}`."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from workflows.saga.journal import Cause
from workflows.saga.state import SagaState, SagaStatus, StepState

StepStatus = Literal[
    "started", "succeeded", "rejected", "failed", "compensating", "compensated", "skipped", "in-doubt"
]


class CompensationView(BaseModel):
    """What undoes a step, and how far that has come."""

    name: str
    status: Literal["pending", "compensating", "compensated", "failed"]
    attempts: int
    error: str | None


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
    compensation: CompensationView | None


class StuckView(BaseModel):
    """Why a person must look."""

    reason: str
    error: str
    step: str | None
    traceback: str | None


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
        steps=[_step_view(state, step) for step in sorted(state.steps.values(), key=lambda s: s.order)],
        links={"self": root, "journal": f"/streams/saga-{state.saga_id}", "compensate": f"{root}/compensate"},
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
        compensation=CompensationView(
            name=stored.name, status=undo.status, attempts=undo.attempts, error=undo.error
        )
        if stored
        else None,
    )


def _status(state: SagaState, step: StepState) -> StepStatus:
    if step.undo.status in ("compensating", "compensated"):
        return "compensated" if step.undo.status == "compensated" else "compensating"
    if step.status == "started" and step.retry_at is None and (state.compensating or state.stuck):
        return "in-doubt"
    return step.status
