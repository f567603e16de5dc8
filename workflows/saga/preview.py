"""What undoing a saga would do, as of now: its commands in their order, what blocks it, what changed since.

A preview, not a lock: nothing is written, and the saga and the aggregates may move on at once. Who wants to
be sure that it still holds says the journal's version with the request that follows.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel

from eventstore import EventStore, RecordedEvent
from workflows.saga import operations
from workflows.saga.codec import EventCodec
from workflows.saga.errors import CannotCompensate, SagaNotFound
from workflows.saga.journal import CompensationRequested, StoredCompensation, journal_stream
from workflows.saga.state import SagaState, fold
from workflows.saga.step_state import StepState, take_news
from workflows.saga.stored import UNREADABLE
from workflows.saga.summary import SagaStatus
from workflows.saga.view import LeftView

EVENTS_SINCE_MAX: Final = 100
"""So far back a stream is looked at, for what happened since a step."""
DEPTH_MAX: Final = 10
NOTE: Final = "a preview, not a lock: the saga and the aggregates may change before it is undone"


class ChangedView(BaseModel):
    """The aggregate that a command would change: as of its step and as it is now.

    Without a `version_then` so much has happened since that it was not looked for; `events_since` are the
    last ones then.
    """

    stream: str
    version_then: int | None
    version_now: int
    changed: bool
    events_since: list[str]


class PlannedView(BaseModel):
    """One compensation: what would run, for which step. `kind` saga: a child is asked to undo itself, and
    `saga` says what runs then, before the next one. `problem` says why it would not run."""

    step: str
    step_name: str
    kind: Literal["command", "call", "saga"]
    name: str
    data: dict[str, Any]
    aggregate: ChangedView | None = None
    saga: "PreviewView | None" = None
    problem: str | None = None


class PreviewView(BaseModel):
    """What a request to undo the saga would do. `possible`: it would be taken, and nothing that is known now
    would stop it on its way; a child that `blocked_by` names would, whether the request is forced or not."""

    preview: Literal[True] = True
    note: str = NOTE
    saga_id: str
    status: SagaStatus
    journal_version: int
    to_step: str | None
    possible: bool
    blocked_by: list[str]
    commands: list[PlannedView]
    without_compensation: list[LeftView]


async def preview(
    store: EventStore,
    codec: EventCodec,
    saga_id: str,
    *,
    to_step: str | None = None,
    force: bool = False,
) -> PreviewView:
    """Look at what `compensate` with these arguments would do. Raises SagaNotFound."""
    journal, state = await _read(store, codec, saga_id)
    if state is None:
        raise SagaNotFound(f"there is no saga {saga_id!r}")
    taken, blocked_by = _blocked(state, to_step, force)
    return await Look(store, codec).at(journal, state, taken, blocked_by, to_step)


@dataclass(frozen=True, slots=True)
class Look:
    """Looks at a saga, and from there at its children."""

    store: EventStore
    codec: EventCodec
    depth: int = 0

    async def at(
        self,
        journal: list[RecordedEvent],
        state: SagaState,
        taken: bool,
        blocked_by: list[str],
        to_step: str | None = None,
    ) -> PreviewView:
        """What undoing the saga would do, if it is begun: what its children block is added."""
        after = state.after(to_step) if to_step is None or to_step in state.steps else []
        commands, by_children = [], list[str]()
        for step in [step for step in reversed(after) if step.to_compensate]:
            planned = _planned(step)
            if step.compensation is None:
                by_child = await self._child(planned, step)
                if by_child is None:
                    continue
                by_children += by_child
            elif step.compensation.kind == "command":
                then = _committed_at(journal, step)
                await _look_at_aggregate(self.store, self.codec, planned, step.compensation, then)
            commands.append(planned)
        return PreviewView(
            saga_id=state.saga_id,
            status=state.status,
            journal_version=state.version,
            to_step=to_step,
            possible=taken and not by_children,
            blocked_by=blocked_by + by_children,
            commands=commands,
            without_compensation=[
                LeftView(step=step.step, name=step.name)
                for step in after
                if step.has_effect and not step.can_be_undone
            ],
        )

    async def _child(self, planned: PlannedView, step: StepState) -> list[str] | None:
        """Add what the child would do, and give what of it blocks the saga; None when it is undone already.

        Force is for the saga that it is said of: its children are asked without.
        """
        if self.depth == DEPTH_MAX:
            planned.problem = f"not looked at: more than {DEPTH_MAX} sagas deep"
            return []
        journal, state = await _read(self.store, self.codec, step.child or "")
        if state is None or state.status == "compensated":
            return None
        blocks = operations.blocks(state)
        if step.undo.status == "compensating":  # it is asked only once
            blocks = ["it is stuck, and waits for its operator"] if state.status == "stuck" else []
        look = Look(self.store, self.codec, self.depth + 1)
        planned.saga = await look.at(journal, state, not blocks, blocks)
        if planned.saga.blocked_by:
            planned.problem = f"would not be undone: {'; '.join(planned.saga.blocked_by)}"
        return [f"{state.saga_id} (step {step.step}): {reason}" for reason in planned.saga.blocked_by]


async def _read(
    store: EventStore, codec: EventCodec, saga_id: str
) -> tuple[list[RecordedEvent], SagaState | None]:
    """The journal and the saga as the run that undoes it will see it."""
    journal = [event async for event in store.read_stream(journal_stream(saga_id))]
    state = fold(codec, journal)
    if state is not None and state.status != "running":
        take_news(state.steps, state.version)
    return journal, state


def _blocked(state: SagaState, to_step: str | None, force: bool) -> tuple[bool, list[str]]:
    try:
        operations.compensate(state, 0, actor="", reason="", to_step=to_step, force=force)
    except CannotCompensate as refused:
        known = to_step is None or to_step in state.steps
        return False, (operations.blocks(state, to_step) if known else []) or [str(refused)]
    return True, operations.blocks(state, to_step)


def _planned(step: StepState) -> PlannedView:
    stored = step.compensation
    return PlannedView(
        step=step.step,
        step_name=step.name,
        kind=stored.kind if stored else "saga",
        name=stored.name if stored else CompensationRequested.__name__,
        data=stored.data if stored else {"saga_id": step.child},
    )


def _committed_at(journal: list[RecordedEvent], step: StepState) -> int:
    """The last position of the append that the step came with: what is later happened since."""
    recorded = step.outcome_version or 1
    return journal[recorded - 1].commit_position


async def _look_at_aggregate(
    store: EventStore, codec: EventCodec, planned: PlannedView, stored: StoredCompensation, then: int
) -> None:
    try:
        command = codec.command(stored.name, stored.data, stored.data_version)
    except UNREADABLE as error:
        planned.problem = f"the code does not know this command any more: {type(error).__name__}"
        return
    planned.name, planned.data = type(command).__name__, command.model_dump(mode="json")
    decider = codec.catalog.decider_of(command)
    stream = decider.stream(decider.key(command))
    last = [e async for e in store.read_stream(stream, limit=EVENTS_SINCE_MAX + 1, backwards=True)]
    since = [event for event in last if event.position > then]
    before = [event for event in last if event.position <= then]
    all_seen = bool(before) or len(last) <= EVENTS_SINCE_MAX
    planned.aggregate = ChangedView(
        stream=stream,
        version_then=(before[0].version if before else 0) if all_seen else None,
        version_now=last[0].version if last else 0,
        changed=bool(since),
        events_since=[event.type for event in reversed(since[:EVENTS_SINCE_MAX])],
    )
