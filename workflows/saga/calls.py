"""Calls: steps outside our database, whose outcome can stay unknown.

Each attempt is announced before it is sent (`StepStarted`): the intent, and the fence. Nobody sends after the
attempt's deadline, and no other execution retries or compensates it before that deadline and a margin. What
follows is read from the journal alone, so the loop goes on wherever a crash left it.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pydantic import BaseModel

from domain import Event, Rejected
from workflows.saga import journal
from workflows.saga.definition import Call, CompensatingCall, Nothing, Retry
from workflows.saga.errors import CallFailed, Closed, Halted, ReplayFirst, Transient, Waiting
from workflows.saga.execution import Execution, bounded, describe, dump, fitting, storable_data
from workflows.saga.journal import StoredCompensation
from workflows.saga.step_state import StepState
from workflows.saga.steps import refused
from workflows.saga.writer import Scope


@dataclass(frozen=True)
class CallRequest:
    """One call as the saga asks for it. `timeout` bounds one attempt."""

    call: Call[Any, Any]
    argument: BaseModel
    compensation: CompensatingCall | Nothing
    retry: Retry
    timeout: timedelta


async def perform_call(execution: Execution, step: str, request: CallRequest, scope: Scope) -> Any:
    """The result of the call, obtained now or recorded before. Raises Rejected, CallFailed."""
    execution.recorded(step, "call", request.call.name, dump(request.argument), request.call.version)
    while True:
        known = execution.state.steps.get(step)
        if known is None:
            await _attempt(execution, step, request, 1, scope)
        elif known.status != "started":
            return _outcome(request.call, known)
        elif scope.failed(execution.state) and not known.must_succeed:
            await give_up(execution, known)
        elif known.retry_at is None:
            await resolve_doubt(execution, known, _next_wait(execution, request, known.attempts))
        else:
            await execution.until(known.retry_at, f"{known.name}: {known.error}")
            await _try_again(execution, known, request, scope)


async def _try_again(execution: Execution, known: StepState, request: CallRequest, scope: Scope) -> None:
    """Ask what became of the attempt before, if the other side can be asked; if nothing, send it again."""
    answer = await _ask(execution, known, request)
    if answer is None and _exhausted(execution, request, known.attempts):
        await end_attempts(execution, known)
    elif answer is not None:
        await execution.writer.append(answer)
    else:
        around = scope.lasting() if known.must_succeed else scope
        try:
            await _attempt(execution, known.step, request, known.attempts + 1, around)
        except Closed:
            if not around.failed(execution.state):
                raise  # a bug or an outage beside this call is no reason to give it up


async def _ask(execution: Execution, known: StepState, request: CallRequest) -> Event | None:
    """What the other side says of an attempt whose outcome is not known; None if it did not act."""
    resolver = execution.registry.call(request.call.name).resolver
    if resolver is None or known.refused:
        return None
    try:
        async with asyncio.timeout(request.timeout.total_seconds()):
            result = await resolver(request.argument, execution.key(known.step))
    except Rejected as no:
        return _rejected(execution, known.step, request, known.attempts, no)
    except (Transient, TimeoutError) as error:
        attempt = known.attempts + 1
        return journal.StepFailed(
            step=known.step,
            attempt=attempt,
            error=f"not known what became of it: {describe(error)}",
            retry_in_seconds=_next_wait(execution, request, attempt),
        )
    return None if result is None else _succeeded(known.step, request.call.name, result)


async def _attempt(execution: Execution, step: str, request: CallRequest, attempt: int, scope: Scope) -> None:
    """Announce one attempt, send it, record its outcome."""
    # Read before the append, so that our deadline is never later than the recorded one.
    deadline = asyncio.get_running_loop().time() + request.timeout.total_seconds()
    await execution.writer.append(_announcement(step, request, attempt), forward=True, scope=scope)
    entry = await _send(execution, step, request, attempt, deadline)
    # A failure while shutting down may be the shut-down's own doing: the call is left in doubt instead.
    await execution.writer.append(entry, outcome=not isinstance(entry, journal.StepFailed))


def _announcement(step: str, request: CallRequest, attempt: int) -> Event:
    return journal.StepStarted(
        step=step,
        name=request.call.name,
        argument=dump(request.argument),
        argument_version=request.call.version,
        attempt=attempt,
        timeout_seconds=request.timeout.total_seconds(),
        compensation=_stored(request.compensation),
    )


async def _send(
    execution: Execution, step: str, request: CallRequest, attempt: int, deadline: float
) -> Event:
    name = request.call.name
    try:
        result = await execution.perform(name, request.argument, step, deadline)
    except Rejected as no:
        return _rejected(execution, step, request, attempt, no)
    except (Transient, TimeoutError) as error:
        wait = _next_wait(execution, request, attempt)
        return journal.StepFailed(step=step, attempt=attempt, error=describe(error), retry_in_seconds=wait)
    return _succeeded(step, name, result)


def _rejected(execution: Execution, step: str, request: CallRequest, attempt: int, no: Rejected) -> Event:
    name = request.call.name
    if execution.pivoted:
        error, wait = bounded(no.reason), request.retry.wait_seconds(attempt)
        execution.writer.note(
            journal.StepFailed(step=step, attempt=attempt, error=error, retry_in_seconds=wait, refused=True)
        )
        raise Halted("rejected-after-pivot", f"{name}: {no}", step) from no
    return journal.StepRejected(
        step=step,
        name=name,
        kind="call",
        reason=bounded(no.reason),
        code=bounded(no.code),
        data=storable_data(no.data),
    )


def _succeeded(step: str, name: str, result: BaseModel) -> Event:
    return journal.StepSucceeded(step=step, name=name, kind="call", result=result.model_dump(mode="json"))


def _next_wait(execution: Execution, request: CallRequest, attempt: int) -> float | None:
    """Seconds until the next attempt; None when there is none. Past the pivot there always is one.

    When the other side can be asked, it is asked once more after the last attempt.
    """
    to_ask = execution.registry.call(request.call.name).resolver is not None
    if attempt >= request.retry.attempts + to_ask and not execution.pivoted:
        return None
    return request.retry.wait_seconds(attempt)


def _exhausted(execution: Execution, request: CallRequest, attempts: int) -> bool:
    return attempts >= request.retry.attempts and not execution.pivoted


async def resolve_doubt(execution: Execution, step: StepState, retry_in_seconds: float | None) -> None:
    """Close an attempt that another execution left behind, as soon as nobody can send it any more."""
    await execution.until(_due(execution, step), f"{step.name} is in doubt")
    await execution.writer.append(
        journal.StepFailed(
            step=step.step,
            attempt=step.attempts,
            error="interrupted: whether the other side acted is not known",
            retry_in_seconds=retry_in_seconds,
        )
    )


def _due(execution: Execution, step: StepState) -> datetime:
    """When an open call goes on: with its next attempt, or when nobody can send the last one any more."""
    if step.retry_at is not None:
        return step.retry_at
    assert step.deadline is not None, "an announced attempt has a deadline"
    return step.deadline + timedelta(seconds=execution.margin_seconds)


async def give_up_calls(execution: Execution, steps: Iterable[str]) -> None:
    """Give up the open calls among `steps`, and in branches that are among them. Raises Waiting, ReplayFirst.

    One that must succeed is waited for.

    A wait for the next attempt, or for the end of a doubt, has taken them from their gather. A wait inside a
    branch has taken the branch as well, before its function saw what else had failed there. That may have
    been recorded first, so it must be seen before a failure is chosen: in the next run, which replays all.
    """
    among = frozenset(steps)
    within = tuple(f"{step}." for step in among)
    calls = [call for call in execution.state.open_calls() if f"{call.step}.".startswith(within)]
    if lasting := [call for call in calls if call.must_succeed]:
        first = min(lasting, key=partial(_due, execution))
        raise Waiting(_due(execution, first), f"{first.name} is sent until it succeeds: {first.error}")
    for call in calls:
        await execution.replay.live(give_up(execution, call), partial(execution.outcome_version, call.step))
    if any(call.step not in among for call in calls):
        raise ReplayFirst(await execution.store.now(), "a branch is to see what failed in it")


async def give_up(execution: Execution, step: StepState) -> None:
    """Make an open call a failed one, as soon as nobody can be sending it any more. Raises Waiting."""
    if step.retry_at is None:
        await resolve_doubt(execution, step, None)
    else:
        await end_attempts(execution, step)


async def end_attempts(execution: Execution, step: StepState) -> None:
    """Give up the attempts that are left: the step is failed, its effect not known."""
    await execution.writer.append(
        journal.StepFailed(
            step=step.step,
            attempt=step.attempts,
            error=step.error or "given up",
            retry_in_seconds=None,
            refused=step.refused,
        )
    )


def _outcome(call: Call[Any, Any], step: StepState) -> Any:
    if step.rejection is not None:
        raise refused(step.rejection)
    if step.status == "failed":
        raise CallFailed(step.step, step.name, step.error or "")
    return fitting(call.result.model_validate, step.result, step.step, step.name)


def _stored(compensation: CompensatingCall | Nothing) -> StoredCompensation | None:
    if isinstance(compensation, Nothing):
        return None
    data = compensation.argument.model_dump(mode="json")
    return StoredCompensation(
        kind="call", name=compensation.name, data=data, data_version=compensation.version
    )
