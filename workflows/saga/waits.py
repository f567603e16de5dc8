"""Waits: a saga waits for a signal or a time without being in memory.

`WaitStarted` fixes the deadline by the database's clock. What ends the wait is an entry too, so that a replay
sees the same: the signal that was taken, or that the time was up. A signal that is in the journal when the
wait ends is never passed over for a timeout.
"""

from datetime import datetime, timedelta

from workflows.saga import journal
from workflows.saga.errors import Awoken, Waiting
from workflows.saga.execution import Execution
from workflows.saga.state import Signal
from workflows.saga.writer import Scope


async def receive(
    execution: Execution, step: str, signal: str, patience: timedelta | None, scope: Scope
) -> object:
    """The data of the next signal of that name; None when the time was up. Raises Waiting."""
    while True:
        known = execution.recorded(step, "receive", signal, {})
        if known is not None and known.status == "succeeded":
            return known.result
        try:
            await _go_on(execution, step, signal, patience, scope)
        except Awoken:
            continue  # a signal came, or was taken by a step beside this one, while we appended


async def _go_on(
    execution: Execution, step: str, signal: str, patience: timedelta | None, scope: Scope
) -> None:
    """One entry further: the signal is taken, the wait begins, or it ends because its time is up."""
    state, append = execution.state, execution.writer.append
    arrived, known = state.next_signal(signal), state.steps.get(step)

    def unless_moved() -> None:
        if state.next_signal(signal) is not arrived:
            raise Awoken

    if arrived is not None:
        await append(_received(step, signal, arrived), forward=True, scope=scope, guard=unless_moved)
    elif known is None:
        seconds = None if patience is None else patience.total_seconds()
        started = journal.WaitStarted(step=step, kind="receive", name=signal, timeout_seconds=seconds)
        await append(started, forward=True, scope=scope, guard=unless_moved)
    else:
        await _until(execution, known.deadline, signal)
        await append(_received(step, signal, None), forward=True, scope=scope, guard=unless_moved)


async def _until(execution: Execution, deadline: datetime | None, signal: str) -> None:
    """Wait for the deadline, in memory if it is near. Raises Waiting."""
    reason = f"waits for the signal {signal}"
    if deadline is None:
        raise Waiting(None, reason, signals=frozenset({signal}))
    try:
        await execution.until(deadline, reason)
    except Waiting as waiting:
        raise Waiting(waiting.due, reason, signals=frozenset({signal})) from None


def _received(step: str, signal: str, arrived: Signal | None) -> journal.StepSucceeded:
    return journal.StepSucceeded(
        step=step,
        kind="receive",
        name=signal,
        result=arrived.data if arrived else None,
        signal=arrived.id if arrived else None,
    )


async def sleep(execution: Execution, step: str, end: timedelta | datetime, scope: Scope) -> None:
    """Go on after a duration, or at a time. Raises Waiting."""
    known = execution.recorded(step, "sleep", "sleep", {})
    if known is None:
        started = journal.WaitStarted(
            step=step,
            kind="sleep",
            name="sleep",
            timeout_seconds=end.total_seconds() if isinstance(end, timedelta) else None,
            until=end if isinstance(end, datetime) else None,
        )
        await execution.writer.append(started, forward=True, scope=scope)
        known = execution.state.steps[step]
    if known.status == "started":
        assert known.deadline is not None, "a sleep has an end"
        await execution.until(known.deadline, "sleeps")
        ended = journal.StepSucceeded(step=step, kind="sleep", name="sleep")
        await execution.writer.append(ended, forward=True, scope=scope)
