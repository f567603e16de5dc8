"""Compensation: the stored plan, run in reverse order of the steps, without the saga's code."""

import asyncio
from typing import NoReturn

from domain import Event, Rejected
from eventstore import Appended
from workflows.saga import journal
from workflows.saga.calls import end_attempts, resolve_doubt
from workflows.saga.commands import Decision
from workflows.saga.definition import Retry
from workflows.saga.errors import Halted, Transient
from workflows.saga.execution import Execution, bounded, describe
from workflows.saga.journal import StoredCompensation
from workflows.saga.state import StepState

RETRY = Retry(attempts=10)
TIMEOUT_SECONDS = 10.0


async def compensate(execution: Execution) -> None:
    """Undo what was done, last step first, and end the saga as compensated. Raises Halted, Waiting."""
    state = execution.state
    if not state.compensation_started:
        assert state.cause is not None, "compensation has a cause"
        await execution.writer.append(journal.CompensationStarted(cause=state.cause))
    for step in state.plan():
        await undo(execution, step)
    await execution.writer.append(journal.SagaCompensated())


async def undo(execution: Execution, step: StepState) -> None:
    """Compensate one step. Raises Halted when that is rejected or its retries are used up."""
    assert step.compensation is not None, "only steps with a compensation are in the plan"
    if step.status == "started":
        await (
            resolve_doubt(execution, step, None) if step.retry_at is None else end_attempts(execution, step)
        )
    if step.compensation.kind == "command":
        await _by_command(execution, step, step.compensation)
    else:
        await _by_call(execution, step, step.compensation)


async def _by_command(execution: Execution, step: StepState, stored: StoredCompensation) -> None:
    async def commit(decision: Decision) -> Appended:
        if decision.rejection is None:
            entry: Event = journal.StepCompensated(
                step=step.step,
                stream=decision.stream,
                first_version=decision.version + 1,
                last_version=decision.last_version,
            )
        else:
            entry = _failed(step, step.undo.attempts + 1, decision.rejection.reason, None)
        batch = decision.batch(execution.metadata(step.step, undo=True))
        return await execution.writer.append(entry, batches=[batch])

    decision = await execution.decide(execution.handler.catalog.command(stored.name, stored.data), commit)
    if decision.rejection is not None:
        _halt(step)


async def _by_call(execution: Execution, step: StepState, stored: StoredCompensation) -> None:
    undo = step.undo
    while undo.status != "compensated":
        if undo.retry_at is not None:
            await execution.until(undo.retry_at, f"{stored.name}: {undo.error}")
        attempt = undo.attempts + 1
        await execution.writer.append(journal.CompensationAttempted(step=step.step, attempt=attempt))
        entry = await _send(execution, step, stored, attempt)
        await execution.writer.append(entry, outcome=isinstance(entry, journal.StepCompensated))
        if undo.status == "failed":
            _halt(step)


async def _send(execution: Execution, step: StepState, stored: StoredCompensation, attempt: int) -> Event:
    argument = execution.registry.call(stored.name).call.argument.model_validate(stored.data)
    deadline = asyncio.get_running_loop().time() + TIMEOUT_SECONDS
    try:
        await execution.perform(stored.name, argument, step.step, deadline)
    except Rejected as no:
        return _failed(step, attempt, bounded(no.reason), None)
    except (Transient, TimeoutError) as error:
        wait = None if attempt >= RETRY.attempts else RETRY.wait_seconds(attempt)
        return _failed(step, attempt, describe(error), wait)
    return journal.StepCompensated(step=step.step)


def _failed(step: StepState, attempt: int, error: str, retry_in_seconds: float | None) -> Event:
    return journal.CompensationFailed(
        step=step.step, attempt=attempt, error=error, retry_in_seconds=retry_in_seconds
    )


def _halt(step: StepState) -> NoReturn:
    raise Halted(
        "compensation-failed", f"the compensation of {step.name} failed: {step.undo.error}", step.step
    )
