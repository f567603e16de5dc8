"""What undoing a saga would do, as of now: its commands in their order, what blocks it, what changed since.

A preview, not a lock: nothing is written, and the saga and the aggregates may move on at once. Who wants to
be sure that it still holds says the journal's version with the request that follows.
"""

from typing import Any, Final, Literal

from pydantic import BaseModel, ValidationError

from eventstore import EventStore, RecordedEvent, UpcastFailed
from workflows.saga import operations
from workflows.saga.codec import EventCodec
from workflows.saga.errors import CannotCompensate, SagaNotFound
from workflows.saga.journal import CompensationRequested, StoredCompensation, journal_stream
from workflows.saga.state import SagaState, SagaStatus, fold
from workflows.saga.step_state import StepState
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
    """One compensation: what would run, for which step. `kind` saga: a child is asked to undo itself."""

    step: str
    step_name: str
    kind: Literal["command", "call", "saga"]
    name: str
    data: dict[str, Any]
    aggregate: ChangedView | None = None
    saga: "PreviewView | None" = None
    problem: str | None = None


class PreviewView(BaseModel):
    """What a request to undo the saga would do, and whether it would be taken."""

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
    depth: int = 0,
) -> PreviewView:
    """Look at what `compensate` with these arguments would do. Raises SagaNotFound."""
    journal = [event async for event in store.read_stream(journal_stream(saga_id))]
    state = fold(codec, journal)
    if state is None:
        raise SagaNotFound(f"there is no saga {saga_id!r}")
    possible, blocked_by = _blocked(state, to_step, force)
    plan = state.plan(to_step) if to_step is None or to_step in state.steps else []
    planned = [_planned(step) for step in plan]
    for each, step in zip(planned, plan, strict=True):
        if step.child is not None and depth < DEPTH_MAX:
            each.saga = await _child(store, codec, step.child, depth)
        elif step.compensation is not None and step.compensation.kind == "command":
            await _look_at_aggregate(store, codec, each, step.compensation, _committed_at(journal, step))
    kept = state.steps[to_step].order if to_step in state.steps else ()
    return PreviewView(
        saga_id=saga_id,
        status=state.status,
        journal_version=state.version,
        to_step=to_step,
        possible=possible,
        blocked_by=blocked_by,
        commands=planned,
        without_compensation=[
            LeftView(step=step.step, name=step.name)
            for step in state.in_order()
            if step.has_effect and not step.can_be_undone and step.order > kept
        ],
    )


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


async def _child(store: EventStore, codec: EventCodec, child: str, depth: int) -> PreviewView | None:
    try:
        return await preview(store, codec, child, depth=depth + 1)
    except SagaNotFound:
        return None


def _committed_at(journal: list[RecordedEvent], step: StepState) -> int:
    """The last position of the append that the step came with: what is later happened since."""
    recorded = step.outcome_version or 1
    return journal[recorded - 1].commit_position


async def _look_at_aggregate(
    store: EventStore, codec: EventCodec, planned: PlannedView, stored: StoredCompensation, then: int
) -> None:
    try:
        command = codec.command(stored.name, stored.data, stored.data_version)
    except (LookupError, UpcastFailed, ValidationError) as error:
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
