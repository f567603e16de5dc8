"""What may be asked of a saga in its state: decided by the very functions that decide on the request."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from domain import Event
from workflows.saga import operations
from workflows.saga.errors import CannotCompensate, NotPossible
from workflows.saga.state import SagaState
from workflows.saga.step_state import StepState

STEPS_MAX: Final = 100
STEPS_OF_MANY: Final = 10
"""Of so many steps, the last ones, it is said whether the saga can be undone back to them. Each answer looks
at all steps: of very many it is said of fewer."""


@dataclass(frozen=True, slots=True)
class Permitted:
    """What the state allows. `blocks` says why it cannot be undone without force, `undo` whether it can be at
    all; `back_to` are the steps that it can go back to, by force where something blocks it."""

    undo: bool
    blocks: list[str]
    back_to: list[StepState]
    retry: bool
    resume: bool
    skip: list[StepState]
    abandon: bool
    signals: list[str]

    @property
    def anything(self) -> bool:
        return any((self.undo, self.retry, self.resume, self.skip, self.abandon, self.signals))


def permitted(state: SagaState, signals: list[str]) -> Permitted:
    """What may be asked of the saga; `signals` are those that sagas of its name receive."""
    takes_signals = not (state.ended or state.compensating)
    return Permitted(
        undo=_taken(partial(operations.compensate, force=True), state),
        blocks=operations.blocks(state),
        back_to=_back_to(state),
        retry=_taken(operations.retry, state),
        resume=_taken(operations.resume, state),
        skip=[step for step in state.in_order() if step.undo.status == "failed"]
        if _taken(operations.skip, state)
        else [],
        abandon=_taken(operations.abandon, state),
        signals=sorted(signals) if takes_signals else [],
    )


def _back_to(state: SagaState) -> list[StepState]:
    """The steps after which something is left to be undone, and which the saga could go on from."""
    steps = state.in_order()
    last = steps[-(STEPS_MAX if len(steps) <= STEPS_MAX else STEPS_OF_MANY) :]
    return [
        step
        for step in last
        if any(each.to_compensate for each in last if each.order > step.order)
        and _taken(partial(operations.compensate, to_step=step.step, force=True), state)
    ]


def _taken(decide: Callable[..., Event | None], state: SagaState, **more: Any) -> bool:
    try:
        return decide(state, 0, actor="", reason="", **more) is not None
    except (NotPossible, CannotCompensate):
        return False
