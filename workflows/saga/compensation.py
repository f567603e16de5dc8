"""Compensation: the stored plan, run in reverse order of the steps, without the saga's code."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

from domain import Event, Rejected
from eventstore import Appended, AppendRefused, Batch, WrongExpectedVersion
from workflows.saga import journal
from workflows.saga.calls import give_up
from workflows.saga.children import RACES_MAX, end
from workflows.saga.commands import Decision
from workflows.saga.definition import Retry
from workflows.saga.errors import Awoken, Halted, Transient, Waiting
from workflows.saga.execution import Execution, bounded, describe
from workflows.saga.journal import StoredCompensation
from workflows.saga.operations import BEFORE, blocks
from workflows.saga.runs import run_request
from workflows.saga.state import SagaState, read_state
from workflows.saga.step_state import StepState

RETRY = Retry(attempts=10)
TIMEOUT_SECONDS = 10.0
SYSTEM: Final = "saga"
"""The actor of what no person asked for."""


async def compensate(execution: Execution) -> None:
    """Undo what was done, last step first, all of it or back to a step. Raises Halted, Waiting."""
    state = execution.state
    if not state.compensation_started:
        assert state.cause is not None, "compensation has a cause"
        await execution.writer.append(journal.CompensationStarted(cause=state.cause))
    while True:  # what is left is looked at anew each time: more may be asked for meanwhile
        if plan := state.plan(state.undo_to):
            await undo(execution, plan[0])
        elif calls := state.open_calls(state.undo_to):
            await give_up(execution, calls[0])  # nothing undoes it, but whether it acted must not stay open
        else:
            break
    if state.undo_to is None:
        await end(execution, _end_of(state))
    else:
        await _stop_at(execution, state.undo_to)


def _end_of(state: SagaState) -> Event:
    """ "Compensated" is said only when nothing stays."""
    left = [journal.Left(step=step.step, name=step.name) for step in state.left()]
    if state.final:
        left.insert(0, journal.Left(step="", name=BEFORE))
    if not left:
        return journal.SagaCompensated()
    actor = state.requested.actor if state.requested else SYSTEM
    return journal.SagaAbandoned(actor=actor, reason="undone as far as it could be", left=left)


async def _stop_at(execution: Execution, step: str) -> None:
    def unless_asked_for_more() -> None:
        if execution.state.undo_to != step:
            raise Awoken

    entry = journal.SagaStuck(
        reason="undone-to-step",
        error=f"undone back to step {step}, as asked: resume the saga, compensate it, or abandon it",
        step=step,
    )
    await execution.writer.append(entry, guard=unless_asked_for_more)


async def undo(execution: Execution, step: StepState, *, forward: bool = False) -> None:
    """Compensate one step; `forward`: of a saga that goes on without it, until a request interrupts.

    Raises Halted when that is rejected or its retries are used up, Waiting.
    """
    if step.undo.status == "failed":  # killed before that was said: it has failed for good all the same
        _halt(step)
    if step.status == "started" and step.kind == "call":
        await give_up(execution, step)
    if step.compensation is None:
        await _by_child(execution, step, forward)
    elif step.compensation.kind == "command":
        await _by_command(execution, step, step.compensation)
    else:
        await _by_call(execution, step, step.compensation, forward)


async def _by_child(execution: Execution, step: StepState, forward: bool) -> None:
    """Ask the child to undo itself, in one append with our own entry, and wait for its end."""
    assert step.child is not None, "only steps that can be undone are in the plan"
    for _ in range(RACES_MAX):
        if step.undo.status == "failed":
            _halt(step)
        if step.undo.status == "compensating":
            raise Waiting(None, f"waits for {step.child} to be undone", children=frozenset({step.step}))
        guard = _unless_it_ended(step)
        child = await read_state(execution.store, execution.codec, step.child)
        if child is None or child.status == "compensated":
            await execution.writer.append(journal.StepCompensated(step=step.step), guard=guard)
            return
        if blocked := blocks(child):
            failed = _failed(step, step.undo.attempts + 1, blocked[0], None)
            await execution.writer.append(failed, forward=forward, guard=guard)
            continue
        with suppress(WrongExpectedVersion, AppendRefused):  # the child moved: look at it again
            await _ask(execution, step, child, guard, forward)
    raise await execution.contended(f"the journal of {step.child} moved under {RACES_MAX} tries")


def _unless_it_ended(step: StepState) -> Callable[[], None]:
    """A guard: the child of the step has told of no end since it was looked at."""
    known, undo = (step.status, step.news), step.undo

    def check() -> None:
        if (step.status, step.news) != known or step.undo is not undo or undo.status != "pending":
            raise Awoken

    return check


async def _ask(
    execution: Execution, step: StepState, child: SagaState, guard: Callable[[], None], forward: bool
) -> None:
    own = execution.state
    attempted = journal.CompensationAttempted(step=step.step, attempt=step.undo.attempts + 1)
    if child.compensating and child.status != "stuck" and child.undo_to is None:
        # Only while it is so. This is checked, not locked, but its end cannot slip in between: that is an
        # append to our journal too, which this one expects where it is. One of the two loses, and looks
        # again. All else that may come first is a decision of its operator, who could have come just after.
        still = Batch(journal.journal_stream(child.saga_id), child.version)
        await execution.writer.append(attempted, batches=[still], forward=forward, guard=guard)
        return
    run = child.named_run + 1 if child.idle else None
    reason = own.cause.detail if own.cause else "its parent is undone"
    request = journal.CompensationRequested(actor=f"saga:{own.saga_id}", reason=reason, run=run)
    lane = execution.registry.lane(child.name)
    stream = journal.journal_stream(child.saga_id)
    await execution.writer.append(
        attempted,
        batches=[
            Batch(
                stream,
                child.version,
                [execution.codec.encode(request, execution.metadata(step.step, undo=True))],
            )
        ],
        attachment=None if run is None else run_request(lane, child.name, child.saga_id, run),
        forward=forward,
        guard=guard,
    )


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

    command = execution.codec.command(stored.name, stored.data, stored.data_version)
    decision = await execution.decide(command, commit)
    if decision.rejection is not None:
        _halt(step)


async def _by_call(execution: Execution, step: StepState, stored: StoredCompensation, forward: bool) -> None:
    undo = step.undo
    while undo.status != "compensated":
        if undo.retry_at is not None:
            await execution.until(undo.retry_at, f"{stored.name}: {undo.error}")
        attempt = undo.attempts + 1
        attempted = journal.CompensationAttempted(step=step.step, attempt=attempt)
        await execution.writer.append(attempted, forward=forward)
        entry = await _send(execution, step, stored, attempt)
        await execution.writer.append(entry, outcome=isinstance(entry, journal.StepCompensated))
        if undo.status == "failed":
            _halt(step)


async def _send(execution: Execution, step: StepState, stored: StoredCompensation, attempt: int) -> Event:
    definition, argument = execution.registry.stored_call(stored.name, stored.data, stored.data_version)
    deadline = asyncio.get_running_loop().time() + TIMEOUT_SECONDS
    try:
        await execution.perform(definition.call.name, argument, step.step, deadline)
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
