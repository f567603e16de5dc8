"""What operators and the outside may ask of a saga, decided on the state of its journal.

Each function gives the entry to append, or None when there is nothing left to do; `next_run` is the number of
the run that the entry may name. Raises what keeps it from being done.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from domain import Event
from workflows.saga import journal
from workflows.saga.errors import (
    CannotCompensate,
    NotPossible,
    SignalConflict,
    SignalTooLarge,
    TooManySignals,
)
from workflows.saga.state import SIGNAL_TIMES_KEPT, SagaState, signal_digest
from workflows.saga.step_state import step_order

SIGNALS_WAITING_MAX: Final = 1_000
SIGNAL_BYTES_MAX: Final = 64 * 1024
SIGNAL_PERIOD: Final = timedelta(seconds=1)
"""In so long a saga takes at most SIGNAL_TIMES_KEPT signals."""


BEFORE: Final = "what the saga did before it began anew"


def blocks(state: SagaState, to_step: str | None = None) -> list[str]:
    """Why the saga cannot be undone as it is; empty when it can. `force` passes over these reasons."""
    acted = [step for step in state.after(to_step) if step.has_effect]
    past = [f"{step.name} (step {step.step})" for step in acted if step.past_pivot]
    fixed = [f"{step.name} (step {step.step})" for step in acted if not step.can_be_undone]
    reasons = []
    if state.status == "abandoned":
        reasons.append("the saga was abandoned")
    if state.final and to_step is None:
        reasons.append(f"{BEFORE} is final")
    if state.pivot and (to_step is None or acted):
        done = f", and {', '.join(past)} cannot be undone" if past else ""
        reasons.append(f"the saga has passed its pivot{done}")
    elif state.status == "completed" and fixed:
        reasons.append(f"the saga has completed, and these steps have no compensation: {', '.join(fixed)}")
    return reasons


def compensate(
    state: SagaState,
    next_run: int,
    *,
    actor: str,
    reason: str,
    to_step: str | None = None,
    force: bool = False,
) -> Event | None:
    """Undo the saga, wholly or back to a step. Raises CannotCompensate."""
    if to_step is not None and to_step not in state.steps:
        raise CannotCompensate(f"the saga has no step {to_step!r}")
    if state.status == "compensated":
        return None
    under_way = state.compensating and state.status != "stuck"
    if under_way and state.undo_to == to_step:
        return None
    if under_way and to_step is not None:
        how_far = f"back to step {state.undo_to}" if state.undo_to else "wholly"
        raise CannotCompensate(f"it is being undone {how_far}")
    if to_step is not None and (undone := _undone_but_kept(state, to_step)):
        raise CannotCompensate(f"the saga cannot go on after step {to_step}: {undone} is undone, or may be")
    blocked = blocks(state, to_step)
    if blocked and not force:
        raise CannotCompensate("; ".join(blocked))
    run = next_run if state.idle else None
    return journal.CompensationRequested(actor=actor, reason=reason, run=run, to_step=to_step, force=force)


def _undone_but_kept(state: SagaState, to_step: str) -> str:
    """A step that the saga would build on though its undoing has begun; empty when there is none.

    Past the pivot no call fails by itself: one that has was given up when it was to be undone.
    """
    kept = [step for step in state.in_order() if step.order <= step_order(to_step)]
    gone = [
        each
        for each in kept
        if (each.undo.begun and not each.refused_or_failed) or (each.past_pivot and each.status == "failed")
    ]
    return f"{gone[0].name} (step {gone[0].step})" if gone else ""


def retry(state: SagaState, next_run: int, *, actor: str, reason: str) -> Event:
    """Try now what waits for its next attempt, or anew what made the saga stuck. Raises NotPossible."""
    if state.parked and state.status != "queued" and not _waits_for_attempt(state):
        raise NotPossible("nothing waits for another attempt, but for a signal, a child or a time of its own")
    if state.status == "queued" or not (state.parked or state.status == "stuck"):
        raise NotPossible(f"nothing waits for another attempt: the saga is {state.status}")
    if state.status == "stuck" and state.stuck is not None and state.stuck.reason == "undone-to-step":
        raise NotPossible("it was undone as asked: resume it, compensate it, or abandon it")
    return journal.RetryRequested(actor=actor, reason=reason, run=next_run)


def _waits_for_attempt(state: SagaState) -> bool:
    steps = state.steps.values()
    if any(step.retry_at or step.undo.retry_at for step in steps):
        return True
    waits = any(step.kind in ("receive", "sleep", "child") and step.status == "started" for step in steps)
    return not (
        waits or state.children_awaited
    )  # else it is parked under contention, or until a doubt is resolved


def resume(state: SagaState, next_run: int, *, actor: str, reason: str) -> Event:
    """Let a stuck saga go on from where it stopped. Raises NotPossible."""
    _check_stuck(state)
    return journal.Resumed(actor=actor, reason=reason, run=next_run)


def skip(state: SagaState, next_run: int, *, actor: str, reason: str, step: str | None = None) -> Event:
    """Leave out the compensation that failed. Raises NotPossible."""
    _check_stuck(state)
    failed = [each.step for each in state.in_order() if each.undo.status == "failed"]
    if not failed:
        raise NotPossible("no compensation has failed: there is none to skip")
    if step is not None and step not in failed:
        raise NotPossible(f"the compensation of step {step} has not failed; that of step {failed[0]} has")
    return journal.StepSkipped(step=step or failed[0], actor=actor, reason=reason, run=next_run)


def abandon(state: SagaState, _next_run: int, *, actor: str, reason: str) -> Event | None:
    """End the saga as it is, undone or not. Raises NotPossible."""
    if state.status == "abandoned":
        return None
    if state.ended:
        raise NotPossible(f"the saga is {state.status} already")
    acted = [step for step in state.in_order() if step.has_effect and step.undo.status != "compensated"]
    stays = [*state.behind, *acted]
    left = [journal.Left(step=step.step, name=step.name) for step in stays]
    return journal.SagaAbandoned(actor=actor, reason=reason, left=left)


def signal(
    state: SagaState, next_run: int, *, name: str, signal_id: str, data: Any, actor: str, now: datetime
) -> Event | None:
    """Hand a signal to the saga; the same id again does nothing. Its data must have been validated.

    Raises NotPossible for a saga that receives no more, SignalConflict, TooManySignals, SignalTooLarge.
    """
    if (known := state.signal_digests.get(signal_id)) is not None:
        if known != signal_digest(name, data):
            raise SignalConflict(f"the id {signal_id!r} belongs to another signal")
        return None
    if state.ended or state.compensating:
        raise NotPossible(f"the saga is {state.status} and takes no signal any more")
    if len(json.dumps(data)) > SIGNAL_BYTES_MAX:
        raise SignalTooLarge(f"a signal has at most {SIGNAL_BYTES_MAX} bytes")
    _check_flood(state, now)
    run = next_run if state.waits_for(name) else None
    return journal.SignalReceived(signal=name, id=signal_id, data=data, actor=actor, run=run)


def _check_flood(state: SagaState, now: datetime) -> None:
    times: Sequence[datetime] = state.signal_times
    if len(state.signals) >= SIGNALS_WAITING_MAX:
        raise TooManySignals(f"{len(state.signals)} signals wait to be received already")
    if len(times) == SIGNAL_TIMES_KEPT and now - times[0] < SIGNAL_PERIOD:
        raise TooManySignals(f"more than {SIGNAL_TIMES_KEPT} signals in a second")


def _check_stuck(state: SagaState) -> None:
    if state.status != "stuck":
        raise NotPossible(f"the saga is {state.status}, not stuck")
